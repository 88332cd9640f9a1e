// A OneRoster set, as a school's system exports it: from its files to everybody logged in, for both versions.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { confirmNow, startPages } from "./pages.mjs";
import { PASSWORD, startServer } from "./server.mjs";

const CLASSES = 6;
const PUPILS = 25;
/** Teachers, pupils, and a parent for each two of these. */
const PEOPLE = CLASSES + CLASSES * PUPILS + Math.ceil((CLASSES * PUPILS) / 2);

const csv = (header, rows) => `${[header, ...rows.map((row) => row.join(","))].join("\n")}\n`;

/** The files of a set. In 1.1 a user has a role; in 1.2 it stands in a file of its own. */
function oneRoster(version) {
  const users = [];
  const roles = [];
  const enrollments = [];
  const user = (id, role, given, family, agents = "", grade = "") => {
    const start = [id, "active", "", "true"];
    const rest = [id.toLowerCase(), given, family, "", agents && `"${agents}"`, grade];
    users.push(version === "1.1" ? [...start, "O1", role, ...rest] : [...start, ...rest, "O1"]);
    roles.push([`R${roles.length}`, "active", id, "primary", role, "O1"]);
  };
  const enroll = (person, at, role) => enrollments.push([`E${enrollments.length}`, "active", `C${at}`, "O1", person, role]);
  for (let at = 0; at < CLASSES; at += 1) {
    user(`T${at}`, "teacher", "Tess", `Teacher ${at}`);
    enroll(`T${at}`, at, "teacher");
    for (let n = 0; n < PUPILS; n += 1) {
      const number = at * PUPILS + n;
      user(`S${number}`, "student", "Sam", `Pupil ${number}`, `P${Math.floor(number / 2)}`, "05");
      enroll(`S${number}`, at, "student");
    }
  }
  for (let n = 0; n < (CLASSES * PUPILS) / 2; n += 1) user(`P${n}`, "parent", "Pat", `Parent ${n}`);
  const person = "sourcedId,status,dateLastModified,enabledUser";
  const rest = "username,givenName,familyName,email,agentSourcedIds,grades";
  const files = {
    "users.csv": csv(version === "1.1" ? `${person},orgSourcedIds,role,${rest}` : `${person},${rest},primaryOrgSourcedId`, users),
    "orgs.csv": csv("sourcedId,name", [["O1", "Hill School"]]),
    "classes.csv": csv(
      "sourcedId,status,title,grades,classType,schoolSourcedId",
      Array.from({ length: CLASSES }, (_, at) => [`C${at}`, "active", `5${"abcdef"[at]}`, "05", "homeroom", "O1"]),
    ),
    "enrollments.csv": csv("sourcedId,status,classSourcedId,schoolSourcedId,userSourcedId,role", enrollments),
  };
  if (version === "1.2") files["roles.csv"] = csv("sourcedId,status,userSourcedId,roleType,role,orgSourcedId", roles);
  return Object.entries(files).map(([name, text]) => ({ name, mimeType: "text/csv", buffer: Buffer.from(text) }));
}

for (const version of ["1.1", "1.2"]) {
  test(`OneRoster ${version}: from its files to everybody logged in`, async () => {
    const server = await startServer({ SCHOOLBELL_SCHOOL__NAME: "Hill School" });
    const pages = await startPages(server);
    try {
      const { token } = await server.person("office", "admin");
      const page = await pages.visit("office", "/admin/#/import");
      await page.getByLabel("CSV file").setInputFiles(oneRoster(version));
      await page.getByRole("button", { name: "Show what would change", exact: true }).click();
      await page.getByRole("button", { name: new RegExp(`^Change ${PEOPLE} people`) }).click();
      await page.getByText(`${PEOPLE} added, 0 changed, 0 disabled.`).waitFor({ timeout: 60_000 });
      await page.getByRole("main").getByRole("link", { name: "Login links", exact: true }).click();
      await page.getByRole("button", { name: "Make a CSV file", exact: true }).click();
      await confirmNow(page);
      const download = page.waitForEvent("download", { timeout: 60_000 });
      await page.getByRole("link", { name: "Download the file" }).click({ timeout: 60_000 });
      const lines = readFileSync(await (await download).path(), "utf8")
        .trim()
        .split("\n")
        .slice(1);
      assert.equal(lines.length, PEOPLE);
      for (const line of lines) {
        const body = JSON.stringify({ code: line.match(/#code=([\w-]+)/)[1], password: PASSWORD });
        const headers = { "content-type": "application/json" };
        const response = await fetch(`${server.url}/api/auth/password-link`, { method: "POST", headers, body });
        assert.equal(response.status, 200, line);
      }
      // A teacher sees whose parent writes.
      const guardian = await server.call("POST", "/api/auth/login", "", { username: "p0", password: PASSWORD });
      await server.call("POST", "/api/messages", guardian.token, { receiverId: "T0", content: "Good morning" });
      const chat = await pages.visit("t0", "/");
      await chat.getByText("Parent of Sam Pupil 0 (5a), Sam Pupil 1 (5a)").waitFor();
      const { role } = await server.call("GET", "/api/admin/people/T0", token);
      assert.equal(role, "teacher");
      pages.quiet();
    } finally {
      await pages.stop();
      await server.stop();
    }
  });
}
