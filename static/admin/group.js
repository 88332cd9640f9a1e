// One group: who leads it, who is in it, their guardians, and what is missing before all can be reached.
import { number, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { act, dialog, say } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { form } from "../ui/form.js";
import { peoplePicker } from "../ui/people.js";
import { table } from "../ui/table.js";
import { family } from "./family.js";

export default async function group({ parameters: [id = ""] }) {
  const found = (await api("GET", "/api/admin/groups")).find((one) => one.id === id);
  if (!found) return h("p", { class: "empty" }, t("group.gone"));
  const path = `/api/admin/groups/${encodeURIComponent(id)}/members`;
  const place = h("div", {});

  async function load() {
    const members = await api("GET", path);
    const leads = members.filter(({ lead }) => lead);
    const others = members.filter(({ lead }) => !lead);
    place.replaceChildren(
      h("h2", {}, `${t("group.leads")} (${number(leads.length)})`),
      shown(leads, t("group.leads")),
      h("h2", {}, `${t("groups.members")} (${number(others.length)})`),
      shown(others, t("groups.members")),
    );
  }

  const shown = (rows, label) =>
    table({
      label,
      empty: t("groups.empty"),
      rows,
      columns: [
        { label: t("people.name"), cell: ({ name }) => name },
        { label: t("people.role"), cell: ({ role, grade }) => [t(`role.${role}`), grade].filter(Boolean).join(", ") },
        { label: t("group.days"), cell: days },
        { label: t("family.guardians"), cell: ({ guardians }) => guardians.map(({ name }) => name).join(", ") },
        { label: t("group.missing"), cell: missing },
        {
          label: "",
          class: "end",
          cell: (one) =>
            h(
              "span",
              { class: "buttons" },
              one.role === "student" &&
                button(
                  t("family.guardians"),
                  one,
                  act(() => family(one)),
                ),
              button(t("people.edit"), one, () => edit(one)),
            ),
        },
      ],
    });

  function edit(one) {
    dialog(one.name, (close) => {
      const finish = async (change) => {
        await api("PUT", path, change);
        close();
        say(t("action.saved"));
        await load();
      };
      const send = ({ lead, from, until }) => finish({ add: [{ id: one.id, lead, from, until }] });
      const fields = [
        { name: "lead", kind: "checkbox", label: t("group.lead"), value: one.lead },
        { name: "from", kind: "date", label: t("family.from"), value: one.from },
        { name: "until", kind: "date", label: t("family.until"), value: one.until },
      ];
      const remove = act(() => finish({ remove: [one.id] }));
      return h(
        "div",
        {},
        form({ fields, submit: t("action.save"), send, cancel: close }).element,
        h("p", { class: "buttons apart" }, h("button", { type: "button", class: "danger", onclick: remove }, t("group.takeOut"))),
      );
    });
  }

  const picker = peoplePicker({ label: t("groups.addPeople") });
  const add = act(async () => {
    const ids = picker.get();
    if (!ids.length) return;
    await api("PUT", path, { add: ids });
    picker.clear();
    await load();
  });
  await load();
  return h(
    "div",
    {},
    h(
      "div",
      { class: "head" },
      h("h1", {}, found.name),
      h("span", { class: "quiet" }, t(`groups.${found.kind}`)),
      h("a", { class: "button quiet", href: `#/links/${encodeURIComponent(id)}` }, t("links.title")),
      h("a", { class: "button quiet", href: "#/groups" }, t("group.back")),
    ),
    place,
    h("section", { class: "card" }, picker.element, h("p", { class: "buttons" }, h("button", { onclick: add }, t("groups.addChosen")))),
  );
}

const button = (text, one, onclick) => h("button", { class: "quiet", "aria-label": `${text}: ${one.name}`, onclick }, text);

const days = ({ from, until }) =>
  [from && t("family.from.day", { day: from }), until && t("family.until.day", { day: until })].filter(Boolean).join(" · ");

/** Why a user cannot be reached yet, or a pupil's family. */
function missing({ role, disabled, hasPassword, guardians }) {
  const reasons = [
    disabled && t("people.disabled"),
    role === "student" && !guardians.length && t("group.noGuardian"),
    !disabled && !hasPassword && t("group.noPassword"),
  ];
  return h("span", { class: "wrong" }, reasons.filter(Boolean).join(", "));
}
