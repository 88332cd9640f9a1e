// All groups.
import { number, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { confirm, dialog, say } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { form } from "../ui/form.js";
import { pages, table } from "../ui/table.js";

const KINDS = ["class", "cohort", "club", "other"];

export default async function groups() {
  const list = pages(
    () => api("GET", "/api/admin/groups"),
    (rows) =>
      table({
        label: t("admin.groups"),
        empty: t("groups.none"),
        rows,
        columns: [
          { label: t("people.name"), cell: ({ id, name }) => h("a", { href: `#/group/${encodeURIComponent(id)}` }, name) },
          { label: t("groups.kind"), cell: ({ kind }) => t(`groups.${kind}`) },
          { label: t("groups.members"), cell: ({ members }) => number(members) },
          {
            label: "",
            class: "end",
            cell: (group) =>
              h(
                "span",
                {},
                button(t("people.edit"), group, () => edit(group, list.load)),
              ),
          },
        ],
      }),
  );
  await list.load();
  return h(
    "div",
    {},
    h(
      "div",
      { class: "head" },
      h("h1", {}, t("admin.groups")),
      h("button", { onclick: () => edit(undefined, list.load) }, t("groups.add")),
    ),
    list.element,
  );
}

const button = (text, group, onclick) => h("button", { class: "quiet", "aria-label": `${text}: ${group.name}`, onclick }, text);

function edit(group, done) {
  const path = group ? `/api/admin/groups/${encodeURIComponent(group.id)}` : "/api/admin/groups";
  dialog(group?.name ?? t("groups.add"), (close) => {
    const finish = () => {
      close();
      say(t("action.saved"));
      done();
    };
    const { element } = form({
      fields: [
        { name: "name", label: t("people.name"), value: group?.name, required: true, maxlength: 128 },
        {
          name: "kind",
          kind: "select",
          label: t("groups.kind"),
          value: group?.kind ?? "class",
          options: KINDS.map((kind) => [kind, t(`groups.${kind}`)]),
        },
      ],
      submit: t("action.save"),
      send: async (values) => {
        await api(group ? "PUT" : "POST", path, values);
        finish();
      },
      cancel: close,
    });
    const remove = () =>
      confirm(t("groups.remove"), t("groups.remove.text", { name: group.name }), t("groups.remove"), async () => {
        await api("DELETE", path);
        finish();
      });
    return h(
      "div",
      {},
      element,
      group && h("p", { class: "buttons apart" }, h("button", { type: "button", class: "danger", onclick: remove }, t("groups.remove"))),
    );
  });
}
