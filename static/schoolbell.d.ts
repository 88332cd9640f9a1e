// Types of schoolbell.js. Times are RFC 3339 in UTC.

export interface Person {
  id: string;
  name: string;
  avatar: string | null;
}

export interface Message {
  id: string;
  seq: number;
  senderId: string;
  receiverId: string;
  content: string;
  read: boolean;
  readAt: string | null;
  createdAt: string;
  clientId?: string;
  /** Of a message that was taken back: its `content` is empty. */
  removed?: { by: "sender" | "school"; at: string };
  sender: Person;
  receiver: Person;
}

export interface Notification {
  id: string;
  seq: number;
  type: string;
  title: string;
  message: string;
  link: string | null;
  read: boolean;
  readAt: string | null;
  createdAt: string;
}

export interface Unread {
  messages: number;
  notifications: number;
}

export interface Presence {
  userId: string;
  online: boolean;
  lastSeenAt: string | null;
}

/** What you may do with a user now. */
export interface Can {
  write: "start" | "reply" | "no";
  /** Why not. */
  why?: "not_allowed" | "answer_only" | "closed" | "you_blocked";
  /** Until when what you write is not pushed. */
  quietUntil?: string;
}

export interface User extends Person, Omit<Presence, "userId"> {
  username?: string;
  role: "student" | "teacher" | "guardian" | "staff" | "admin";
  can?: Can;
}

export interface Conversation {
  partner: User;
  lastMessage: Message;
  unreadCount: number;
  can: Can;
  /** Whether nothing that the partner writes is pushed to you. */
  muted: boolean;
}

export interface Page {
  limit?: number;
  before?: string;
}

/** Where a list goes on: give `before` to get what is older. */
export interface Paging {
  hasMore: boolean;
  before: string | null;
  after?: string | null;
}

export type List<T> = T[] & { paging: Paging };

export type State = "connecting" | "open" | "closed";

/** What the handler of each event gets. */
export interface Events {
  connected: { userId: string; connectionId: string; seq: number; upTo: number; unread: Unread; serverTime: string };
  new_message: Message;
  notification: Notification;
  message_read: { seq: number; readerId: string; partnerId: string; upTo: string; readAt: string };
  message_removed: { seq: number; id: string; senderId: string; receiverId: string; by: "sender" | "school" };
  notifications_read: { seq: number; ids: string[] } | { seq: number; all: true };
  unread: Unread;
  typing: { userId: string; typing: boolean };
  presence: Presence;
  /** Too much was missed to send it again: fetch what the page shows. */
  resync: { reason: string; seq: number };
  error: { code: string; message: string };
  /** To pages in the background: whether their person looks at another page, here or on another device. */
  looking: { looking: boolean; seen: number };
  /** To administrators who watch: see `Now` in the OpenAPI document. */
  overview: { at: string; online: number; people: number; pushesWaiting: number; hour: Record<string, unknown> };
  /** The connection's, not the server's. */
  state: State;
  /** It does not come back: the code is a close code of the server's, or 1000. */
  closed: { code: number; reason: string };
}

export class SchoolbellError extends Error {
  code: string;
  status: number;
  details?: { field: string; rule: string; params?: Record<string, unknown>; message: string }[];
  requestId?: string;
}

export interface Options {
  /** Where schoolbell is; the page's own origin if left out. */
  url?: string;
  /**
   * Asked at each connection and request, so that it may give a fresh one. Left out on the server's own pages, where a
   * cookie says who it is.
   */
  token?: string | (() => string | Promise<string>);
  /** The `seq` of an earlier page: what came after it is sent again. */
  since?: number;
  /** Whether what this page does itself comes back as an event too, for other parts of it. */
  echo?: boolean;
  /** Whether somebody in front of this page sees what arrives; true if left out. */
  reads?: boolean;
}

export interface Schoolbell {
  readonly state: State;
  readonly seq: number | undefined;
  /** Who is connected, once that is known. */
  readonly userId: string | undefined;
  /** What is unread, as of the event `upTo`. */
  readonly unread: Unread | undefined;
  readonly upTo: number | undefined;
  /** While this page is in the background: whether its person looks at another one. */
  readonly looking: boolean | undefined;
  on<Name extends keyof Events>(name: Name, handler: (data: Events[Name]) => void): () => void;
  on(name: "*", handler: (name: keyof Events, data: unknown) => void): () => void;
  close(): void;
  typing(to: string, typing?: boolean): void;
  /** For administrators: from now on there is an `overview` event every few seconds. */
  watch(): void;
  messages: {
    /** The same `clientId` again sends nothing twice. */
    send(receiverId: string, content: string, clientId?: string): Promise<Message>;
    conversations(page?: Page): Promise<List<Conversation>>;
    /** Oldest first; the newest page without a cursor. */
    with(partnerId: string, page?: Page & { after?: string }): Promise<List<Message>>;
    markRead(partnerId: string, upTo?: string): Promise<{ updated: number }>;
    search(words: string): Promise<List<Message>>;
    /** Nothing that the partner writes is pushed to you. */
    mute(partnerId: string): Promise<unknown>;
    unmute(partnerId: string): Promise<unknown>;
    /** Takes a message of one's own back, for both. */
    remove(id: string): Promise<unknown>;
    /** Reports a message to the school's safeguarding leads. */
    report(id: string, reason: "bullying" | "unwanted" | "danger" | "other", note?: string): Promise<unknown>;
  };
  notifications: {
    list(page?: Page & { unread?: boolean; type?: string }): Promise<List<Notification>>;
    markRead(id: string): Promise<Notification>;
    markAllRead(): Promise<{ updated: number }>;
    remove(id: string): Promise<object>;
  };
  /** How a page in the background is to show what arrives. */
  display(): Promise<Display>;
  /**
   * Until it is in front again, this page shows what arrives, on the device with this push subscription; the server leaves the device
   * out. `undefined`: it does not.
   */
  shows(endpoint: string | undefined): void;
  /** While it is in the background, this page has shown everything up to this seq. */
  shown(seq: number): void;
  presence(userIds: string[]): Promise<List<Presence>>;
  people(search?: string): Promise<List<User>>;
  person(id: string): Promise<User>;
  /** Shows you nothing more of what a user writes; they are not told. */
  block(id: string): Promise<unknown>;
  unblock(id: string): Promise<unknown>;
  /** The users whom you have blocked. */
  blocked(): Promise<List<User>>;
  /** Yourself. */
  me(): Promise<User & { unread: Unread }>;
  server(): Promise<Server>;
}

export function connect(options?: Options): Schoolbell;

export interface Display {
  /** Not in quiet hours, and not for who wants no pushes. */
  shows: boolean;
  /** `message` stands for chat messages. */
  mutedTypes: string[];
  /** Where a chat message leads; `{userId}` is its sender's id. */
  messageLink: string;
  /** What is said in place of every title and text; null: what arrived. */
  instead: { message: string; notification: string; text: string } | null;
}

export interface Server {
  url: string;
  token?: string;
  /** The service worker's path, unless it is sw.js at the root of the page's host. */
  worker?: string;
  /** Who is logged in: a device that somebody else has turned on is turned off for them. */
  person?: string;
}

export type PushState = "insecure" | "unsupported" | "install" | "denied" | "off" | "on";

export function pushState(): Promise<PushState>;
/** On a click: browsers ask for permission only then. */
export function enablePush(server: Server): Promise<PushState>;
/** At each start of the page. */
export function refreshPush(server: Server): Promise<PushState>;
/** At logout. */
export function disablePush(server: Server): Promise<void>;
