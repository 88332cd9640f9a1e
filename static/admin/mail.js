// Mail: how it stands, a test, and what was given up, in words.
import { dateTime, number, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { form } from "../ui/form.js";
import { table } from "../ui/table.js";

export default async function mail() {
  const report = await api("GET", "/api/admin/mail");
  const head = h("div", { class: "head" }, h("h1", {}, t("admin.mail")));
  if (!report.server) return h("div", {}, head, h("p", { class: "card" }, t("mail.none"), " ", h("code", {}, "mail.url")));
  const tile = (key, value) => h("div", { class: "tile" }, h("dt", {}, t(`mail.${key}`)), h("dd", {}, number(value)));
  return h(
    "div",
    {},
    head,
    report.pause && paused(report.pause),
    h("p", {}, t("mail.about", { from: report.from, server: report.server })),
    h("dl", { class: "tiles" }, tile("sent", report.sent), tile("waiting", report.waiting), tile("dead", report.dead.length)),
    test(),
    h("h2", {}, t("mail.givenUp")),
    dead(report.dead),
  );
}

function paused({ until, failure }) {
  return h("div", { class: "card wrong" }, h("p", {}, t("mail.paused", { time: dateTime(until) })), ...said(failure));
}

/** What a failure means, and the server's own words. */
function said({ stage, code, said: words }) {
  return [
    h("p", {}, t(`mail.stage.${stage}`)),
    h("p", { class: "quiet" }, h("code", { dir: "ltr" }, [code, words].filter(Boolean).join(" "))),
  ];
}

function test() {
  const answer = h("div", { "aria-live": "polite" });
  const { element } = form({
    fields: [{ name: "to", kind: "email", label: t("mail.test.to"), autocomplete: "email", required: true }],
    submit: t("mail.test.send"),
    send: async (values) => {
      answer.replaceChildren(h("p", {}, t("action.wait")));
      const { sent, failure } = await api("POST", "/api/admin/mail/test", values).catch((error) => {
        answer.replaceChildren();
        throw error;
      });
      answer.replaceChildren(...(sent ? [h("p", { class: "good" }, t("mail.test.sent"))] : said(failure)));
    },
  });
  return h(
    "section",
    { class: "card" },
    h("h2", {}, t("mail.test.title")),
    h("p", { class: "quiet" }, t("mail.test.text")),
    element,
    answer,
  );
}

function dead(rows) {
  return table({
    label: t("mail.givenUp"),
    empty: t("mail.noneGivenUp"),
    rows,
    columns: [
      { label: t("push.person"), cell: ({ user }) => user.name },
      { label: t("mail.kind"), cell: ({ kind }) => t(`mail.kind.${kind}`) },
      { label: t("report.why"), cell: ({ failure }) => h("div", {}, ...said(failure)) },
      { label: t("announce.when"), cell: ({ at }) => dateTime(at) },
    ],
  });
}
