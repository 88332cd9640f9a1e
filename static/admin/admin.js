// The dashboard: who is in, what was sent, who got it, and what failed.
import { loadPage, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { Shell } from "../ui/shell.js";

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

const shell = new Shell({
  views: VIEWS,
  within: WITHIN,
  words: { title: "admin.title", login: "admin.login", only: "admin.only" },
  named: (view) => t(`admin.${view}`),
  mayEnter,
  watches: true,
});

async function start() {
  const code = new URLSearchParams(location.hash.slice(1)).get("setup");
  if (!code) return shell.start();
  await loadPage();
  const { setUp } = await import("./setup.js");
  const steps = setUp(code, () => shell.enter("#/checks"));
  shell.root.replaceChildren(h("main", {}, steps));
}

async function mayEnter(me, again) {
  if (me.role !== "admin") return shell.refusal(me);
  const factor = await api("GET", "/api/auth/second-factor");
  if (!factor.required || factor.enabled) return undefined;
  const { secondFactor } = await import("../ui/second-factor.js");
  const text = h("p", {}, t("factor.required"));
  return h("main", { class: "narrow" }, h("h1", {}, t("admin.title")), text, secondFactor(again));
}

await start();
