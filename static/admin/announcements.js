// What was announced, and what is to be.
import { dateTime, number, t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { pages, table } from "../ui/table.js";

export default async function announcements() {
  const list = pages(
    (before) => api("GET", `/api/admin/announcements${query({ before, limit: 30 })}`),
    (rows) =>
      table({
        label: t("admin.announcements"),
        empty: t("announce.none"),
        rows,
        columns: [
          {
            label: t("announce.title"),
            cell: ({ id, title, reminderOf }) =>
              h("span", {}, h("a", { href: `#/announcement/${id}` }, title), reminderOf && ` (${t("announce.reminder")})`),
          },
          { label: t("announce.state"), cell: ({ state }) => t(`announce.${state}`) },
          { label: t("announce.when"), cell: ({ sendAt }) => dateTime(sendAt) },
          { label: t("announce.recipients"), cell: ({ recipients }) => (recipients === null ? "" : number(recipients)) },
        ],
      }),
  );
  await list.load();
  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, t("admin.announcements")), h("a", { class: "button", href: "#/announce" }, t("announce.new"))),
    list.element,
  );
}
