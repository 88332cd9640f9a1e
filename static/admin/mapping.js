// What the columns of another program's file are: chosen once, and kept for the next file of the kind.
import { t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { field } from "../ui/form.js";
import { ROLES } from "../ui/people.js";

const MEANINGS = [
  "username",
  "id",
  "name",
  "givenName",
  "familyName",
  "role",
  "groups",
  "email",
  "status",
  "grade",
  "phones",
  "adultFrom",
  "children",
  "kind",
];

/** A form with a choice for each column; `use(mapping)` is called with what was chosen, as the server takes it. */
export async function mappingForm(file, use) {
  const { columns, role } = await api("POST", "/api/admin/roster/columns", file);
  const meanings = [["", t("mapping.none")], ...MEANINGS.map((meaning) => [meaning, t(`mapping.${meaning}`)])];
  const choices = columns.map(({ name, sample, meaning }) =>
    field({
      name,
      kind: "select",
      label: name,
      help: sample && t("mapping.sample", { sample }),
      options: meanings,
      value: meaning ?? "",
    }),
  );
  const roles = ROLES.filter((one) => one !== "admin").map((one) => [one, t(`role.${one}`)]);
  const everybody = field({
    name: "everybody",
    kind: "select",
    label: t("mapping.everybody"),
    help: t("mapping.everybody.help"),
    options: [["", t("mapping.byColumn")], ...roles],
    value: role ?? "",
  });
  const submit = (event) => {
    event.preventDefault();
    const chosen = choices.map((choice, at) => [columns[at].name, choice.get()]).filter(([, meaning]) => meaning);
    use(JSON.stringify({ columns: Object.fromEntries(chosen), ...(everybody.get() && { role: everybody.get() }) }));
  };
  return h(
    "form",
    { class: "card", onsubmit: submit },
    h("h2", {}, t("mapping.title")),
    h("p", {}, t("mapping.text")),
    h("div", { class: "filters" }, ...choices.map(({ element }) => element)),
    everybody.element,
    h("button", {}, t("mapping.use")),
  );
}
