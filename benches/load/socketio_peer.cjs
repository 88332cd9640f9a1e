// The Node socket.io server as the peer of the benchmark: everybody's own room, as the original put people into rooms.
const { createServer } = require("node:http");
const { createRequire } = require("node:module");
const { createInterface } = require("node:readline");

const { Server } = createRequire(`${process.argv[2]}/tests/web/`)("socket.io");

const http = createServer();
const io = new Server(http);
const people = [];
io.use((socket, next) => next(socket.handshake.auth.token ? undefined : new Error("Authentication error")));
io.on("connection", (socket) => {
  const room = `user:${people.length}`;
  people.push(room);
  socket.join(room);
  socket.on("disconnect", () => people.splice(people.indexOf(room), 1));
  socket.emit("connected", { userId: room });
});
http.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${http.address().port}`));

let seq = 0;
function emit(person) {
  seq += 1;
  io.to(people[person % people.length]).emit("notification", {
    id: "01a20635-7c6f-71a3-8cbb-5e7707e8ca0e",
    seq,
    type: "grade",
    title: "Your assignment was graded",
    message: "An A for the essay on herons",
    link: "/grades/7",
    read: false,
    readAt: null,
    createdAt: "2026-11-22T09:30:00.000Z",
  });
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

createInterface({ input: process.stdin }).on("line", async (line) => {
  const [command, count, each] = line.split(" ");
  if (command === "collect") global.gc?.();
  if (command === "single") {
    for (let sent = 0; sent < Number(count); await pause(1)) {
      for (let n = 0; n < Number(each); n++) emit(sent++);
    }
  }
  if (command === "burst") {
    for (let round = 0; round < Number(count); round++, await pause(100)) {
      for (let person = 0; person < people.length; person++) {
        for (let n = 0; n < Number(each); n++) emit(person);
      }
    }
  }
});
