// Setting a password by a one-time link: /password/#code=…
import { loadPage, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { at } from "../ui/base.js";
import { h } from "../ui/dom.js";
import { form, newPassword } from "../ui/form.js";
import { languageChoice } from "../ui/login.js";

await loadPage();
const code = new URLSearchParams(location.hash.slice(1)).get("code") ?? "";
const card = h("section", { class: "card narrow" }, h("h1", {}, t("link.title")), h("p", {}, t("link.text")));
const { element } = form({
  fields: [newPassword()],
  submit: t("link.submit"),
  send: async ({ password }) => {
    const { user } = await api("POST", "/api/auth/password-link", { code, password });
    // The link is used up: it has no business in the history.
    history.replaceState(null, "", location.pathname);
    await api("POST", "/api/auth/session", { username: user.username, password });
    location.assign(at("/"));
  },
});
card.append(element, languageChoice());
document.body.append(h("main", {}, card));
document.querySelector("input").focus();
