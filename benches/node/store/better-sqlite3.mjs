// Each statement prepared once, on one connection in WAL mode.
import { readFileSync } from "node:fs";

import Database from "better-sqlite3";
import { v7 as uuid } from "uuid";

export function open(path, synchronous) {
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.pragma(`synchronous = ${synchronous}`);
  db.pragma("foreign_keys = ON");
  db.exec(readFileSync(new URL("../schema.sql", import.meta.url), "utf8"));

  const user = db.prepare("SELECT id, name, avatar FROM User WHERE id = ?");
  const byUsername = db.prepare("SELECT * FROM User WHERE username = ?");
  const everybody = db.prepare("SELECT id FROM User WHERE id <> 'sender'").pluck();
  const insertMessage = db.prepare("INSERT INTO Message (id, senderId, receiverId, content, createdAt) VALUES (?, ?, ?, ?, ?)");
  const history = db.prepare(`
    SELECT * FROM (
      SELECT * FROM (SELECT * FROM Message WHERE senderId = $me AND receiverId = $partner ORDER BY createdAt DESC LIMIT 50)
      UNION ALL
      SELECT * FROM (SELECT * FROM Message WHERE senderId = $partner AND receiverId = $me ORDER BY createdAt DESC LIMIT 50)
    ) ORDER BY createdAt DESC LIMIT 50`);
  // SQLite gives the other columns of the row that holds the maximum.
  const conversations = db.prepare(`
    SELECT m.*, partner.id AS partnerId, partner.name AS partnerName, partner.avatar AS partnerAvatar,
           (SELECT count(*) FROM Message u WHERE u.receiverId = $me AND u.read = 0 AND u.senderId = partner.id) AS unreadCount
    FROM (
      SELECT id, partnerId, max(createdAt) AS newest FROM (
        SELECT id, receiverId AS partnerId, max(createdAt) AS createdAt FROM Message WHERE senderId = $me GROUP BY receiverId
        UNION ALL
        SELECT id, senderId, max(createdAt) FROM Message WHERE receiverId = $me GROUP BY senderId
      ) GROUP BY partnerId ORDER BY newest DESC LIMIT 50
    ) last JOIN Message m ON m.id = last.id JOIN User partner ON partner.id = last.partnerId
    ORDER BY last.newest DESC`);
  const unreadMessages = db.prepare("SELECT count(*) FROM Message WHERE receiverId = ? AND read = 0").pluck();
  const readMessages = db.prepare("UPDATE Message SET read = 1, readAt = ? WHERE receiverId = ? AND read = 0 AND senderId = ?");
  const insertNotification = db.prepare(
    `INSERT INTO Notification (id, userId, type, title, message, link, createdAt)
     VALUES ($id, $userId, $type, $title, $message, $link, $createdAt)`,
  );
  const notifications = db.prepare("SELECT * FROM Notification WHERE userId = ? ORDER BY id DESC LIMIT 50");
  const unreadNotifications = db.prepare("SELECT count(*) FROM Notification WHERE userId = ? AND read = 0").pluck();
  const readNotification = db.prepare(
    "UPDATE Notification SET read = 1, readAt = coalesce(readAt, ?) WHERE userId = ? AND id = ? RETURNING *",
  );
  const readAllNotifications = db.prepare("UPDATE Notification SET read = 1, readAt = ? WHERE userId = ? AND read = 0");

  const bool = (row) => ({ ...row, read: row.read === 1 });
  const withPeople = (row, people) =>
    Object.assign(row, { read: row.read === 1, sender: people[row.senderId], receiver: people[row.receiverId] });

  const notify = db.transaction((recipients, notification) => {
    const row = { ...notification, createdAt: notification.createdAt.toISOString() };
    for (const userId of recipients) insertNotification.run({ ...row, userId });
  });

  return {
    sendMessage(senderId, receiverId, content) {
      const receiver = user.get(receiverId);
      if (!receiver) return undefined;
      const sender = user.get(senderId);
      const id = uuid();
      const createdAt = new Date().toISOString();
      insertMessage.run(id, senderId, receiverId, content, createdAt);
      return { id, senderId, receiverId, content, read: false, readAt: null, createdAt, sender, receiver };
    },
    history(me, partner) {
      const people = { [me]: user.get(me), [partner]: user.get(partner) };
      return history
        .all({ me, partner })
        .reverse()
        .map((row) => withPeople(row, people));
    },
    conversations(me) {
      return conversations.all({ me }).map(({ partnerId, partnerName, partnerAvatar, unreadCount, ...row }) => ({
        partner: { id: partnerId, name: partnerName, avatar: partnerAvatar },
        lastMessage: bool(row),
        unreadCount,
      }));
    },
    unreadMessages: (me) => unreadMessages.get(me),
    readMessages: (me, partner, at) => readMessages.run(at.toISOString(), me, partner).changes,
    everybody: () => everybody.all(),
    notify,
    notifications: (me) => notifications.all(me).map(bool),
    unreadNotifications: (me) => unreadNotifications.get(me),
    readNotification(me, id, at) {
      const row = readNotification.get(at.toISOString(), me, id);
      return row && bool(row);
    },
    readAllNotifications: (me, at) => readAllNotifications.run(at.toISOString(), me).changes,
    byUsername: (username) => byUsername.get(username),
  };
}
