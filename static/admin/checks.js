// What to look at before a school relies on it, each with what to do.
import { bytes, date, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { changes } from "./changes.js";

const DAY = 86_400_000;
/** Milliseconds that a clock may be off, the way of the answer included. */
const CLOCK = 5_000;
const LITTLE_SPACE = 2e9;

export default async function checks({ state }) {
  const asked = Date.now();
  const known = await api("GET", "/api/admin/checks");
  const off = Math.abs(new Date(known.serverTime) - (asked + Date.now()) / 2);
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const https = location.protocol === "https:";
  const age = known.lastBackupAt ? Date.now() - new Date(known.lastBackupAt) : Infinity;
  const free = known.diskFreeBytes;
  const list = [
    ["https", https ? "good" : local ? "warn" : "wrong"],
    ["socket", (await connected(state)) ? "good" : "wrong"],
    ["contact", known.pushContactProblem ? "wrong" : "good", { contact: known.pushContact }],
    ["clock", off < CLOCK ? "good" : "wrong"],
    [
      "backup",
      known.backupProblem ? "wrong" : age < DAY ? "good" : age < 7 * DAY ? "warn" : "wrong",
      { date: known.lastBackupAt ? date(known.lastBackupAt) : t("checks.never") },
      known.backupError && t("overview.backupFailed", { why: known.backupError }),
    ],
    [
      "disk",
      free === null || free > LITTLE_SPACE + 2 * known.databaseBytes ? "good" : "wrong",
      { free: bytes(free ?? 0), used: bytes(known.databaseBytes) },
    ],
  ];
  if (known.openToPupils || known.unusedRules.length) {
    const name = known.openToPupils ? "policyOpen" : "policyUnused";
    list.push([name, "warn", { n: known.openToPupils || known.unusedRules.length }]);
  }
  // Without pupils there is nobody to report anything.
  if (known.leads !== null && known.leads < 2) list.push([known.leads ? "oneLead" : "noLead", "warn", {}]);
  if (known.certificateExpiresAt || known.certificateProblem) {
    const values = { date: date(known.certificateExpiresAt ?? Date.now()), why: known.certificateProblem };
    list.splice(1, 0, ["certificate", known.certificateProblem ? "wrong" : "good", values]);
  }
  const open = list.filter(([, verdict]) => verdict !== "good").length;
  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, t("admin.checks"))),
    h("p", {}, open ? t("checks.open", { n: open }) : t("checks.done")),
    h("ul", { class: "rows checks-list card" }, ...list.map(item)),
    h("p", { class: "quiet" }, t("checks.version", { version: known.version })),
    known.changes && h("details", { class: "card" }, h("summary", {}, t("checks.changes")), ...changes(known.changes)),
  );
}

function item([name, verdict, values, text]) {
  const mark = { good: "✓", warn: "!", wrong: "✕" }[verdict];
  return h(
    "li",
    {},
    h(
      "span",
      { class: `mark ${verdict}` },
      h("span", { "aria-hidden": "true" }, mark),
      h("span", { class: "spoken" }, t(`checks.${verdict}`)),
    ),
    h(
      "div",
      {},
      h("strong", {}, t(`checks.${name}`)),
      h("p", {}, text ?? t(`checks.${name}.${verdict === "good" ? "good" : "todo"}`, values)),
      name.endsWith("Lead") && h("a", { href: "#/people" }, t("admin.people")),
      name.startsWith("policy") && h("a", { href: "#/policy" }, t("admin.policy")),
      verdict !== "good" && name === "backup" && h("a", { href: "#/backups" }, t("admin.backups")),
    ),
  );
}

/** A connection that is being made gets a moment. */
async function connected(state) {
  for (let tries = 0; tries < 20 && state() !== "open"; tries += 1) await new Promise((resolve) => setTimeout(resolve, 100));
  return state() === "open";
}
