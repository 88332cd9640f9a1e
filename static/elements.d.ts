// Types of elements.js: what the two custom elements take. For JSX see schoolbell-react.d.ts.
import type { Message, Notification, Unread } from "./schoolbell.js";

export interface SchoolbellElementAttributes {
  /** A JWT; without one the cookie of schoolbell's own pages is used. */
  token?: string;
  /** Where schoolbell is, if not where the module came from. */
  url?: string;
  /** A language tag; the page's own if left out. */
  lang?: string;
}

export interface SchoolbellChatAttributes extends SchoolbellElementAttributes {
  /** The id of the person whose conversation is opened. */
  partner?: string;
}

export interface SchoolbellElement extends HTMLElement {
  /** A string, or a function that gives a fresh one at each connection. */
  token: string | (() => string | Promise<string>) | undefined;
  readonly url: string;
}

/** The events of both elements, which bubble. */
export interface SchoolbellElementEvents {
  "schoolbell-open": CustomEvent<Notification>;
  "schoolbell-chat": CustomEvent;
  "schoolbell-message": CustomEvent<Message>;
  "schoolbell-unread": CustomEvent<Unread>;
  "schoolbell-closed": CustomEvent<{ code: number }>;
}

declare global {
  interface HTMLElementTagNameMap {
    "schoolbell-bell": SchoolbellElement;
    "schoolbell-chat": SchoolbellElement;
  }
  interface HTMLElementEventMap extends SchoolbellElementEvents {}
}
