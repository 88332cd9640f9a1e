// No-contact orders.
import { date, dateTime, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { confirm } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { field } from "../ui/form.js";
import { ROLES } from "../ui/people.js";
import { pages, table } from "../ui/table.js";
import { ask, reasonField, twoPeople } from "./asking.js";

export default async function orders() {
  const list = pages(
    () => api("GET", "/api/safeguarding/no-contact"),
    (rows) => show(rows, list.load),
  );
  await list.load();
  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, t("safeguarding.orders")), h("button", { onclick: () => add(list.load) }, t("sg.order.add"))),
    h("p", { class: "quiet" }, t("sg.order.text")),
    list.element,
  );
}

const names = ({ a, b, role }) => ({ a: a.name, b: b?.name ?? t(`role.${role}`) });

function show(rows, done) {
  const end = (one) =>
    confirm(t("sg.order.end"), t("sg.order.end.text", names(one)), t("sg.order.end"), async () => {
      await api("DELETE", `/api/safeguarding/no-contact/${encodeURIComponent(one.id)}`);
      done();
    });
  return table({
    label: t("safeguarding.orders"),
    empty: t("sg.order.none"),
    rows,
    columns: [
      { label: t("sg.when"), cell: ({ createdAt }) => dateTime(createdAt) },
      { label: t("sg.who"), cell: (one) => t("sg.between", names(one)) },
      { label: t("sg.why"), cell: ({ reason }) => reason },
      { label: t("sg.order.until"), cell: ({ until }) => until && date(until) },
      {
        label: "",
        class: "end",
        cell: (one) =>
          h(
            "button",
            { class: "quiet", "aria-label": `${t("sg.order.end")}: ${t("sg.between", names(one))}`, onclick: () => end(one) },
            t("sg.order.end"),
          ),
      },
    ],
  });
}

function add(done) {
  const one = twoPeople(t("sg.order.who"));
  const other = twoPeople(t("sg.order.other"));
  const role = field({
    name: "role",
    kind: "select",
    label: t("sg.order.role"),
    options: [["", t("sg.order.noRole")], ...ROLES.map((name) => [name, t(`role.${name}`)])],
  });
  const until = field({ name: "until", kind: "date", label: t("sg.order.until") });
  const reason = reasonField();
  const send = () => {
    const body = { a: one.get().at(-1) ?? "", b: other.get().at(-1), role: role.get() || undefined };
    return api("POST", "/api/safeguarding/no-contact", { ...body, until: until.get() || undefined, reason: reason.get() });
  };
  ask({ title: t("sg.order.add"), fields: [one, other, role, until, reason], send, done });
}
