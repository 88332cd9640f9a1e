// The real binary, on a port and in a folder of its own.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const BINARY = process.env.SCHOOLBELL ?? new URL("../../target/debug/schoolbell", import.meta.url).pathname;
export const PASSWORD = "blue heron on a kettle";

export async function startServer(environment = {}) {
  const folder = mkdtempSync(join(tmpdir(), "schoolbell-"));
  const options = {
    cwd: folder,
    env: {
      SCHOOLBELL_SERVER__LISTEN: "127.0.0.1:0",
      SCHOOLBELL_PUSH__ALLOW_PRIVATE_ENDPOINTS: "true",
      SCHOOLBELL_LOG__LEVEL: "warn",
      SCHOOLBELL_PUSH__SUBJECT: "mailto:office@school.edu",
      ...environment,
    },
  };
  const child = spawn(BINARY, [], { ...options, stdio: ["ignore", "pipe", "inherit"] });
  let url;
  for await (const line of createInterface({ input: child.stdout })) {
    url = line.match(/^listening on (http:.*)$/)?.[1];
    if (url) break;
  }
  if (!url) throw new Error("the server did not start");

  /** An answer's data; anything but success is an error. */
  async function call(method, path, token, body) {
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const answer = await response.json();
    if (!answer.success) throw new Error(`${method} ${path}: ${answer.code} ${answer.message}`);
    return answer.data;
  }

  /** Adds somebody and logs them in: `{ id, token }`. */
  async function person(name) {
    execFileSync(BINARY, ["user", "add", name, "--password-stdin"], { ...options, input: `${PASSWORD}\n` });
    const { token, user } = await call("POST", "/api/auth/login", "", { username: name, password: PASSWORD });
    return { id: user.id, token };
  }

  async function stop() {
    child.kill();
    await once(child, "exit");
    rmSync(folder, { recursive: true });
  }

  return { url, call, person, stop };
}
