// Logging in with a real provider of OpenID Connect, certified as such.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, afterEach, before, test } from "node:test";
import { Provider } from "oidc-provider";
import { startPages } from "./pages.mjs";
import { startServer } from "./server.mjs";

let provider, server, pages, office;
const ACCOUNTS = {
  ann: { sub: "sub-ann", name: "Ann A", email: "ann@home.example", email_verified: true },
  zoe: { sub: "sub-zoe", name: "Zoë New", email: "zoe@school.example", email_verified: true, role: "teacher" },
};

/** A provider that knows this server. */
async function startProvider(port, bell) {
  const issuer = `http://127.0.0.1:${port}`;
  const oidc = new Provider(issuer, {
    clients: [
      {
        client_id: "bell",
        client_secret: "open sesame, provider",
        redirect_uris: [`${bell}/api/auth/oidc/callback`],
        response_types: ["code"],
        grant_types: ["authorization_code"],
      },
    ],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "role", "preferred_username"] },
    // Its own forms take any name for an account.
    findAccount: (_, id) => ACCOUNTS[id] && { accountId: id, claims: () => ACCOUNTS[id] },
    pkce: { required: () => true },
    cookies: { keys: ["a key for cookies"] },
  });
  const listening = createServer(oidc.callback());
  await new Promise((resolve) => listening.listen(port, "127.0.0.1", resolve));
  return listening;
}

/** A port that is free now. */
async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

before(async () => {
  const [at, own] = [await freePort(), await freePort()];
  const bell = `http://127.0.0.1:${own}`;
  provider = await startProvider(at, bell);
  server = await startServer({
    SCHOOLBELL_SERVER__LISTEN: `127.0.0.1:${own}`,
    SCHOOLBELL_SERVER__PUBLIC_URL: bell,
    SCHOOLBELL_AUTH__OIDC__ISSUER: `http://127.0.0.1:${at}`,
    SCHOOLBELL_AUTH__OIDC__CLIENT_ID: "bell",
    SCHOOLBELL_AUTH__OIDC__CLIENT_SECRET: "open sesame, provider",
    SCHOOLBELL_AUTH__OIDC__NAME: "Hill School",
    SCHOOLBELL_AUTH__OIDC__MATCH: "subject,email",
  });
  pages = await startPages(server);
  office = await server.person("office", "admin");
  const ann = { id: "ann", username: "ann", name: "Ann A", email: "ann@home.example", role: "guardian" };
  await server.call("POST", "/api/admin/people", office.token, ann);
});
after(async () => {
  await pages?.stop();
  await server?.stop();
  provider?.closeAllConnections();
  await new Promise((resolve) => provider.close(resolve));
});
afterEach(() => pages.quiet());

/** Presses the button and logs in at the provider, as this account. */
async function logInAs(page, account) {
  await page.getByRole("link", { name: "Log in with Hill School" }).click();
  await page.locator("input[name=login]").fill(account);
  await page.locator("input[name=password]").fill("anything");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
}

test("a parent whose address the provider has verified logs in by it, and is linked from then on", async () => {
  const page = await pages.open("/");
  if (process.env.SHOT) {
    await page.getByRole("link", { name: "Log in with Hill School" }).waitFor();
    await page.screenshot({ path: process.env.SHOT });
  }
  await logInAs(page, "ann");
  await page.locator("schoolbell-chat").waitFor({ state: "attached" });
  assert.equal(new URL(page.url()).origin, server.url);
  const { identities } = await server.call("GET", "/api/admin/people/ann/identities", office.token);
  assert.deepEqual(
    identities.map(({ subject }) => subject),
    ["ann"],
  );
});

test("who is nobody here is told so, and one who gives up too", async () => {
  const page = await pages.open("/");
  await logInAs(page, "zoe");
  await page.getByText("This login belongs to nobody here. Ask the school's office to link it.").waitFor();
  const other = await pages.open("/");
  await other.getByRole("link", { name: "Log in with Hill School" }).click();
  await other.getByRole("link", { name: "[ Cancel ]" }).click();
  await other.getByText("Logging in with the school's provider failed. Try again.").waitFor();
  assert.equal(new URL(other.url()).hash, "");
});
