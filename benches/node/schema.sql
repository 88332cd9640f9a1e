-- The tables of both forms: as Prisma names them, with an index for each query.
CREATE TABLE IF NOT EXISTS "User" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "username" TEXT,
  "passwordHash" TEXT,
  "name" TEXT NOT NULL,
  "avatar" TEXT,
  "role" TEXT NOT NULL DEFAULT 'student'
);
CREATE UNIQUE INDEX IF NOT EXISTS "User_username_key" ON "User" ("username");

CREATE TABLE IF NOT EXISTS "Message" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "senderId" TEXT NOT NULL REFERENCES "User" ("id"),
  "receiverId" TEXT NOT NULL REFERENCES "User" ("id"),
  "content" TEXT NOT NULL,
  "read" BOOLEAN NOT NULL DEFAULT false,
  "readAt" DATETIME,
  "createdAt" DATETIME NOT NULL
);
CREATE INDEX IF NOT EXISTS "Message_senderId_receiverId_createdAt_idx" ON "Message" ("senderId", "receiverId", "createdAt");
CREATE INDEX IF NOT EXISTS "Message_receiverId_read_senderId_idx" ON "Message" ("receiverId", "read", "senderId");
CREATE INDEX IF NOT EXISTS "Message_receiverId_senderId_createdAt_idx" ON "Message" ("receiverId", "senderId", "createdAt");

-- One id for all recipients of an announcement, so that what is sent to them is encoded once.
CREATE TABLE IF NOT EXISTS "Notification" (
  "id" TEXT NOT NULL,
  "userId" TEXT NOT NULL REFERENCES "User" ("id"),
  "type" TEXT NOT NULL,
  "title" TEXT NOT NULL,
  "message" TEXT NOT NULL,
  "link" TEXT,
  "read" BOOLEAN NOT NULL DEFAULT false,
  "readAt" DATETIME,
  "createdAt" DATETIME NOT NULL,
  PRIMARY KEY ("userId", "id")
);
CREATE INDEX IF NOT EXISTS "Notification_userId_read_idx" ON "Notification" ("userId", "read");
