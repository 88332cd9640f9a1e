// Express and socket.io as schools run them: a JWT, the routes for messages and notifications, a room for each person.
// FORM=better-sqlite3 is the fastest that Node honestly does; FORM=prisma is how the original was written.
import { createSecretKey } from "node:crypto";
import { createServer } from "node:http";

import argon2 from "argon2";
import express from "express";
import jwt from "jsonwebtoken";
import { Server } from "socket.io";
import { v7 as uuid } from "uuid";

const { DATABASE, FORM, JWT_SECRET, SYNCHRONOUS = "NORMAL" } = process.env;
const { open } = await import(`./store/${FORM}.mjs`);
const store = await open(DATABASE, SYNCHRONOUS);

// Given as a string, the library makes a key of it for every token; the original gave it as a string.
const secret = FORM === "prisma" ? JWT_SECRET : createSecretKey(Buffer.from(JWT_SECRET));
const verify = (token) => jwt.verify(token, secret, { algorithms: ["HS256"] }).userId;

const app = express();
app.disable("x-powered-by");
app.set("etag", false);
const http = createServer(app);
const io = new Server(http);

io.use((socket, next) => {
  try {
    socket.userId = verify(socket.handshake.auth.token);
    next();
  } catch {
    next(new Error("Authentication error"));
  }
});
io.on("connection", (socket) => {
  socket.join(socket.userId);
  socket.emit("connected", { userId: socket.userId });
});

const fail = (res, status, code, message) => res.status(status).json({ success: false, code, message });

function person(req, res, next) {
  try {
    req.userId = verify(req.headers.authorization.slice("Bearer ".length));
  } catch {
    return fail(res, 401, "unauthorized", "A valid token is needed");
  }
  next();
}

const messages = express.Router();

messages.post("/", async (req, res) => {
  const { receiverId } = req.body;
  const content = typeof req.body.content === "string" ? req.body.content.trim() : "";
  if (content.length < 1 || content.length > 4000) {
    return fail(res, 400, "validation_failed", "content must be 1 to 4,000 characters");
  }
  if (receiverId === req.userId) return fail(res, 400, "validation_failed", "You cannot write to yourself");
  const message = await store.sendMessage(req.userId, receiverId, content);
  if (!message) return fail(res, 404, "user_not_found", "No such user");
  io.to(receiverId).emit("new_message", message);
  res.status(201).json({ success: true, data: message });
});

messages.get("/conversations", async (req, res) => {
  res.json({ success: true, data: await store.conversations(req.userId) });
});

messages.get("/conversation/:partnerId", async (req, res) => {
  res.json({ success: true, data: await store.history(req.userId, req.params.partnerId) });
});

messages.get("/unread-count", async (req, res) => {
  res.json({ success: true, data: { count: await store.unreadMessages(req.userId) } });
});

messages.put("/read/:partnerId", async (req, res) => {
  const { partnerId } = req.params;
  const readAt = new Date();
  const updated = await store.readMessages(req.userId, partnerId, readAt);
  if (updated > 0) io.to(partnerId).emit("message_read", { readerId: req.userId, partnerId, readAt });
  res.json({ success: true, data: { updated } });
});

const notifications = express.Router();

notifications.get("/", async (req, res) => {
  res.json({ success: true, data: await store.notifications(req.userId) });
});

notifications.get("/unread-count", async (req, res) => {
  res.json({ success: true, data: { count: await store.unreadNotifications(req.userId) } });
});

notifications.put("/mark-all-read", async (req, res) => {
  res.json({ success: true, data: { updated: await store.readAllNotifications(req.userId, new Date()) } });
});

notifications.put("/:id/read", async (req, res) => {
  const read = await store.readNotification(req.userId, req.params.id, new Date());
  if (!read) return fail(res, 404, "not_found", "No such notification");
  res.json({ success: true, data: read });
});

notifications.post("/", async (req, res) => {
  const { userId, userIds, audience, type, title, message, link = null } = req.body;
  const everybody = audience?.all === true;
  const recipients = everybody ? await store.everybody() : (userIds ?? [userId]);
  const notification = { id: uuid(), type, title, message, link, read: false, readAt: null, createdAt: new Date() };
  await store.notify(recipients, notification);
  (everybody ? io : io.to(recipients)).emit("notification", notification);
  res.status(201).json({ success: true, data: { id: notification.id, recipients: recipients.length } });
});

app.use(express.json());
app.use("/api/messages", person, messages);
app.use("/api/notifications", person, notifications);

app.post("/api/auth/login", async (req, res) => {
  const { username, password } = req.body;
  const user = await store.byUsername(username);
  if (!user || !(await argon2.verify(user.passwordHash, password))) {
    return fail(res, 401, "invalid_credentials", "Unknown name or wrong password");
  }
  const token = jwt.sign({ userId: user.id, role: user.role }, secret, { expiresIn: "7d" });
  res.json({ success: true, data: { token, user: { id: user.id, name: user.name, role: user.role } } });
});

app.get("/health", (_, res) => res.json({ status: "ok" }));

http.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${http.address().port}`));
