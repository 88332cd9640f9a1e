// Groups and who is in them.
import { number, t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { act, confirm, dialog, say } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { form } from "../ui/form.js";
import { peoplePicker } from "../ui/people.js";
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
          { label: t("people.name"), cell: ({ name }) => name },
          { label: t("groups.kind"), cell: ({ kind }) => t(`groups.${kind}`) },
          { label: t("groups.members"), cell: ({ members }) => number(members) },
          {
            label: "",
            class: "end",
            cell: (group) =>
              h(
                "span",
                {},
                button(t("groups.members"), group, () => members(group, list.load)),
                " ",
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

function members(group, done) {
  const path = `/api/admin/groups/${encodeURIComponent(group.id)}/members`;
  dialog(group.name, () => {
    const list = pages(
      (before) => api("GET", `/api/admin/people${query({ group: group.id, before, limit: 50 })}`),
      (rows) => h("ul", { class: "rows" }, ...(rows.length ? rows.map(line) : [h("li", { class: "quiet" }, t("groups.empty"))])),
    );
    const change = async (what) => {
      await api("PUT", path, what);
      await list.load();
      done();
    };
    const line = (one) => {
      const remove = act(() => change({ remove: [one.id] }));
      return h(
        "li",
        {},
        one.name,
        h("button", { class: "quiet", "aria-label": `${t("action.remove")}: ${one.name}`, onclick: remove }, t("action.remove")),
      );
    };
    const picker = peoplePicker({ label: t("groups.addPeople") });
    const add = act(async () => {
      const ids = picker.get();
      if (!ids.length) return;
      await change({ add: ids });
      picker.clear();
    });
    list.load();
    return h(
      "div",
      {},
      picker.element,
      h("p", { class: "buttons" }, h("button", { onclick: add }, t("groups.addChosen"))),
      h("h3", {}, t("groups.members")),
      list.element,
    );
  });
}
