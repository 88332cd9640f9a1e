// Who is a safeguarding lead, and whose duty waits to be confirmed.
import { dateTime, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { confirm } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { pages, table } from "../ui/table.js";

export default async function leads({ me }) {
  const list = pages(
    () => api("GET", "/api/safeguarding/leads"),
    (rows) => show(rows, me, list.load),
  );
  await list.load();
  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, t("safeguarding.leads"))),
    h("p", { class: "quiet" }, t("sg.leads.text")),
    list.element,
  );
}

function show(rows, me, done) {
  const isLead = me.duties?.includes("safeguarding");
  const check = ({ user }) =>
    confirm(t("sg.confirm"), t("sg.confirm.text", { name: user.name }), t("sg.confirm"), async () => {
      await api("POST", `/api/safeguarding/leads/${encodeURIComponent(user.id)}/confirm`, {});
      done();
    });
  return table({
    label: t("safeguarding.leads"),
    empty: t("sg.lead.none"),
    rows,
    columns: [
      { label: t("sg.who"), cell: ({ user }) => user.name },
      {
        label: t("sg.state"),
        cell: ({ state }) => h("span", { class: state === "active" ? "" : "wrong" }, t(`sg.lead.${state}`)),
      },
      { label: t("sg.when"), cell: ({ confirmedAt, grantedAt }) => dateTime(confirmedAt ?? grantedAt) },
      {
        label: "",
        class: "end",
        cell: (one) =>
          isLead &&
          one.state !== "active" &&
          one.user.id !== me.id &&
          h("button", { class: "quiet", "aria-label": `${t("sg.confirm")}: ${one.user.name}`, onclick: () => check(one) }, t("sg.confirm")),
      },
    ],
  });
}
