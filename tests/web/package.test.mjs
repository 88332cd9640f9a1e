// The npm package, as a TypeScript app with React takes it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const APP = `
import { connect, SchoolbellError } from "schoolbell";
import { useSchoolbell } from "schoolbell/react";
import type { SchoolbellElement } from "schoolbell/elements";
import "schoolbell/elements";

export function Page({ token }: { token: () => Promise<string> }) {
  const { unread, markRead, lastMessage } = useSchoolbell(token, {
    onEvent: (name, data) => {
      if (name === "typing") console.log(data.userId);
      if (name === "connected") console.log(data.upTo);
      // @ts-expect-error: this event has no such field
      if (name === "presence") console.log(data.content);
    },
  });
  return (
    <main>
      <p>{unread.messages + (lastMessage?.content.length ?? 0)}</p>
      <button onClick={() => markRead("x")}>read</button>
      <schoolbell-bell token="t" lang="de" />
      <schoolbell-chat token="t" partner="ann" className="wide" />
      {/* @ts-expect-error: no such attribute */}
      <schoolbell-bell tokn="t" />
    </main>
  );
}

const bell = connect({ url: "https://bell.school.example", token: () => "t" });
bell.on("message_read", ({ upTo }) => console.log(upTo));
const chat: SchoolbellElement = document.createElement("schoolbell-chat");
chat.token = async () => "fresh";
chat.addEventListener("schoolbell-unread", ({ detail }) => console.log(detail.messages));
if (new Error() instanceof SchoolbellError) throw new Error();
`;

test("its types fit, and wrong uses are found", () => {
  const folder = mkdtempSync(join(tmpdir(), "schoolbell-package-"));
  try {
    const run = (command, ...options) => execFileSync(command, options, { cwd: folder, stdio: "pipe" }).toString();
    run(new URL("../../packaging/npm", import.meta.url).pathname, folder);
    const [archive] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    run("npm", "install", "--no-audit", "--no-fund", `./${archive}`, "react@19", "@types/react@19", "typescript@5");
    writeFileSync(join(folder, "app.tsx"), APP);
    const options = { strict: true, jsx: "react-jsx", module: "nodenext", target: "es2022", noEmit: true, lib: ["es2022", "dom"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["app.tsx"] }));
    try {
      run("npx", "tsc");
    } catch (error) {
      assert.fail(error.stdout.toString());
    }
    const start = readdirSync(join(folder, "node_modules/schoolbell"));
    for (const name of ["schoolbell.js", "elements.js", "schoolbell-react.js", "sw.js", "LICENSE"]) assert.ok(start.includes(name), name);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
