// A client of .ci/long-standby: keeps its cursor, and comes back with it to the restored server.
const { readFileSync, writeFileSync } = require("node:fs");
const WebSocket = require("ws");

const [url, acknowledged, file, again] = process.argv.slice(2);
const token = readFileSync(acknowledged, "utf8").split("\n")[0].slice(2);
const socket = new WebSocket(`${url.replace("http", "ws")}/ws`);
const since = again ? JSON.parse(readFileSync(file, "utf8")) : undefined;
const fail = setTimeout(() => {
  console.error("nothing came");
  process.exit(1);
}, 15_000);
let cursor;
socket.on("open", () => socket.send(JSON.stringify({ event: "auth", data: { token, since } })));
socket.on("message", (text) => {
  const { event, data } = JSON.parse(text);
  if (event === "connected") cursor = data.seq;
  if (!again && event === "new_message") {
    writeFileSync(file, JSON.stringify(data.seq));
    done(`cursor ${data.seq}`);
  }
  if (again && event === "resync") done(`told to fetch again: ${data.reason}, then from ${data.seq} on`);
});
socket.on("close", (code) => console.error(`closed: ${code}`));

function done(text) {
  console.log(text);
  clearTimeout(fail);
  socket.close();
  process.exit(0);
}
