// Setting a password by a one-time link: /password/#code=…
import { errorText, loadPage, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { at } from "../ui/base.js";
import { h } from "../ui/dom.js";
import { form, newPassword } from "../ui/form.js";
import { languageChoice } from "../ui/login.js";

await loadPage();
const code = new URLSearchParams(location.hash.slice(1)).get("code") ?? "";
const card = h("section", { class: "card narrow" }, h("h1", {}, t("link.title")));
document.body.append(h("main", {}, card));

async function send({ password }) {
  const { user } = await api("POST", "/api/auth/password-link", { code, password });
  // The link is used up: it has no business in the history.
  history.replaceState(null, "", location.pathname);
  await api("POST", "/api/auth/session", { username: user.username, password });
  location.assign(at("/"));
}

try {
  const { name, username } = await api("POST", "/api/auth/password-link/user", { code });
  // The username is a field, so that password managers keep it with the password.
  const known = { name: "username", label: t("people.username"), value: username, readonly: true, autocomplete: "username" };
  const { element } = form({ fields: [known, newPassword()], submit: t("link.submit"), send });
  card.append(h("p", {}, t("link.for", { name })), h("p", {}, t("link.text")), element);
} catch (error) {
  card.append(h("p", { class: "error", role: "alert" }, errorText(error)));
}
card.append(languageChoice());
document.querySelector("input[type=password]")?.focus();
