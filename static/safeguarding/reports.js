// The queue: what was reported, what the lead has taken up, and what is closed.
import { dateTime, t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { field } from "../ui/form.js";
import { pages, table } from "../ui/table.js";

const FILTERS = {
  new: { state: "new" },
  mine: { mine: true, state: "open" },
  open: { state: "open" },
  closed: { state: "closed" },
};

export default async function reports() {
  const which = field({
    name: "state",
    kind: "select",
    label: t("sg.state"),
    options: Object.keys(FILTERS).map((one) => [one, t(`sg.state.${one}`)]),
  });
  const list = pages((before) => api("GET", `/api/safeguarding/reports${query({ ...FILTERS[which.get()], before })}`), show);
  which.control.addEventListener("input", list.load);
  await list.load();
  return h("div", {}, h("div", { class: "head" }, h("h1", {}, t("safeguarding.reports"))), which.element, list.element);
}

function show(rows) {
  return table({
    label: t("safeguarding.reports"),
    empty: t("sg.reports.none"),
    rows,
    columns: [
      { label: t("sg.when"), cell: ({ createdAt }) => dateTime(createdAt) },
      { label: t("sg.why"), cell: ({ reason }) => h("span", { class: reason === "danger" ? "wrong" : "" }, t(`report.reason.${reason}`)) },
      { label: t("sg.who"), cell: ({ reporter, partner }) => t("sg.between", { a: reporter.name, b: partner.name }) },
      { label: t("sg.state"), cell: ({ state, lead }) => (lead ? `${t(`sg.state.${state}`)} · ${lead.name}` : t(`sg.state.${state}`)) },
      {
        label: "",
        class: "end",
        cell: ({ id, reporter, partner }) =>
          h(
            "a",
            {
              class: "button quiet",
              href: `#/report/${id}`,
              "aria-label": `${t("sg.look")}: ${t("sg.between", { a: reporter.name, b: partner.name })}`,
            },
            t("sg.look"),
          ),
      },
    ],
  });
}
