// Setting a password by a one-time link: /password/#code=…
import { errorText, loadPage, t } from "../i18n/i18n.js";
import { dataOf } from "../push.js";
import { api } from "../ui/api.js";
import { at } from "../ui/base.js";
import { h } from "../ui/dom.js";
import { form, newPassword } from "../ui/form.js";
import { languageChoice } from "../ui/login.js";

await loadPage();
const code = new URLSearchParams(location.hash.slice(1)).get("code") ?? "";
const card = h("section", { class: "card narrow" }, h("h1", {}, t("link.title")));
document.body.append(h("main", {}, card));

let factor;

async function send({ password, secondFactor }) {
  let token;
  try {
    ({ token } = await api("POST", "/api/auth/password-link", { code, password, ...(secondFactor && { secondFactor }) }));
  } catch (error) {
    if (error.code !== "second_factor_required" || !factor.element.hidden) throw error;
    factor.element.hidden = false;
    return factor.control.focus();
  }
  // The link is used up: it has no business in the history.
  history.replaceState(null, "", location.pathname);
  // The same session, in the cookie of our pages.
  const answer = await fetch(at("/api/auth/session"), { method: "PUT", headers: { authorization: `Bearer ${token}` } });
  await dataOf(answer);
  location.assign(at("/"));
}

try {
  const { name, username } = await api("POST", "/api/auth/password-link/user", { code });
  // The username is a field, so that password managers keep it with the password.
  const known = { name: "username", label: t("people.username"), value: username, readonly: true, autocomplete: "username" };
  // Shown to who has a second factor.
  const second = {
    name: "secondFactor",
    label: t("login.code"),
    help: t("login.code.help"),
    autocomplete: "one-time-code",
    inputmode: "numeric",
  };
  const { element, fields } = form({ fields: [known, newPassword(), second], submit: t("link.submit"), send });
  factor = fields.secondFactor;
  factor.element.hidden = true;
  card.append(h("p", {}, t("link.for", { name })), h("p", {}, t("link.text")), element);
} catch (error) {
  card.append(h("p", { class: "error", role: "alert" }, errorText(error)));
}
card.append(languageChoice());
document.querySelector("input[type=password]")?.focus();
