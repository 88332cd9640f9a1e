// Types of schoolbell-react.js.
import type { Events, Message, Notification, Schoolbell, Unread } from "./schoolbell.js";
import type { SchoolbellChatAttributes, SchoolbellElement, SchoolbellElementAttributes } from "./elements.js";
import type { DetailedHTMLProps, HTMLAttributes } from "react";

/** The name of an event and its data: `(name, data) => { if (name === "typing") data.userId … }`. */
export type AnyEvent = { [K in keyof Events]: [name: K, data: Events[K]] }[keyof Events];

export interface HookOptions {
  /** Where schoolbell is; the page's own origin if left out. */
  url?: string;
  /** Every event, for what the hook has no state for: `new_message`, `typing`, `presence` … */
  onEvent?: (...event: AnyEvent) => void;
}

export interface UseSchoolbell {
  isConnected: boolean;
  /** Newest first. */
  notifications: Notification[];
  unread: Unread;
  lastMessage: Message | null;
  /** Why it does not come back, if it does not: 4001 asks for a new token, 4503 for a new login. */
  closed: { code: number; reason: string } | null;
  sendMessage(receiverId: string, content: string): Promise<Message>;
  typing(to: string, typing?: boolean): void;
  markRead(notificationId: string): Promise<void>;
  markAllRead(): Promise<void>;
  markMessagesRead(partnerId: string): Promise<{ updated: number }>;
  client(): Schoolbell | null;
}

/**
 * Without a token there is no connection. A function gives a fresh one at each connection; it must stay the same between renders
 * (`useCallback`).
 */
export function useSchoolbell(token: string | (() => string | Promise<string>) | null | undefined, options?: HookOptions): UseSchoolbell;

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "schoolbell-bell": DetailedHTMLProps<HTMLAttributes<SchoolbellElement>, SchoolbellElement> & SchoolbellElementAttributes;
      "schoolbell-chat": DetailedHTMLProps<HTMLAttributes<SchoolbellElement>, SchoolbellElement> & SchoolbellChatAttributes;
    }
  }
}
