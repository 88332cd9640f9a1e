// Mail through a real SMTP server over TLS: links for many, a password that was forgotten, and a test from the dashboard.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { simpleParser } from "mailparser";
import selfsigned from "selfsigned";
import { SMTPServer } from "smtp-server";
import { confirmNow, startPages } from "./pages.mjs";
import { PASSWORD, startServer } from "./server.mjs";
import { until } from "./until.mjs";

let folder, smtp, server, pages;
/** Mails that came, parsed. */
const mails = [];
/** What the server answers to a recipient, if it is no success. */
let refusal;

/** Keeps what comes. */
async function take(stream, session, done) {
  mails.push({ ...(await simpleParser(stream)), secure: session.secure, user: session.user });
  done();
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "schoolbell-mail-"));
  const altNames = [{ type: 2, value: "localhost" }];
  const made = await selfsigned.generate([{ name: "commonName", value: "localhost" }], {
    keySize: 2048,
    algorithm: "sha256",
    extensions: [{ name: "subjectAltName", altNames }],
  });
  writeFileSync(join(folder, "ca.pem"), made.cert);
  smtp = new SMTPServer({
    key: made.private,
    cert: made.cert,
    onAuth: ({ username, password }, _, done) =>
      username === "bell" && password === "open sesame" ? done(null, { user: username }) : done(new Error("no such user")),
    onRcptTo: (_, __, done) => done(refusal),
    onData: take,
  });
  // A client that is gone is no fault of the server's.
  smtp.on("error", () => {});
  await new Promise((resolve) => smtp.listen(0, "127.0.0.1", resolve));
  server = await startServer({
    SCHOOLBELL_MAIL__URL: `smtp://bell:open%20sesame@localhost:${smtp.server.address().port}`,
    SCHOOLBELL_MAIL__FROM: "Hill School <bell@school.example>",
    SCHOOLBELL_MAIL__CA: join(folder, "ca.pem"),
    SCHOOLBELL_MAIL__PER_MINUTE: "6000",
    SCHOOLBELL_SERVER__PUBLIC_URL: "http://bell.school.example",
    SCHOOLBELL_SCHOOL__NAME: "Hill School",
  });
  pages = await startPages(server);
  await server.person("office", "admin");
});
after(async () => {
  await pages?.stop();
  await server?.stop();
  await new Promise((resolve) => smtp.close(resolve));
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  refusal = undefined;
  pages.quiet();
});

const button = (page, name) => page.getByRole("button", { name, exact: true });
const to = (address) => mails.filter((mail) => mail.to.text.includes(address));
/** The link of a mail, at this server. */
const linkOf = (mail) => server.url + mail.text.match(/http:\/\/bell\.school\.example(\/password\/#code=\S+)/)[1];

test("links for many by mail, from the import to the first login", async () => {
  const page = await pages.visit("office", "/admin/#/import");
  const file =
    "username,name,role,email\nann,Ann A,guardian,ann@home.example\nben,Ben B,student,both@home.example\ncleo,Cleo B,guardian,both@home.example\n";
  await page.getByLabel("CSV file").setInputFiles({ name: "people.csv", mimeType: "text/csv", buffer: Buffer.from(file) });
  await button(page, "Show what would change").click();
  await page.getByRole("button", { name: /^Change 3 people/ }).click();
  await page.getByText("3 added, 0 changed, 0 disabled.").waitFor();
  await page.getByRole("main").getByRole("link", { name: "Login links", exact: true }).click();
  await button(page, "Send by mail").click();
  await confirmNow(page);
  await page.getByText("Links on their way by mail: 1").waitFor();
  await page.getByText("Without a link: 2").click();
  await page.getByText("Cleo B").waitFor();
  await until("the mail with the link", () => to("ann@home.example").length === 1);
  const [mail] = to("ann@home.example");
  assert.equal(mail.subject, "Your login at Hill School");
  assert.deepEqual([mail.secure, mail.user], [true, "bell"]);

  const guest = await pages.open("/");
  await guest.goto("about:blank");
  await guest.setContent(mail.html);
  if (process.env.SHOT_MAIL) await guest.screenshot({ path: process.env.SHOT_MAIL });
  assert.equal(await guest.getByRole("link", { name: "Choose a password" }).getAttribute("href"), mail.text.match(/http:\S+/)[0]);
  await guest.goto(linkOf(mail));
  await guest.getByText("For Ann A").waitFor();
  await guest.locator("input[type=password]").fill(PASSWORD);
  await button(guest, "Set the password and log in").click();
  await guest.locator("schoolbell-chat").waitFor({ state: "attached" });
});

test("who forgot the password gets in again by a mail; for others the page says whom to ask", async () => {
  const page = await pages.open("/");
  await page.locator("input[name=username]").fill("ann");
  await button(page, "Forgot your password?").click();
  const dialog = page.getByRole("dialog");
  assert.equal(await dialog.getByLabel("Username or e-mail").inputValue(), "ann");
  await button(dialog, "Send the link").click();
  await dialog.getByText("If there is such an account").waitFor();
  await dialog.getByText("The school's office makes a new link for you.").waitFor();
  if (process.env.SHOT) await page.screenshot({ path: process.env.SHOT });
  await until("the mail that was asked for", () => to("ann@home.example").length === 2);
  const mail = to("ann@home.example")[1];
  assert.equal(mail.subject, "A new password at Hill School");
  await page.goto(linkOf(mail));
  await page.reload();
  await page.locator("input[type=password]").fill("an owl in a red canoe");
  await button(page, "Set the password and log in").click();
  await page.locator("schoolbell-chat").waitFor({ state: "attached" });
  await pages.visit("ann", "/", { password: "an owl in a red canoe" });
});

test("the dashboard sends a test, and says in words why a mail does not go out", async () => {
  const page = await pages.visit("office", "/admin/#/mail");
  await page.getByLabel("To which address").fill("head@school.example");
  await button(page, "Send a test").click();
  await page.getByText("The mail server took it.").waitFor();
  assert.equal(to("head@school.example")[0].subject, "A test from Hill School");
  refusal = Object.assign(new Error("mailbox full of owls"), { responseCode: 552 });
  await button(page, "Send a test").click();
  await page.getByText("The mail server does not take this address.").waitFor();
  await page.getByText("552 mailbox full of owls").waitFor();
  await page.evaluate(() => {
    location.hash = "#/links";
  });
  await page.getByLabel("Only people who have no password yet").uncheck();
  await button(page, "Send by mail").click();
  await confirmNow(page);
  await page.getByText("Links on their way by mail: 1").waitFor();
  await page.getByRole("link", { name: "How mail stands" }).click();
  await until("the mail to be given up", async () => {
    await page.reload();
    await page.getByRole("heading", { name: "Given up" }).waitFor();
    return page.getByRole("cell", { name: "Ann A" }).isVisible();
  });
  if (process.env.SHOT_ADMIN) await page.screenshot({ path: process.env.SHOT_ADMIN, fullPage: true });
});
