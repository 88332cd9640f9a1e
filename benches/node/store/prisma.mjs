// Prisma as its documentation shows it, on the driver that needs no engine beside it.
import { readFileSync } from "node:fs";

import { PrismaBetterSqlite3 } from "@prisma/adapter-better-sqlite3";
import { PrismaClient } from "@prisma/client";
import Database from "better-sqlite3";

const shown = { select: { id: true, name: true, avatar: true } };
const people = { sender: shown, receiver: shown };

export async function open(path, synchronous) {
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.exec(readFileSync(new URL("../schema.sql", import.meta.url), "utf8"));
  db.close();
  const prisma = new PrismaClient({ adapter: new PrismaBetterSqlite3({ url: `file:${path}` }) });
  await prisma.$connect();
  await prisma.$executeRawUnsafe(`PRAGMA synchronous = ${synchronous}`);

  return {
    async sendMessage(senderId, receiverId, content) {
      const receiver = await prisma.user.findUnique({ where: { id: receiverId } });
      if (!receiver) return undefined;
      return prisma.message.create({ data: { senderId, receiverId, content }, include: people });
    },
    async history(me, partner) {
      const found = await prisma.message.findMany({
        where: {
          OR: [
            { senderId: me, receiverId: partner },
            { senderId: partner, receiverId: me },
          ],
        },
        orderBy: { createdAt: "desc" },
        take: 50,
        include: people,
      });
      return found.reverse();
    },
    async conversations(me) {
      const newest = await prisma.message.findMany({
        where: { OR: [{ senderId: me }, { receiverId: me }] },
        orderBy: { createdAt: "desc" },
        distinct: ["senderId", "receiverId"],
        include: people,
      });
      const unread = await prisma.message.groupBy({
        by: ["senderId"],
        where: { receiverId: me, read: false },
        _count: true,
      });
      const counts = new Map(unread.map((row) => [row.senderId, row._count]));
      const found = new Map();
      for (const { sender, receiver, ...lastMessage } of newest) {
        const partner = sender.id === me ? receiver : sender;
        if (found.size === 50) break;
        if (found.has(partner.id)) continue;
        found.set(partner.id, { partner, lastMessage, unreadCount: counts.get(partner.id) ?? 0 });
      }
      return [...found.values()];
    },
    unreadMessages: (me) => prisma.message.count({ where: { receiverId: me, read: false } }),
    async readMessages(me, partner, at) {
      const where = { receiverId: me, senderId: partner, read: false };
      return (await prisma.message.updateMany({ where, data: { read: true, readAt: at } })).count;
    },
    async everybody() {
      const found = await prisma.user.findMany({ where: { NOT: { id: "sender" } }, select: { id: true } });
      return found.map((user) => user.id);
    },
    notify: (recipients, notification) =>
      prisma.notification.createMany({ data: recipients.map((userId) => ({ ...notification, userId })) }),
    notifications: (me) =>
      prisma.notification.findMany({ where: { userId: me }, orderBy: { id: "desc" }, take: 50, omit: { userId: true } }),
    unreadNotifications: (me) => prisma.notification.count({ where: { userId: me, read: false } }),
    async readNotification(me, id, at) {
      const where = { userId_id: { userId: me, id } };
      const found = await prisma.notification.findUnique({ where });
      if (!found) return undefined;
      return prisma.notification.update({ where, data: { read: true, readAt: found.readAt ?? at } });
    },
    async readAllNotifications(me, at) {
      const where = { userId: me, read: false };
      return (await prisma.notification.updateMany({ where, data: { read: true, readAt: at } })).count;
    },
    byUsername: (username) => prisma.user.findUnique({ where: { username } }),
  };
}
