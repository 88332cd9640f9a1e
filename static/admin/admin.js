// The dashboard: who is in, what was sent, who got it, and what failed. Each view is a module of its own.
import { connect } from "../schoolbell.js";
import { errorText, loadPage, t } from "../i18n/i18n.js";
import { api, belongTo, session } from "../ui/api.js";
import { at } from "../ui/base.js";
import { act, say } from "../ui/dialog.js";
import { ICONS, h, icon } from "../ui/dom.js";

/** In the order of the menu. A view that is not in it has `within`. */
const VIEWS = {
  overview: () => import("./overview.js"),
  announcements: () => import("./announcements.js"),
  people: () => import("./people.js"),
  groups: () => import("./groups.js"),
  policy: () => import("./policy.js"),
  keys: () => import("./keys.js"),
  push: () => import("./push.js"),
  mail: () => import("./mail.js"),
  audit: () => import("./audit.js"),
  backups: () => import("./backups.js"),
  settings: () => import("./settings.js"),
  checks: () => import("./checks.js"),
  announce: () => import("./announce.js"),
  announcement: () => import("./report.js"),
  import: () => import("./import.js"),
  links: () => import("./links.js"),
  group: () => import("./group.js"),
};
const WITHIN = { announce: "announcements", announcement: "announcements", import: "people", links: "people", group: "groups" };

// What is said in passing, and dialogs, stand beside it.
const root = document.body.appendChild(h("div"));
let bell;
let me;
let place;
let menu;
// What the view that is shown wants to be told at its end.
let leaving = [];
let turn = 0;

async function start() {
  await loadPage();
  const code = new URLSearchParams(location.hash.slice(1)).get("setup");
  if (code) {
    const { setUp } = await import("./setup.js");
    const steps = setUp(code, () => enter("#/checks"));
    return root.replaceChildren(h("main", {}, steps));
  }
  await enter(location.hash);
}

async function enter(hash) {
  let factor;
  try {
    me = (await api("PUT", "/api/auth/session")).user;
    belongTo(me.id);
    factor = await api("GET", "/api/auth/second-factor");
  } catch (error) {
    if (error.status === 401) return askToLogIn(t("admin.login"));
    say(t("error.offline"));
    return setTimeout(enter, 3_000, hash);
  }
  if (me.role !== "admin") {
    return root.replaceChildren(
      h(
        "main",
        { class: "card narrow" },
        h("h1", {}, t("admin.title")),
        h("p", {}, t("admin.only", { name: me.name })),
        h(
          "p",
          { class: "buttons" },
          h("a", { class: "button", href: at("/") }, t("admin.chat")),
          h("button", { class: "quiet", onclick: act(logOut) }, t("logout")),
        ),
      ),
    );
  }
  if (factor.required && !factor.enabled) {
    const { secondFactor } = await import("../ui/second-factor.js");
    const card = secondFactor(() => enter(hash));
    const text = h("p", {}, t("factor.required"));
    return root.replaceChildren(h("main", { class: "narrow" }, h("h1", {}, t("admin.title")), text, card));
  }
  open();
  if (hash !== location.hash) location.hash = hash;
  else show();
}

async function logOut() {
  const { logout } = await import("../ui/login.js");
  await logout();
}

async function askToLogIn(text) {
  bell?.close();
  me = undefined;
  turn += 1;
  leave();
  const hash = location.hash.startsWith("#/") ? location.hash : "";
  // What was shown goes at once.
  root.replaceChildren(h("main", {}, h("p", { class: "quiet" }, t("action.wait"))));
  try {
    // Loaded when it is needed: who is logged in does not wait for it.
    const { login } = await import("../ui/login.js");
    root.replaceChildren(h("main", {}, login({ title: t("admin.title"), text, done: () => enter(hash) })));
  } catch {
    say(t("error.offline"));
    return setTimeout(askToLogIn, 3_000, text);
  }
  document.querySelector("input").focus();
}

const closeDialogs = () => document.querySelectorAll("dialog").forEach((dialog) => dialog.close());

function open() {
  // It shows figures, and no messages: who has only this page in front has seen none.
  bell = connect({ url: at("/"), reads: false });
  bell.watch();
  bell.on("closed", ({ code }) => code !== 1000 && me && askToLogIn(t("login.over")));
  const offline = h("span", { class: "quiet", role: "status" });
  bell.on("state", (state) => (offline.textContent = state === "connecting" ? t("admin.offline") : ""));
  place = h("main", { id: "main" });
  menu = h("nav", { "aria-label": t("admin.menu"), id: "menu" });
  const toggle = h(
    "button",
    { class: "plain menu", "aria-label": t("admin.menu"), "aria-expanded": "false", "aria-controls": "menu" },
    icon(ICONS.menu),
  );
  toggle.addEventListener("click", () => unfold(menu.dataset.open === undefined));
  root.replaceChildren(
    h(
      "div",
      { class: "admin" },
      h(
        "header",
        { class: "top" },
        toggle,
        h(
          "a",
          { class: "brand", href: "#/overview" },
          h("img", { src: at("/icons/icon.svg"), alt: "schoolbell" }),
          h("span", { "aria-hidden": "true" }, "schoolbell"),
        ),
        offline,
        h("a", { class: "button quiet", href: at("/") }, t("admin.chat")),
        h("button", { class: "quiet", onclick: act(logOut) }, t("logout")),
      ),
      menu,
      place,
    ),
  );
}

function unfold(unfolded) {
  if (unfolded) menu.dataset.open = "";
  else delete menu.dataset.open;
  document.querySelector(".menu").setAttribute("aria-expanded", String(unfolded));
}

async function show() {
  if (!bell || !place) return;
  const mine = (turn += 1);
  leave();
  const { view, parameters } = address();
  unfold(false);
  const names = Object.keys(VIEWS).filter((one) => !(one in WITHIN));
  const current = WITHIN[view] ?? view;
  const link = (one) => h("li", {}, h("a", { href: `#/${one}`, "aria-current": one === current && "page" }, t(`admin.${one}`)));
  menu.replaceChildren(h("ul", {}, ...names.map(link)));
  // What a view that is left before it is shown wants to be told is told at once.
  const ends = [];
  const context = {
    parameters,
    me,
    /** Listens to the connection for as long as the view is shown. */
    on: (event, handler) => ends.push(bell.on(event, handler)),
    onLeave: (run) => ends.push(run),
    state: () => bell.state,
  };
  let element;
  try {
    element = await (await VIEWS[view]()).default(context);
  } catch (error) {
    element = h(
      "div",
      {},
      h("h1", {}, t(`admin.${current}`)),
      h("p", { class: "error", role: "alert" }, errorText(error)),
      h("p", {}, h("button", { onclick: show }, t("chat.again"))),
    );
  }
  if (mine !== turn) return ends.forEach((end) => end());
  leaving = ends;
  place.replaceChildren(element);
  const heading = element.querySelector("h1");
  document.title = `${heading.textContent} · schoolbell`;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** Ends what the view that is shown has begun. */
function leave() {
  for (const end of leaving.splice(0)) end();
  closeDialogs();
}

/** Which view the address names, and what stands behind it. */
function address() {
  try {
    const [name, ...parameters] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
    return { view: name in VIEWS ? name : "overview", parameters };
  } catch {
    return { view: "overview", parameters: [] };
  }
}

session.addEventListener("over", () => me && askToLogIn(t("login.over")));
addEventListener("hashchange", show);
await start();
