// A school's app as the ones that exist are built: React, socket.io-client, a REST client that unwraps `data.data`. It knows
// nothing of schoolbell but its address. `?hook` shows the same on schoolbell's own hook.
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { io } from "socket.io-client";

const API_URL = new URLSearchParams(location.search).get("api");

async function api(token, method, path, body) {
  const response = await fetch(`${API_URL}/api${path}`, {
    method,
    credentials: "include",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const answer = { data: await response.json() };
  if (!response.ok) throw new Error(answer.data.message);
  return answer.data.data;
}

function useSocket(token, on) {
  const [isConnected, setConnected] = useState(false);
  useEffect(() => {
    if (!token) return;
    const socket = io(API_URL, { auth: { token }, withCredentials: true });
    socket.on("connected", ({ userId }) => setConnected(Boolean(userId)));
    socket.on("disconnect", () => setConnected(false));
    socket.on("notification", on.notification);
    socket.on("new_message", on.message);
    return () => socket.disconnect();
  }, [token]);
  return isConnected;
}

function Chat({ token, me }) {
  const [partners, setPartners] = useState([]);
  const [partner, setPartner] = useState(null);
  const [messages, setMessages] = useState([]);
  const [toast, setToast] = useState(null);
  const [text, setText] = useState("");
  const isConnected = useSocket(token, {
    notification: ({ title, message, link }) => setToast({ title, message, link }),
    message: (message) => setMessages((list) => (list.some((m) => m.id === message.id) ? list : [...list, message])),
  });
  useEffect(() => {
    api(token, "GET", "/messages/conversations").then(setPartners);
  }, [messages.length]);

  async function open(id) {
    setPartner(id);
    setMessages(await api(token, "GET", `/messages/conversation/${id}`));
    await api(token, "PUT", `/messages/read/${id}`);
  }

  async function send(event) {
    event.preventDefault();
    const message = await api(token, "POST", "/messages", { receiverId: partner, content: text });
    setMessages((list) => (list.some((m) => m.id === message.id) ? list : [...list, message]));
    setText("");
  }

  return (
    <main>
      <p id="state">{isConnected ? "online" : "offline"}</p>
      {toast && (
        <a id="toast" href={toast.link}>
          {toast.title}: {toast.message}
        </a>
      )}
      <ul id="partners">
        {partners.map(({ partner, lastMessage, unreadCount }) => (
          <li key={partner.id}>
            <button onClick={() => open(partner.id)}>
              {partner.name} ({unreadCount}): {lastMessage.content}
            </button>
          </li>
        ))}
      </ul>
      <ol id="messages">
        {messages.map((message) => (
          <li key={message.id}>
            {message.senderId === me ? "me" : message.sender.name}: {message.content}
          </li>
        ))}
      </ol>
      <form onSubmit={send}>
        <input id="text" value={text} onChange={(event) => setText(event.target.value)} />
        <button>Send</button>
      </form>
    </main>
  );
}

/** The same bell on schoolbell's hook, loaded from schoolbell. */
function Bell({ token, useSchoolbell }) {
  const { isConnected, notifications, unread, lastMessage, markAllRead, sendMessage } = useSchoolbell(token, { url: API_URL });
  return (
    <main>
      <p id="state">{isConnected ? "online" : "offline"}</p>
      <p id="unread">
        {unread.notifications} unread, {unread.messages} messages
      </p>
      <ul id="notifications">
        {notifications.map((notification) => (
          <li key={notification.id}>
            {notification.title} {notification.read ? "(read)" : "(new)"}
          </li>
        ))}
      </ul>
      <p id="last">{lastMessage?.content}</p>
      <button id="read" onClick={markAllRead}>
        Mark all read
      </button>
      <button id="answer" onClick={() => sendMessage(lastMessage.senderId, "seen")}>
        Answer
      </button>
    </main>
  );
}

function Login({ onToken }) {
  async function submit(event) {
    event.preventDefault();
    const { username, password } = Object.fromEntries(new FormData(event.target));
    const { token, user } = await api("", "POST", "/auth/login", { username, password });
    onToken({ token, me: user.id });
  }
  return (
    <form id="login" onSubmit={submit}>
      <input name="username" />
      <input name="password" type="password" />
      <button>Log in</button>
    </form>
  );
}

function App({ useSchoolbell }) {
  const [session, setSession] = useState(null);
  if (!session) return <Login onToken={setSession} />;
  return useSchoolbell ? <Bell {...session} useSchoolbell={useSchoolbell} /> : <Chat {...session} />;
}

const hook = new URLSearchParams(location.search).has("hook");
const { useSchoolbell } = hook ? await import("../../../../static/schoolbell-react.js") : {};
createRoot(document.querySelector("#root")).render(<App useSchoolbell={useSchoolbell} />);
