// Devices by push service, and what failed, in words.
import { dateTime, number, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { table } from "../ui/table.js";

export default async function push() {
  const report = await api("GET", "/api/admin/push");
  const { working, failing, unused } = report.subscriptions;
  const tile = (key, value) => h("div", { class: "tile" }, h("dt", {}, t(`push.${key}`)), h("dd", {}, number(value)));
  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, t("admin.push"))),
    report.subjectProblem && h("p", { class: "card wrong" }, t("checks.contact.todo", { contact: report.subject })),
    h("dl", { class: "tiles" }, tile("working", working), tile("failing", failing), tile("unused", unused)),
    h("h2", {}, t("push.services")),
    services(report.services),
    h("h2", {}, t("push.dead")),
    dead(report.dead),
  );
}

function services(rows) {
  return table({
    label: t("push.services"),
    empty: t("push.noServices"),
    rows,
    columns: [
      { label: t("push.service"), cell: ({ name, origin }) => h("span", {}, name, h("div", { class: "quiet" }, origin)) },
      { label: t("push.devicesCount"), cell: ({ subscriptions }) => number(subscriptions) },
      { label: t("push.sentCount"), cell: ({ sent }) => number(sent) },
      { label: t("push.failedCount"), cell: ({ failed }) => number(failed) },
      { label: t("push.waitingCount"), cell: ({ waiting }) => number(waiting) },
      { label: t("push.state"), cell: state },
    ],
  });
}

function state({ pausedUntil, lastError }) {
  const lines = [];
  if (pausedUntil) lines.push(h("div", { class: "warn" }, t("push.paused", { time: dateTime(pausedUntil) })));
  if (lastError)
    lines.push(h("div", {}, lastError.advice), h("div", { class: "quiet" }, `${dateTime(lastError.at)} · ${answer(lastError)}`));
  return h("span", {}, ...(lines.length ? lines : [h("span", { class: "good" }, t("push.fine"))]));
}

const answer = ({ status, text }) => [status, text].filter(Boolean).join(" ");

function dead(rows) {
  return table({
    label: t("push.dead"),
    empty: t("push.noDead"),
    rows,
    columns: [
      { label: t("push.person"), cell: ({ userName }) => userName },
      { label: t("push.service"), cell: ({ service }) => service },
      { label: t("report.why"), cell: (row) => h("span", {}, row.advice, h("div", { class: "quiet" }, answer(row))) },
      { label: t("announce.when"), cell: ({ diedAt }) => dateTime(diedAt) },
    ],
  });
}
