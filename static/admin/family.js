// The guardians of a pupil, or the children of a guardian, and what each link says.
import { t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { act, confirm, dialog, say } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { form } from "../ui/form.js";
import { peoplePicker } from "../ui/people.js";

/** Which end of links is a user's own: pupils have guardians, everybody else children. */
export const familyOf = ({ role }) => (role === "student" ? "guardians" : "children");

/** Shows the links of a user. The server takes the whole list at once. */
export async function family(one) {
  const what = familyOf(one);
  const path = `/api/admin/people/${encodeURIComponent(one.id)}/${what}`;
  let links = (await api("GET", path))[what];

  dialog(`${t(`family.${what}`)}: ${one.name}`, () => {
    const list = h("ul", { class: "rows" });
    const save = async (wanted) => {
      // What the server says of a link is more than what it is told.
      const given = wanted.map(({ name, role, agreed, ...link }) => link);
      links = (await api("PUT", path, { [what]: given }))[what];
      draw();
      say(t("action.saved"));
    };
    const others = (link) => links.filter(({ id }) => id !== link.id);
    const line = (link) => {
      const remove = () => confirm(t("family.end"), t("family.end.text", { name: link.name }), t("family.end"), () => save(others(link)));
      const change = () => edit(link, (changed) => save([...others(link), changed]));
      const button = (text, onclick) => h("button", { class: "quiet", "aria-label": `${text}: ${link.name}`, onclick }, text);
      return h(
        "li",
        {},
        h("span", {}, link.name, " ", h("span", { class: "quiet" }, facts(link))),
        h("span", { class: "buttons" }, button(t("people.edit"), change), button(t("family.end"), remove)),
      );
    };
    const draw = () => list.replaceChildren(...(links.length ? links.map(line) : [h("li", { class: "quiet" }, t(`family.${what}.none`))]));
    const picker = peoplePicker({ label: t("groups.addPeople") });
    const add = act(async () => {
      const ids = picker.get().filter((id) => !links.some((link) => link.id === id));
      if (!ids.length) return;
      await save([...links, ...ids.map((id) => ({ id }))]);
      picker.clear();
    });
    draw();
    return h("div", {}, list, picker.element, h("p", { class: "buttons" }, h("button", { onclick: add }, t("groups.addChosen"))));
  });
}

/** What a link says beside that there is one. */
function facts({ role, kind, from, until, contact, receives, priority, locked }) {
  const said = [
    kind || t(`role.${role}`),
    priority && t("family.order", { n: priority }),
    from && t("family.from.day", { day: from }),
    until && t("family.until.day", { day: until }),
    !contact && t("family.contact.no"),
    !receives && t("family.receives.no"),
    locked && t("family.locked.yes"),
  ];
  return said.filter(Boolean).join(" · ");
}

function edit(link, save) {
  dialog(link.name, (close) => {
    const send = async ({ kind, from, until, priority, ...flags }) => {
      await save({ id: link.id, kind, from, until, priority: priority ? Number(priority) : null, ...flags });
      close();
    };
    const fields = [
      { name: "kind", label: t("family.kind"), value: link.kind, maxlength: 64 },
      { name: "priority", kind: "number", label: t("family.priority"), value: link.priority, min: 1 },
      { name: "from", kind: "date", label: t("family.from"), value: link.from },
      { name: "until", kind: "date", label: t("family.until"), value: link.until },
      { name: "contact", kind: "checkbox", label: t("family.contact"), value: link.contact },
      { name: "receives", kind: "checkbox", label: t("family.receives"), value: link.receives },
      { name: "locked", kind: "checkbox", label: t("family.locked"), value: link.locked },
    ];
    return form({ fields, submit: t("action.save"), send, cancel: close }).element;
  });
}
