"use client";
// A React hook on schoolbell.js. React is the page's own: a bundler or an import map finds it.
//
//   const { isConnected, notifications, unread, markRead } = useSchoolbell(token, { url: "https://bell.school.example" });
import { useEffect, useMemo, useRef, useState } from "react";
import { connect } from "./schoolbell.js";

const NOTHING = { messages: 0, notifications: 0 };

/** Connected as long as the component is there and has a token. See schoolbell-react.d.ts for what it returns. */
export function useSchoolbell(token, { url, onEvent } = {}) {
  const [isConnected, setConnected] = useState(false);
  const [notifications, setNotifications] = useState([]);
  const [lastMessage, setLastMessage] = useState(null);
  const [unread, setUnread] = useState(NOTHING);
  const [closed, setClosed] = useState(null);
  const bell = useRef(null);
  const cursor = useRef(undefined);
  // The newest of them, without a new connection for each.
  const latest = useRef(onEvent);
  useEffect(() => {
    latest.current = onEvent;
  });

  useEffect(() => {
    if (!token) {
      cursor.current = undefined;
      return;
    }
    // A new token goes on where the last one's connection stopped.
    const mine = connect({ url, token, since: cursor.current });
    bell.current = mine;
    let connected;
    // What came before `upTo` is in the counts of `connected` already.
    const count = (name, { seq }) => {
      if (seq > connected.upTo) setUnread((counts) => ({ ...counts, [name]: counts[name] + 1 }));
    };
    const load = () =>
      mine.notifications.list().then(
        (list) => bell.current === mine && setNotifications((now) => merge(now, list)),
        () => {}, // The next connection tries again.
      );
    const markHere = (read) => setNotifications((list) => list.map((one) => (read(one) ? { ...one, read: true } : one)));
    mine.on("state", (state) => setConnected(state === "open"));
    mine.on("closed", setClosed);
    mine.on("connected", (data) => {
      connected = data;
      setUnread(data.unread);
      setClosed(null);
      load();
    });
    mine.on("resync", () => {
      setNotifications([]);
      load();
    });
    mine.on("unread", setUnread);
    mine.on("notification", (notification) => {
      setNotifications((list) => merge(list, [notification]));
      count("notifications", notification);
    });
    mine.on("notifications_read", ({ ids, all, seq }) => markHere((one) => (all ? one.seq < seq : ids.includes(one.id))));
    mine.on("new_message", (message) => {
      setLastMessage(message);
      if (message.receiverId === connected.userId) count("messages", message);
    });
    mine.on("*", (name, data) => latest.current?.(name, data));
    return () => {
      cursor.current = mine.seq;
      bell.current = null;
      mine.close();
      setClosed(null);
      setConnected(false);
      setNotifications([]);
      setLastMessage(null);
      setUnread(NOTHING);
    };
  }, [token, url]);

  const actions = useMemo(() => {
    const here = () => bell.current ?? raise("not connected: there is no token");
    const read = (which) => (one) => (which(one) ? { ...one, read: true } : one);
    return {
      sendMessage: async (receiverId, content) => here().messages.send(receiverId, content),
      typing: (to, typing) => bell.current?.typing(to, typing),
      // The list of this device is not told of what this device does.
      markRead: async (id) => {
        await here().notifications.markRead(id);
        setNotifications((list) => list.map(read((one) => one.id === id)));
      },
      markAllRead: async () => {
        await here().notifications.markAllRead();
        setNotifications((list) => list.map(read(() => true)));
      },
      markMessagesRead: async (partnerId) => here().messages.markRead(partnerId),
      /** All that the hook does not wrap. */
      client: () => bell.current,
    };
  }, []);
  return { isConnected, notifications, unread, lastMessage, closed, ...actions };
}

/** Newest first, each once. */
function merge(list, more) {
  const known = new Set(list.map((one) => one.id));
  return [...more.filter((one) => !known.has(one.id)), ...list].sort((a, b) => b.seq - a.seq);
}

function raise(message) {
  throw new Error(message);
}
