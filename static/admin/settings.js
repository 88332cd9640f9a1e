// Every value of the configuration and where it came from. It is changed in the file or the environment.
import { t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { table } from "../ui/table.js";

export default async function settings() {
  const rows = await api("GET", "/api/admin/settings");
  const source = ({ source: { kind, name } }) => t(`config.${kind}`, { name });
  const values = table({
    label: t("admin.settings"),
    rows,
    columns: [
      { label: t("config.key"), cell: ({ key }) => h("code", {}, key) },
      { label: t("config.value"), cell: ({ value }) => h("code", {}, value) },
      { label: t("config.source"), cell: source },
    ],
  });
  return h("div", {}, h("div", { class: "head" }, h("h1", {}, t("admin.settings"))), h("p", { class: "quiet" }, t("config.text")), values);
}
