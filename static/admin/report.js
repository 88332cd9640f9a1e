// How far an announcement got: by stage, and for each person not reached the reason. It follows by itself.
import { dateTime, number, t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { at } from "../ui/base.js";
import { act, confirm, say } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { field } from "../ui/form.js";
import { pages, table } from "../ui/table.js";

const STAGES = ["read", "live", "pushed", "waiting", "failed", "nobody"];

export default async function report({ parameters: [id], on }) {
  const path = `/api/admin/announcements/${encodeURIComponent(id)}`;
  let shown = await api("GET", path);
  const idempotencyKey = crypto.randomUUID();
  const facts = h("div", { "aria-live": "off" });
  const filter = field({
    name: "stage",
    kind: "select",
    label: t("report.filter"),
    options: [["", t("report.all")], ["unread", t("report.unread")], ...STAGES.map((stage) => [stage, t(`stage.${stage}`)])],
  });
  const list = pages((before) => api("GET", `${path}/recipients${query({ stage: filter.get(), before, limit: 100 })}`), recipients);
  filter.control.addEventListener("input", list.load);
  const buttons = h("p", { class: "buttons" });

  function draw() {
    facts.replaceChildren(...figures(shown));
    const unread = (shown.recipients ?? 0) - shown.stages.read;
    const remind = act(async () => {
      const title = t("report.reminder", { title: shown.title });
      const made = await api("POST", `${path}/remind`, { idempotencyKey, title: [...title].slice(0, 200).join("") });
      say(t("report.reminded", { n: unread }));
      location.hash = `#/announcement/${made.id}`;
    });
    const cancel = () =>
      confirm(t("report.cancel"), t("report.cancel.text"), t("report.cancel"), async () => {
        await api("DELETE", path);
        await follow();
      });
    const parts = [];
    parts.push(
      ...[
        shown.state === "sent" && unread > 0 && h("button", { onclick: remind }, t("report.remind", { n: unread })),
        shown.recipients !== null &&
          h("a", { class: "button quiet", href: at(`${path}/recipients.csv`), download: "recipients.csv" }, t("report.csv")),
        shown.state === "scheduled" && h("button", { class: "danger", onclick: cancel }, t("report.cancel")),
      ].filter(Boolean),
    );
    // A user who is on a button with the keyboard stays there while nothing changes.
    const words = (nodes) => [...nodes].map((node) => node.textContent).join();
    if (words(parts) !== words(buttons.children)) buttons.replaceChildren(...parts);
  }

  async function follow() {
    const now = await api("GET", path).catch(() => undefined);
    if (!now || JSON.stringify(now) === JSON.stringify(shown)) return;
    shown = now;
    draw();
    list.refresh();
  }

  draw();
  await list.load();
  on("overview", follow);
  return h(
    "div",
    {},
    h("p", {}, h("a", { href: "#/announcements" }, t("report.back"))),
    h("div", { class: "head" }, h("h1", { dir: "auto" }, shown.title)),
    h("div", { class: "sample", dir: "auto" }, shown.message, shown.link && h("p", {}, shown.link)),
    facts,
    buttons,
    filter.element,
    list.element,
  );
}

function figures({ state, sendAt, senderName, recipients: count, stages, reminderOf }) {
  const when = t(`report.${state}`, { time: dateTime(sendAt), name: senderName ?? t("report.key") });
  const tile = (stage) =>
    h("div", { class: "tile", "data-stage": stage }, h("dt", {}, t(`stage.${stage}`)), h("dd", {}, number(stages[stage])));
  const parts = STAGES.filter((stage) => stages[stage] > 0).map((stage) => {
    const part = h("span", { "data-stage": stage });
    part.style.flexGrow = stages[stage];
    return part;
  });
  return [
    h(
      "p",
      { class: "quiet" },
      when,
      " ",
      count !== null && t("report.count", { n: count }),
      " ",
      reminderOf && h("a", { href: `#/announcement/${reminderOf}` }, t("report.first")),
    ),
    count !== null && h("div", { class: "bar", "aria-hidden": "true" }, ...parts),
    count !== null && h("dl", { class: "tiles" }, ...STAGES.map(tile)),
  ].filter(Boolean);
}

function recipients(rows) {
  return table({
    label: t("report.people"),
    empty: t("report.none"),
    rows,
    columns: [
      { label: t("people.name"), cell: ({ name }) => name },
      { label: t("people.role"), cell: ({ role }) => t(`role.${role}`) },
      { label: t("report.stage"), cell: ({ stage }) => h("span", { class: "stage", "data-stage": stage }, t(`stage.${stage}`)) },
      { label: t("report.why"), cell: why },
    ],
  });
}

/** The reason for a user not reached, the time for the others. */
function why({ stage, by, why: reason, service, readAt, deliveredAt, pushedAt }) {
  if (stage === "failed" || stage === "nobody")
    return t(`why.${reason}`, { service: !service || service === "other" ? t("push.other") : service });
  if (by) return t(`why.${by}`, { time: dateTime(deliveredAt) });
  const time = { read: readAt, live: deliveredAt, pushed: pushedAt }[stage];
  return time ? dateTime(time) : t("why.waiting");
}
