// Reviews: asked for by a lead, approved by a second person.
import { dateTime, t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { confirm } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { field } from "../ui/form.js";
import { pages, table } from "../ui/table.js";
import { ask, reasonField, twoPeople } from "./asking.js";

export default async function reviews({ me }) {
  const isLead = me.duties?.includes("safeguarding");
  const list = pages(
    (before) => api("GET", `/api/safeguarding/reviews${query({ before })}`),
    (rows) => show(rows, me, list.refresh),
  );
  await list.load();
  return h(
    "div",
    {},
    h(
      "div",
      { class: "head" },
      h("h1", {}, t("safeguarding.reviews")),
      isLead && h("button", { onclick: () => add(list.load) }, t("sg.review.ask")),
    ),
    h("p", { class: "quiet" }, t("sg.review.text")),
    list.element,
  );
}

function add(done) {
  const people = twoPeople(t("sg.two"));
  const reason = reasonField();
  const urgent = field({ name: "urgent", kind: "checkbox", label: t("sg.urgent") });
  const send = () => api("POST", "/api/safeguarding/reviews", { userIds: people.get(), reason: reason.get(), urgent: urgent.get() });
  ask({ title: t("sg.review.ask"), fields: [people, reason, urgent], send, done });
}

const names = ({ users: [a, b] }) => ({ a: a.name, b: b.name });

const hoursLeft = (end) => Math.max(0, Math.ceil((new Date(end) - Date.now()) / 3_600_000));

function stateOf(one) {
  const { state, endsAt, needsApproval, approvedBy, urgent } = one;
  const said =
    state === "waiting"
      ? t("sg.waiting")
      : state === "open"
        ? t("sg.readable", { time: dateTime(endsAt), n: hoursLeft(endsAt) })
        : t("sg.ended");
  return h(
    "div",
    {},
    h("span", {}, said),
    approvedBy && h("p", { class: "quiet" }, t("sg.approvedBy", { name: approvedBy.name })),
    urgent && needsApproval && h("p", { class: "wrong" }, t("sg.unapproved")),
    one.toldAt && h("p", { class: "quiet" }, t("sg.told", { time: dateTime(one.toldAt) })),
  );
}

function show(rows, me, done) {
  const run = (one, what) => async () => {
    await api("POST", `/api/safeguarding/reviews/${one.id}/${what}`, {});
    done();
  };
  const isLead = me.duties?.includes("safeguarding");
  const button = (one, text, onclick) =>
    h("button", { class: "quiet", "aria-label": `${text}: ${t("sg.between", names(one))}`, onclick }, text);
  return table({
    label: t("safeguarding.reviews"),
    empty: t("sg.review.none"),
    rows,
    columns: [
      { label: t("sg.when"), cell: ({ askedAt }) => dateTime(askedAt) },
      { label: t("sg.by"), cell: ({ askedBy }) => askedBy.name },
      { label: t("sg.two"), cell: (one) => t("sg.between", names(one)) },
      ...(isLead ? [{ label: t("sg.why"), cell: ({ reason }) => reason }] : []),
      { label: t("sg.state"), cell: stateOf },
      {
        label: "",
        class: "end",
        cell: (one) =>
          h(
            "div",
            { class: "buttons" },
            one.needsApproval &&
              one.askedBy.id !== me.id &&
              button(one, t("sg.approve"), () =>
                confirm(
                  t("sg.approve"),
                  t("sg.approve.text", { name: one.askedBy.name, ...names(one) }),
                  t("sg.approve"),
                  run(one, "approve"),
                ),
              ),
            one.state === "open" && one.askedBy.id === me.id && h("a", { class: "button", href: `#/reading/${one.id}` }, t("sg.read")),
            isLead &&
              one.endsAt &&
              !one.toldAt &&
              button(one, t("sg.tell"), () => confirm(t("sg.tell"), t("sg.tell.text", names(one)), t("sg.tell"), run(one, "tell"))),
          ),
      },
    ],
  });
}
