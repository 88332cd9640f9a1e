// A network between a client and a server, which can be cut and can stand still.
import { createServer, connect } from "node:net";
import { once } from "node:events";

export async function startLink(to) {
  const { hostname, port } = new URL(to);
  const pairs = new Set();
  let up = true;
  let flowing = true;
  const server = createServer((client) => {
    if (!up) return client.destroy();
    const upstream = connect(Number(port), hostname);
    const pair = [client, upstream];
    pairs.add(pair);
    for (const [from, into] of [
      [client, upstream],
      [upstream, client],
    ]) {
      from.on("data", (data) => into.write(data));
      from.on("error", () => {});
      from.on("close", () => {
        into.destroy();
        pairs.delete(pair);
      });
    }
    if (!flowing) upstream.pause();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Breaks every connection, and takes no new one until `mend`. */
    cut() {
      up = false;
      for (const pair of pairs) pair.forEach((socket) => socket.destroy());
    },
    mend() {
      up = true;
    },
    /** From now on nothing of the server's is read. */
    stall() {
      flowing = false;
      for (const [, upstream] of pairs) upstream.pause();
    },
    stop() {
      this.cut();
      server.close();
    },
  };
}
