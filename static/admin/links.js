// A way in for many: links by which people set their first password, as a CSV file or as slips to print.
import { errorText, fieldText, t } from "../i18n/i18n.js";
import { api, apiFile } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { field } from "../ui/form.js";
import { ROLES } from "../ui/people.js";

export default async function links({ parameters: [group = ""] }) {
  const groups = await api("GET", "/api/admin/groups");
  const fields = {
    group: field({
      name: "group",
      kind: "select",
      label: t("links.group"),
      help: t("links.group.help"),
      value: group,
      options: [["", t("people.any")], ...groups.map(({ id, name }) => [id, name])],
    }),
    roles: field({
      name: "roles",
      kind: "checks",
      label: t("people.role"),
      value: ROLES.filter((role) => role !== "admin"),
      options: ROLES.map((role) => [role, t(`role.${role}`)]),
    }),
    fresh: field({ name: "fresh", kind: "checkbox", label: t("links.fresh"), value: true }),
    never: field({ name: "never", kind: "checkbox", label: t("links.never") }),
    days: field({ name: "days", kind: "number", label: t("links.days"), value: 30, min: 1, max: 90, required: true }),
  };
  const place = h("div", { "aria-live": "polite" });
  const buttons = [
    h("button", { type: "submit", value: "html" }, t("links.slips")),
    h("button", { type: "submit", class: "quiet", value: "csv" }, t("links.csv")),
  ];

  async function make(event) {
    event.preventDefault();
    const format = event.submitter?.value ?? "html";
    for (const one of Object.values(fields)) one.show("");
    for (const button of buttons) button.disabled = true;
    place.replaceChildren(h("p", {}, t("links.making")));
    const filter = {
      roles: fields.roles.get(),
      ...(fields.group.get() && { groups: [fields.group.get()] }),
      ...(fields.fresh.get() && { hasPassword: false }),
      ...(fields.never.get() && { loggedIn: false }),
    };
    try {
      const file = await apiFile("POST", "/api/admin/people/links", { filter, days: Number(fields.days.get()), format });
      place.replaceChildren(made(file, format));
    } catch (error) {
      place.replaceChildren(failed(error));
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }

  function failed(error) {
    const [detail] = error.details ?? [];
    if (detail?.field === "days") {
      fields.days.show(fieldText(detail));
      fields.days.control.focus();
      return "";
    }
    const nobody = detail?.rule === "nobody_fits";
    return h("p", { class: "error", role: "alert" }, nobody ? t("links.nobody") : errorText(error));
  }

  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, t("links.title")), h("a", { class: "button quiet", href: "#/people" }, t("import.back"))),
    h("p", {}, t("links.text")),
    h(
      "form",
      { class: "card", novalidate: true, onsubmit: make },
      ...Object.values(fields).map(({ element }) => element),
      h("p", { class: "buttons" }, ...buttons),
    ),
    place,
  );
}

/** What was made. The links are in this page's memory alone: once it is left they cannot be shown again. */
function made(file, format) {
  const href = URL.createObjectURL(file);
  const open =
    format === "csv"
      ? h("a", { class: "button", href, download: "links.csv" }, t("links.download"))
      : h("a", { class: "button", href, target: "_blank" }, t("links.open"));
  return h("section", { class: "card" }, h("h2", {}, t("links.done")), h("p", {}, t("links.done.text")), open);
}
