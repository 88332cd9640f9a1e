// A person's own settings: notifications on this device, quiet hours, language, password, logging out.
import { askPermission, deviceId, disablePush, enablePush, pushState } from "../push.js";
import { SchoolbellError } from "../schoolbell.js";
import { current, date, dateTime, errorText, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { server } from "../ui/base.js";
import { act, say } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { field, form, newPassword } from "../ui/form.js";
import { languageChoice, logout } from "../ui/login.js";
import { secondFactor } from "../ui/second-factor.js";
import { privacy } from "./privacy.js";

/** Milliseconds: a browser that does not reach its push service says nothing. */
const PATIENCE = 30_000;
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

export function settings(me, refreshed) {
  const element = h(
    "section",
    { class: "settings", "aria-labelledby": "settings-title" },
    h("p", {}, h("a", { href: "#" }, t("settings.back"))),
    h("h1", { id: "settings-title", tabindex: "-1" }, t("settings.title")),
    device(me, refreshed),
    quiet(),
    password(),
    h(
      "section",
      { class: "card" },
      h("h2", {}, t("settings.account")),
      h("p", {}, t("settings.who", { name: me.name })),
      me.username && h("p", {}, `${t("people.username")}: `, h("strong", {}, h("bdi", {}, me.username))),
      languageChoice(keepLanguage),
      leave(),
    ),
    privacy(),
    guardians(),
    secondFactor(),
    sessions(),
  );
  queueMicrotask(() => element.querySelector("h1").focus());
  return element;
}

function device(me, refreshed) {
  const status = h("p", { role: "status" });
  const enable = h("button", { type: "button", onclick: change(() => turnOn(me)) }, t("push.enable"));
  const disable = h("button", { type: "button", class: "quiet", onclick: change(() => disablePush(server)) }, t("push.disable"));
  const test = h("button", { type: "button", onclick: change(trial) }, t("push.test"));
  const devices = h("ul", { class: "rows" });

  async function render(said) {
    const [all, own, browser] = await Promise.all([api("GET", "/api/notifications/subscriptions"), deviceId(), pushState()]);
    // On is what the server knows, too.
    const state = browser === "on" && !all.some(({ id }) => id === own) ? "off" : browser;
    status.textContent = typeof said === "string" ? said : t(`push.${state}`);
    enable.hidden = state !== "off";
    disable.hidden = test.hidden = state !== "on";
    devices.replaceChildren(...(all.length ? all.map(line) : [h("li", { class: "quiet" }, t("push.none"))]));
  }

  function line(one) {
    const text = t("push.device", { browser: one.browser, date: date(one.createdAt) });
    const remove = change(async () => {
      const own = one.id === (await deviceId());
      await api("DELETE", `/api/notifications/subscriptions/${one.id}`);
      if (own) await disablePush(server);
    });
    return h(
      "li",
      {},
      text,
      h("button", { type: "button", class: "quiet", "aria-label": `${t("action.remove")}: ${text}`, onclick: remove }, t("action.remove")),
    );
  }

  /** Does something on a click, then says what it returned, or how things are. */
  function change(run) {
    return async ({ currentTarget }) => {
      currentTarget.disabled = true;
      status.textContent = t("action.wait");
      let said;
      try {
        said = await run();
      } catch (error) {
        said = { text: errorText(error), work: error.work };
      }
      currentTarget.disabled = false;
      // What came too late may yet come.
      said?.work?.then(
        () => render(),
        () => {},
      );
      await render(said?.text ?? said).catch((error) => (status.textContent = errorText(error)));
    };
  }

  refreshed.then(() => render()).catch((error) => (status.textContent = errorText(error)));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, t("push.title")),
    status,
    h("p", { class: "buttons" }, enable, test, disable),
    h("h3", {}, t("push.devices")),
    devices,
  );
}

async function turnOn(me) {
  // Nobody is hurried over the question.
  if (!(await askPermission())) return;
  await late(enablePush({ ...server, person: me.id }));
  // The server writes to this person in the language of their page, unless they chose another one.
  const { language } = await api("GET", "/api/notifications/preferences");
  if (!language) await keepLanguage(current());
}

/** What the server itself writes, in a push for instance, is in the page's language. */
const keepLanguage = (language) => api("PUT", "/api/notifications/preferences", { language });

/** Returns what to say. */
async function trial() {
  const { queued } = await api("POST", "/api/notifications/test-push");
  return t(queued ? "push.sent" : "push.lost");
}

function late(work) {
  const error = Object.assign(new Error(t("push.late")), { code: "late", work });
  const end = new Promise((_, reject) => setTimeout(reject, PATIENCE, error));
  return Promise.race([work, end]);
}

/** When nothing but what is urgent is pushed. */
function quiet() {
  const place = h("section", { class: "card" }, h("h2", {}, t("quiet.title")), h("p", { class: "quiet" }, t("action.wait")));
  api("GET", "/api/notifications/preferences")
    .then((preferences) => place.lastChild.replaceWith(quietForm(preferences)))
    .catch((error) => (place.lastChild.textContent = errorText(error)));
  return place;
}

function quietForm(preferences) {
  const window = preferences.quietHours?.windows[0] ?? { days: DAYS, from: "21:00", to: "07:00" };
  const { element } = form({
    fields: [
      { name: "enabled", kind: "checkbox", label: t("quiet.enabled"), value: preferences.enabled },
      { name: "messages", kind: "checkbox", label: t("quiet.messages"), value: !preferences.mutedTypes.includes("message") },
      { name: "quiet", kind: "checkbox", label: t("quiet.on"), value: Boolean(preferences.quietHours), help: t("quiet.help") },
      { name: "from", kind: "time", label: t("quiet.from"), value: window.from },
      { name: "to", kind: "time", label: t("quiet.to"), value: window.to.replace("24:00", "00:00") },
      { name: "days", kind: "checks", label: t("quiet.days"), value: window.days, options: DAYS.map((day) => [day, t(`day.${day}`)]) },
    ],
    submit: t("action.save"),
    paths: { "quietHours.windows": "from" },
    send: async (values) => {
      const others = preferences.mutedTypes.filter((type) => type !== "message");
      const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
      if (values.quiet && !values.days.length)
        throw new SchoolbellError({ message: "", details: [{ field: "days", rule: "one_at_least" }] }, 400);
      const first = { days: values.days, from: values.from, to: values.to };
      const rest = preferences.quietHours?.windows.slice(1) ?? [];
      preferences = await api("PUT", "/api/notifications/preferences", {
        enabled: values.enabled,
        mutedTypes: values.messages ? others : [...others, "message"],
        quietHours: values.quiet ? { timeZone, windows: [first, ...rest] } : null,
      });
      say(t("action.saved"));
    },
  });
  return element;
}

function password() {
  const { element } = form({
    fields: [
      { name: "currentPassword", label: t("password.current"), kind: "password", autocomplete: "current-password", required: true },
      newPassword("newPassword"),
    ],
    submit: t("password.change"),
    send: async (values) => {
      await api("POST", "/api/auth/password", values);
      element.reset();
      say(t("password.changed"));
    },
  });
  return h("section", { class: "card" }, h("h2", {}, t("password.title")), element);
}

/** Whose guardians a pupil who is of age lets go on. Nothing, for everybody else. */
function guardians() {
  const place = h("section", { class: "card", hidden: true }, h("h2", {}, t("guardians.title")), h("p", {}, t("guardians.text")));
  const line = ({ id, name, kind, agreed }) => {
    const label = kind ? `${name} (${kind})` : name;
    const box = field({ name: id, kind: "checkbox", label, value: agreed });
    const change = act(async () => {
      const agrees = box.get();
      box.control.checked = !agrees;
      await api("PUT", `/api/auth/guardians/${encodeURIComponent(id)}`, { agreed: agrees });
      box.control.checked = agrees;
      say(t("action.saved"));
    });
    box.control.addEventListener("change", change);
    return box.element;
  };
  api("GET", "/api/auth/guardians")
    .then((own) => {
      place.hidden = !own.ofAge || !own.guardians.length;
      place.append(...own.guardians.map(line));
    })
    .catch(() => {});
  return place;
}

/** Where this person is logged in. */
function sessions() {
  const status = h("p", { class: "quiet", role: "status" }, t("action.wait"));
  const rows = h("ul", { class: "rows" });

  async function render() {
    rows.replaceChildren(...(await api("GET", "/api/auth/sessions")).map(line));
    status.textContent = t("sessions.about");
  }

  function line({ id, device, createdAt, lastSeenAt, current }) {
    const about = current
      ? t("sessions.current", { since: dateTime(createdAt) })
      : t("sessions.other", { since: dateTime(createdAt), seen: dateTime(lastSeenAt) });
    const text = h("span", {}, h("strong", {}, h("bdi", {}, device)), h("br"), about);
    if (current) return h("li", {}, text);
    const end = act(async () => {
      await api("DELETE", `/api/auth/sessions/${id}`);
      await render();
      say(t("sessions.ended"));
    });
    const label = `${t("sessions.end")}: ${device}, ${about}`;
    return h("li", {}, text, h("button", { type: "button", class: "quiet", "aria-label": label, onclick: end }, t("sessions.end")));
  }

  render().catch((error) => (status.textContent = errorText(error)));
  return h("section", { class: "card" }, h("h2", {}, t("sessions.title")), status, rows);
}

function leave() {
  const here = act(logout);
  const everywhere = act(async () => {
    await api("POST", "/api/auth/logout-all");
    await logout();
  });
  return h(
    "p",
    { class: "buttons" },
    h("button", { type: "button", onclick: here }, t("logout")),
    h("button", { type: "button", class: "quiet", onclick: everywhere }, t("logout.everywhere")),
  );
}
