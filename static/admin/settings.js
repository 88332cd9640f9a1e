// The school's own settings, and every value of the configuration with where it came from.
import { t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { say } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { form } from "../ui/form.js";
import { table } from "../ui/table.js";

// What is set here; each is shown as fixed where the configuration has it.
const OWN = [
  "school.name",
  "school.short_address",
  "school.time_zone",
  "auth.second_factor_required",
  "retention.messages",
  "retention.notifications",
  "retention.audit",
];
const isNumber = (key) => key.startsWith("retention.");
const SWITCHES = ["auth.second_factor_required"];

export default async function settings() {
  const place = h("div", {});
  show(await api("GET", "/api/admin/settings"));

  function show(rows) {
    place.replaceChildren(own(rows), h("h2", {}, t("config.title")), h("p", { class: "quiet" }, t("config.text")), all(rows));
  }

  function own(rows) {
    const known = new Map(rows.map((row) => [row.key, row]));
    // A value is shown as the file has it: text in quotes.
    const text = ({ value }) => (value ? JSON.parse(value) : "");
    const isSwitch = (key) => SWITCHES.includes(key);
    const fields = OWN.map((key) => ({
      name: key,
      label: t(`config.${key}`),
      help: known.get(key).settable ? t(`config.${key}.help`) : t("config.fixed"),
      value: text(known.get(key)),
      ...(isSwitch(key)
        ? { kind: "checkbox", disabled: !known.get(key).settable }
        : { readonly: !known.get(key).settable, ...(isNumber(key) ? { kind: "number", min: 0 } : { maxlength: 200 }) }),
      ...(key === "school.time_zone" && known.get(key).settable && { list: zones.id }),
    }));
    const send = async (values) => {
      const changed = Object.entries(values).filter(([key]) => known.get(key).settable);
      show(await api("PUT", "/api/admin/settings", { settings: Object.fromEntries(changed.map(([key, value]) => [key, String(value)])) }));
      say(t("action.saved"));
    };
    return h("section", { class: "card" }, h("h2", {}, t("config.school")), form({ fields, submit: t("action.save"), send }).element);
  }

  return h("div", {}, h("div", { class: "head" }, h("h1", {}, t("admin.settings"))), zones, place);
}

const zones = h("datalist", { id: "time-zones" }, ...(Intl.supportedValuesOf?.("timeZone") ?? []).map((value) => h("option", { value })));

function all(rows) {
  const source = ({ source: { kind, name } }) => t(`config.${kind}`, { name });
  return table({
    label: t("admin.settings"),
    rows,
    columns: [
      { label: t("config.key"), cell: ({ key }) => h("code", {}, key) },
      { label: t("config.value"), cell: ({ value }) => h("code", {}, value) },
      { label: t("config.source"), cell: source },
    ],
  });
}
