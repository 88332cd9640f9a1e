// Holds: what neither retention nor an erasure removes.
import { dateTime, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { confirm } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { pages, table } from "../ui/table.js";
import { ask, reasonField, twoPeople } from "./asking.js";

export default async function holds() {
  const list = pages(
    () => api("GET", "/api/safeguarding/holds"),
    (rows) => show(rows, list.load),
  );
  await list.load();
  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, t("safeguarding.holds")), h("button", { onclick: () => add(list.load) }, t("sg.hold.add"))),
    h("p", { class: "quiet" }, t("sg.hold.text")),
    list.element,
  );
}

const names = ({ users }) => (users.length === 2 ? t("sg.between", { a: users[0].name, b: users[1].name }) : users[0].name);

function show(rows, done) {
  const end = (one) =>
    confirm(t("sg.hold.end"), t("sg.hold.end.text", { name: names(one) }), t("sg.hold.end"), async () => {
      await api("DELETE", `/api/safeguarding/holds/${one.id}`);
      done();
    });
  return table({
    label: t("safeguarding.holds"),
    empty: t("sg.hold.none"),
    rows,
    columns: [
      { label: t("sg.when"), cell: ({ createdAt }) => dateTime(createdAt) },
      { label: t("sg.who"), cell: names },
      { label: t("sg.by"), cell: ({ madeBy }) => madeBy.name },
      { label: t("sg.why"), cell: ({ reason }) => reason },
      {
        label: "",
        class: "end",
        cell: (one) =>
          one.endedAt
            ? h("span", { class: "quiet" }, t("sg.hold.over", { time: dateTime(one.endedAt) }))
            : h(
                "button",
                { class: "quiet", "aria-label": `${t("sg.hold.end")}: ${names(one)}`, onclick: () => end(one) },
                t("sg.hold.end"),
              ),
      },
    ],
  });
}

function add(done) {
  const people = twoPeople(t("sg.hold.who"));
  const reason = reasonField();
  const send = () => {
    const ids = people.get();
    const held = ids.length === 1 ? { userId: ids[0] } : { userIds: ids };
    return api("POST", "/api/safeguarding/holds", { ...held, reason: reason.get() });
  };
  ask({ title: t("sg.hold.add"), fields: [people, reason], send, done });
}
