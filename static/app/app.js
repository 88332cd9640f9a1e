// The people's page: chat and bell, or the settings, or the form to log in.
import "../elements.js";
import { refreshPush, stopSubscribing } from "../push.js";
import { loadPage, number, t } from "../i18n/i18n.js";
import { api, belongTo, session } from "../ui/api.js";
import { at, server } from "../ui/base.js";
import { say } from "../ui/dialog.js";
import { ICONS, h, icon } from "../ui/dom.js";
import { login } from "../ui/login.js";
import { settings } from "./settings.js";

// A token that does not hold, and one that was ended.
const SESSION_CODES = [4500, 4503];

// What is said in passing stands beside it.
const root = document.body.appendChild(h("div"));
const spoken = document.body.appendChild(h("span", { class: "spoken", role: "status" }));
let me;
// When the server has been told of this device.
let refreshed;
const TITLE = document.title;
// What was being written when the session ended.
let draft;

async function start() {
  await loadPage();
  try {
    // A cookie that holds is good for another week from today.
    enter((await api("PUT", "/api/auth/session")).user);
  } catch (error) {
    if (error.status === 401) askToLogIn();
    else {
      root.replaceChildren(h("main", { class: "card narrow" }, h("p", { role: "status" }, t("error.offline"))));
      setTimeout(start, 3_000);
    }
  }
}

function askToLogIn(text = t("login.text")) {
  me = undefined;
  count({ messages: 0, notifications: 0 });
  spoken.textContent = "";
  root.replaceChildren(h("main", {}, login({ title: t("login.title"), text, done: enter })));
  document.querySelector("input")?.focus();
}

function enter(user) {
  if (draft && draft.userId !== user.id) draft = undefined;
  me = user;
  belongTo(user.id);
  refreshed = refreshPush({ ...server, person: me.id }).catch(() => {});
  const chat = h("schoolbell-chat", { partner: draft?.partnerId ?? new URLSearchParams(location.search).get("chat") });
  const bell = h("schoolbell-bell");
  const main = h("main", {}, chat);
  root.replaceChildren(h("div", { class: "page" }, top(bell), main));
  restore(chat);
  chat.addEventListener("schoolbell-chat", ({ detail }) => remember(detail));
  globalThis.onhashchange = () => show(main, chat);
  show(main, chat);
}

function top(bell) {
  return h(
    "header",
    { class: "top" },
    h(
      "h1",
      { class: "brand" },
      h("a", { href: "#" }, h("img", { src: at("/icons/icon.svg"), alt: "" }), h("span", { class: "who" }, me.name)),
    ),
    me.role === "admin" && h("a", { class: "button quiet", href: at("/admin/") }, t("admin.link")),
    me.duties?.includes("safeguarding") && h("a", { class: "button quiet", href: at("/safeguarding/") }, t("safeguarding.title")),
    bell,
    h("a", { class: "button quiet", href: "#settings", "aria-label": t("settings.title"), title: t("settings.title") }, icon(ICONS.gear)),
  );
}

/** The chat, or the settings over it. */
function show(main, chat) {
  const open = location.hash === "#settings";
  const shown = main.querySelector(".settings");
  chat.hidden = open;
  if (open && !shown) main.append(settings(me, refreshed));
  if (!open) shown?.remove();
}

/** The address names the conversation, so that a reload comes back to it. */
function remember(partner) {
  const address = new URL(location.href);
  if (partner) address.searchParams.set("chat", partner.id);
  else address.searchParams.delete("chat");
  history.replaceState(null, "", address);
}

function restore(chat) {
  if (!draft) return;
  const { text } = draft;
  draft = undefined;
  chat.addEventListener("schoolbell-chat", () => queueMicrotask(() => (chat.window.text.value = text)), { once: true });
}

/** How much is unread, where a page in the background shows it: in the tab's title, and on the app's icon. */
function count({ messages, notifications }) {
  const total = messages + notifications;
  document.title = total ? `(${number(total)}) ${TITLE}` : TITLE;
  navigator.setAppBadge?.(total).catch(() => {});
}

/** Where a notification leads that was clicked, if that is on this page: the id of who wrote, or "" for the page itself. */
function placeOf(link) {
  const { origin, pathname, searchParams } = new URL(link);
  return origin === location.origin && pathname === at("/") ? (searchParams.get("chat") ?? "") : undefined;
}

// A click on a notification leads here without loading the page again: what is being written stays.
navigator.serviceWorker?.addEventListener("message", ({ data, ports }) => {
  if (data?.schoolbell === "opens") ports[0].postMessage(Boolean(me) && placeOf(data.link) !== undefined);
  const partnerId = data?.schoolbell === "open" && placeOf(data.link);
  if (!partnerId || !me) return;
  location.hash = "";
  document.querySelector("schoolbell-chat")?.open(partnerId);
});

// What arrives while the settings are open, over a chat that is not there to speak.
document.addEventListener("schoolbell-message", ({ target, detail: { sender, content } }) => {
  if (target.hidden) spoken.textContent = t("chat.arrived", { name: sender.name, text: content });
});

document.addEventListener("schoolbell-unread", ({ detail }) => me && count(detail));

function over() {
  if (!me) return;
  stopSubscribing();
  keepDraft();
  askToLogIn(t("login.over"));
}

function keepDraft() {
  const { window } = document.querySelector("schoolbell-chat") ?? {};
  draft = { userId: me.id, partnerId: window?.partnerId, text: window?.text.value ?? "" };
}

session.addEventListener("over", over);
// The connection notices too, and may be the first. Who has a session still, with another password for instance, goes on.
let looking = false;
document.addEventListener("schoolbell-closed", async ({ detail }) => {
  // The bell says so, and the chat says so.
  if (!SESSION_CODES.includes(detail.code) || !me || looking) return;
  looking = true;
  const renewed = await api("GET", "/api/auth/me").catch(() => undefined);
  looking = false;
  if (!renewed || !me) return;
  keepDraft();
  enter(renewed);
});

navigator.serviceWorker?.register(server.worker).catch(() => say(t("push.worker")));
await start();
