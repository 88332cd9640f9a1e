// A way in for many: links by which people set their first password, as a CSV file or as slips to print.
import { errorText, fieldText, t } from "../i18n/i18n.js";
import { api, apiFile } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { field } from "../ui/form.js";
import { ROLES } from "../ui/people.js";

export default async function links({ parameters: [group = ""] }) {
  const [groups, { mail }] = await Promise.all([api("GET", "/api/admin/groups"), api("GET", "/api/auth/methods")]);
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
    ...(mail ? [h("button", { type: "submit", class: "quiet", value: "mail" }, t("links.mail"))] : []),
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
      const wanted = { filter, days: Number(fields.days.get()), format };
      const answer = format === "mail" ? api : apiFile;
      const result = await answer("POST", "/api/admin/people/links", wanted);
      place.replaceChildren(format === "mail" ? mailed(result) : made(result, format));
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

/** What goes out, and who gets nothing: their links go another way. */
function mailed({ queued, noAddress }) {
  const names = h("ul", {}, ...noAddress.map((name) => h("li", {}, h("bdi", {}, name))));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, t("links.mailed", { n: queued })),
    h("p", {}, h("a", { href: "#/mail" }, t("links.mailed.where"))),
    noAddress.length > 0 &&
      h("details", {}, h("summary", {}, t("links.noAddress", { n: noAddress.length })), h("p", {}, t("links.noAddress.text")), names),
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
