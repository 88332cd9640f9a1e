// Logging in, on the server's own pages.
import { disablePush } from "../push.js";
import { LANGUAGES, choose, current, has, t } from "../i18n/i18n.js";
import { api, belongTo } from "./api.js";
import { at, server } from "./base.js";
import { confirm, dialog } from "./dialog.js";
import { h } from "./dom.js";
import { form } from "./form.js";

/** Milliseconds. */
const PATIENCE = 5_000;

/** The form. `done` gets the person. */
export function login({ title, text, done }) {
  const { element, fields } = form({
    fields: [
      {
        name: "username",
        label: t("login.username"),
        autocomplete: "username",
        autocapitalize: "none",
        spellcheck: "false",
        required: true,
      },
      { name: "password", label: t("login.password"), kind: "password", autocomplete: "current-password", required: true },
      // Shown to who has a second factor.
      { name: "code", label: t("login.code"), help: t("login.code.help"), autocomplete: "one-time-code", inputmode: "numeric" },
    ],
    submit: t("login.submit"),
    send: async ({ code, ...values }) => {
      try {
        const { user } = await api("POST", "/api/auth/session", code ? { ...values, code } : values);
        belongTo(user.id);
        return await done(user);
      } catch (error) {
        if (error.code !== "second_factor_required" || !codeField.element.hidden) throw error;
        codeField.element.hidden = false;
        codeField.control.focus();
      }
    },
  });
  const codeField = fields.code;
  codeField.element.hidden = true;
  const forgotten = h(
    "button",
    { type: "button", class: "plain link", onclick: () => forgot(element.elements.username.value) },
    t("forgot.link"),
  );
  const elsewhere = h("p", { class: "buttons", hidden: true });
  const parts = [h("h1", {}, title), text && h("p", {}, text), cameBack(), elsewhere, element, h("p", {}, forgotten), languageChoice()];
  const card = h("section", { class: "card narrow" }, ...parts);
  provider()
    .then((link) => link && elsewhere.append(link))
    .then(() => (elsewhere.hidden = !elsewhere.firstChild))
    .catch(() => {});
  return card;
}

/** Why the school's provider let nobody in: it stands behind the #. */
function cameBack() {
  const code = new URLSearchParams(location.hash.slice(1)).get("login");
  if (!code) return undefined;
  history.replaceState(null, "", location.pathname + location.search);
  return h("p", { class: "error", role: "alert" }, t(has(`error.${code}`) ? `error.${code}` : "error.oidc_failed"));
}

/** Logging in with the school's provider, if there is one, and back to this page. */
export async function provider(confirms = false) {
  const { oidc } = await api("GET", "/api/auth/methods");
  if (!oidc) return undefined;
  // A page of the dashboard stands behind the #.
  const view = location.hash.startsWith("#/") ? location.hash : "";
  const back = encodeURIComponent(location.pathname + location.search + view);
  const confirm = confirms ? "&confirm=true" : "";
  return h("a", { class: "button", href: at(`/api/auth/oidc/start?back=${back}${confirm}`) }, t("login.with", { name: oidc.name }));
}

/** What to do about a password that is forgotten: ask for a link by mail, where the school sends any, or ask the office. */
async function forgot(login) {
  const { mail } = await api("GET", "/api/auth/methods").catch(() => ({ mail: false }));
  dialog(t("forgot.title"), (close) => {
    if (!mail) return h("p", {}, t("forgot.office"));
    const { element } = form({
      fields: [
        { name: "login", label: t("login.username"), autocomplete: "username", autocapitalize: "none", value: login, required: true },
      ],
      submit: t("forgot.submit"),
      cancel: close,
      send: async (values) => {
        await api("POST", "/api/auth/forgot", values);
        place.replaceChildren(h("p", { role: "status" }, t("forgot.done")), h("p", {}, t("forgot.office")));
      },
    });
    const place = h("div", {}, h("p", {}, t("forgot.text")), element);
    return place;
  });
}

/** Ends the session of this browser, and its pushes: the next person at this computer must not be this one. */
export async function logout() {
  const unsent = Object.keys(localStorage).filter((key) => key.startsWith("schoolbell-outbox:"));
  if (unsent.length) return confirm(t("logout"), t("logout.unsent", { n: unsent.length }), t("logout"), leave);
  return leave();
}

/** What was written is thrown away with the rest: it is not for the next person's eyes. */
async function leave() {
  // A browser that does not reach its push service must not keep the session open.
  await Promise.race([disablePush(server).catch(() => {}), new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
  await api("DELETE", "/api/auth/session");
  const own = Object.keys(localStorage).filter((key) => key.startsWith("schoolbell-outbox:"));
  own.forEach((key) => localStorage.removeItem(key));
  belongTo(undefined);
  location.assign(at("/"));
}

/** A choice of languages; `chosen(tag)` may keep it elsewhere too, before the page loads again. */
export function languageChoice(chosen = async () => {}) {
  const options = Object.entries(LANGUAGES).map(([tag, name]) => h("option", { value: tag, lang: tag, selected: tag === current() }, name));
  const change = async ({ target }) => {
    choose(target.value);
    await chosen(target.value).catch(() => {});
    location.reload();
  };
  return h("label", { class: "language" }, t("language"), h("select", { onchange: change }, ...options));
}
