// Copies of the database that the server keeps.
import { bytes, dateTime, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { at } from "../ui/base.js";
import { confirmed } from "../ui/confirmation.js";
import { act, confirm, say } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { pages, table } from "../ui/table.js";

export default async function backups() {
  const list = pages(
    () => api("GET", "/api/admin/backups"),
    (rows) => show(rows, list.load),
  );
  const make = act(async () => {
    await api("POST", "/api/admin/backups");
    say(t("backups.made"));
    await list.load();
  });
  await list.load();
  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, t("admin.backups")), h("button", { onclick: make }, t("backups.make"))),
    h("p", { class: "quiet" }, t("backups.text")),
    list.element,
  );
}

function show(rows, done) {
  const path = (name) => `/api/admin/backups/${encodeURIComponent(name)}`;
  const remove = (name) =>
    confirm(t("backups.remove"), t("backups.remove.text", { name }), t("backups.remove"), async () => {
      await api("DELETE", path(name));
      done();
    });
  // The browser fetches it by itself: it may be larger than memory.
  const link = (name) => {
    const fetched = h("a", { href: at(path(name)), download: name }, name);
    fetched.addEventListener("click", async (event) => {
      if (!event.isTrusted) return;
      event.preventDefault();
      await confirmed().then(
        () => fetched.click(),
        () => {},
      );
    });
    return fetched;
  };
  return table({
    label: t("admin.backups"),
    empty: t("backups.none"),
    rows,
    columns: [
      { label: t("announce.when"), cell: ({ createdAt }) => dateTime(createdAt) },
      { label: t("backups.size"), cell: (one) => bytes(one.bytes) },
      { label: t("backups.file"), cell: ({ name }) => link(name) },
      {
        label: "",
        class: "end",
        cell: ({ name }) =>
          h("button", { class: "quiet", "aria-label": `${t("action.remove")}: ${name}`, onclick: () => remove(name) }, t("action.remove")),
      },
    ],
  });
}
