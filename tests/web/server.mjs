// The real binary, on a port and in a folder of its own.
import { execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const BINARY = resolve(process.env.SCHOOLBELL ?? new URL("../../target/debug/schoolbell", import.meta.url).pathname);
export const PASSWORD = "blue heron on a kettle";
const SECRET = "a secret that two back ends share";

/** A JWT as the school's own back end signs it: with the claim `userId`, or with these claims. */
export function signed(user, name, seconds = 3_600, secret = SECRET) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1_000);
  const claims = typeof user === "object" ? user : { userId: user, name };
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ ...claims, iat: now, exp: now + seconds })}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

export async function startServer(environment = {}) {
  const folder = mkdtempSync(join(tmpdir(), "schoolbell-"));
  const options = {
    cwd: folder,
    env: {
      SCHOOLBELL_SERVER__LISTEN: "127.0.0.1:0",
      SCHOOLBELL_PUSH__ALLOW_PRIVATE_ENDPOINTS: "true",
      SCHOOLBELL_LOG__LEVEL: "warn",
      SCHOOLBELL_PUSH__SUBJECT: "mailto:office@school.edu",
      JWT_SECRET: SECRET,
      // The pages of a folder, to try a change without a build.
      ...(process.env.PAGES && { SCHOOLBELL_SERVER__STATIC_DIR: process.env.PAGES }),
      ...environment,
    },
  };
  let child;
  let url;
  let setUpLink;

  async function start() {
    child = spawn(BINARY, [], { ...options, stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: child.stdout })) {
      setUpLink ??= line.match(/http:\S+#setup=\S+/)?.[0];
      url = line.match(/^listening on (http:.*)$/)?.[1];
      if (url) break;
    }
    if (!url) throw new Error("the server did not start");
    // The same address after a restart.
    options.env.SCHOOLBELL_SERVER__LISTEN = new URL(url).host;
  }

  /** Ends the process; `start` brings it back. */
  async function end(signal = "SIGTERM") {
    child.kill(signal);
    await once(child, "exit");
  }

  await start();

  /** An answer's data; anything but success is an error. */
  async function call(method, path, token, body) {
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const answer = await response.json();
    // As our own pages do.
    if (answer.code === "confirmation_required") {
      await call("POST", "/api/auth/confirm", token, { password: PASSWORD });
      return call(method, path, token, body);
    }
    if (!answer.success) throw new Error(`${method} ${path}: ${answer.code} ${answer.message}`);
    return answer.data;
  }

  /** Adds somebody and logs them in: `{ id, token }`. */
  async function person(name, role = "student") {
    execFileSync(BINARY, ["user", "add", name, "--role", role, "--password-stdin"], { ...options, input: `${PASSWORD}\n` });
    const { token, user } = await call("POST", "/api/auth/login", "", { username: name, password: PASSWORD });
    return { id: user.id, token };
  }

  /** Runs a command beside the server, and returns what it prints. */
  const run = (...command) => execFileSync(BINARY, command, options).toString();

  /** An API key that may notify. */
  const key = (name) => run("key", "create", name).trim();

  const metrics = async () => (await fetch(`${url}/metrics`)).text();

  async function stop() {
    await end();
    rmSync(folder, { recursive: true });
  }

  /** What the server prints while there is no administrator. */
  const setUp = () => setUpLink;

  return { url, call, person, key, metrics, setUp, run, start, end, stop };
}
