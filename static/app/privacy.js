// Who sees that a user is online, and whom they have blocked.
import { errorText, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { at } from "../ui/base.js";
import { act, say } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { form } from "../ui/form.js";

const CHOICES = ["school", "show", "hide"];

/** The card of the settings. */
export function privacy() {
  const shown = h("p", { class: "quiet" }, t("action.wait"));
  const blocked = h("div", {});
  const who = h("p", {}, h("a", { href: at("/privacy/") }, t("who.link")));
  const place = h("section", { class: "card" }, h("h2", {}, t("privacy.title")), shown, blocked, who);

  async function render() {
    const people = await api("GET", "/api/users/blocked");
    if (!people.length) return blocked.replaceChildren();
    blocked.replaceChildren(h("h3", {}, t("privacy.blocked")), h("ul", { class: "rows" }, ...people.map(line)));
  }

  function line({ id, name }) {
    const unblock = act(async () => {
      await api("DELETE", `/api/users/${encodeURIComponent(id)}/block`);
      await render();
      say(t("action.saved"));
    });
    return h("li", {}, h("bdi", {}, name), h("button", { type: "button", class: "quiet", onclick: unblock }, t("chat.unblock", { name })));
  }

  api("GET", "/api/notifications/preferences")
    .then(({ showOnline }) => shown.replaceWith(online(showOnline)))
    .catch((error) => (shown.textContent = errorText(error)));
  render().catch(() => {});
  return place;
}

function online(showOnline) {
  const value = { null: "school", true: "show", false: "hide" }[showOnline];
  const options = CHOICES.map((choice) => [choice, t(`privacy.online.${choice}`)]);
  return form({
    fields: [{ name: "online", kind: "select", label: t("privacy.online"), options, value }],
    submit: t("action.save"),
    send: async ({ online: chosen }) => {
      await api("PUT", "/api/notifications/preferences", { showOnline: chosen === "school" ? null : chosen === "show" });
      say(t("action.saved"));
    },
  }).element;
}
