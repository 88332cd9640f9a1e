// Who did what in safeguarding, with the reasons, which stand apart from the audit log.
import { dateTime, t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { pages, table } from "../ui/table.js";

export default async function log() {
  const list = pages((before) => api("GET", `/api/safeguarding/audit${query({ before })}`), show);
  await list.load();
  return h("div", {}, h("div", { class: "head" }, h("h1", {}, t("safeguarding.log"))), list.element);
}

function show(rows) {
  return table({
    label: t("safeguarding.log"),
    empty: t("sg.log.none"),
    rows,
    columns: [
      { label: t("sg.when"), cell: ({ at }) => dateTime(at) },
      { label: t("sg.who"), cell: ({ actor, actorName }) => actorName ?? (actor === "server" ? t("audit.server") : actor) },
      { label: t("sg.what"), cell: ({ action }) => t(`audit.${action}`) },
      { label: t("sg.why"), cell: ({ text, detail }) => text ?? detail },
    ],
  });
}
