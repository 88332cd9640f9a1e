// An announcement: what it says, whom it is for, when it goes; with how many that are, and how it will look.
import { errorText, number, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { at } from "../ui/base.js";
import { debounce, h } from "../ui/dom.js";
import { form } from "../ui/form.js";
import { ROLES, peoplePicker } from "../ui/people.js";

const URGENCIES = ["normal", "high", "low", "very-low"];
/** Characters of a text that a phone shows of a push. */
const PUSH_LENGTH = 178;

export default async function announce() {
  // An answer that is lost does not make it two.
  const idempotencyKey = crypto.randomUUID();
  let turn = 0;
  const groups = await api("GET", "/api/admin/groups");
  const count = h("p", { role: "status" }, t("announce.whom"));
  const page = h("div", { class: "sample" });
  const push = h("div", { class: "sample push" });
  const people = peoplePicker({ label: t("announce.people"), changed: () => counted() });
  const except = peoplePicker({ label: t("announce.except"), changed: () => counted() });

  const made = form({
    fields: [
      { name: "title", label: t("announce.title"), required: true, maxlength: 200 },
      { name: "message", kind: "textarea", label: t("announce.message"), required: true, maxlength: 4_000, rows: 5 },
      { name: "link", kind: "url", label: t("announce.link"), help: t("announce.link.help") },
      { name: "urgency", kind: "select", label: t("announce.urgency"), options: URGENCIES.map((one) => [one, t(`urgency.${one}`)]) },
      { name: "all", kind: "checkbox", label: t("announce.all") },
      { name: "roles", kind: "checks", label: t("announce.roles"), options: ROLES.map((role) => [role, t(`role.${role}`)]) },
      ...(groups.length
        ? [
            {
              name: "groups",
              kind: "checks",
              label: t("announce.groups"),
              options: groups.map(({ id, name, members }) => [id, `${name} (${number(members)})`]),
            },
          ]
        : []),
      { name: "sendAt", kind: "datetime-local", label: t("announce.sendAt"), help: t("announce.sendAt.help") },
    ],
    submit: t("announce.send"),
    once: true,
    paths: { audience: "all" },
    send: async ({ title, message, link, urgency, sendAt }) => {
      const body = { title, message, urgency, audience: audience(), idempotencyKey };
      if (link.trim()) body.link = link.trim();
      if (sendAt) body.sendAt = new Date(sendAt).toISOString();
      const { id } = await api("POST", "/api/admin/announcements", body);
      location.hash = `#/announcement/${id}`;
    },
  });
  const { fields } = made;
  const last = (fields.groups ?? fields.roles).element;
  last.after(people.element, except.element);

  function audience() {
    return {
      all: fields.all.get(),
      roles: fields.roles.get(),
      groups: fields.groups?.get() ?? [],
      userIds: people.get(),
      except: except.get(),
    };
  }

  const counted = debounce(async () => {
    const mine = (turn += 1);
    const { all, roles, groups: chosen, userIds } = audience();
    if (!all && !roles.length && !chosen.length && !userIds.length) return (count.textContent = t("announce.whom"));
    try {
      const found = await api("POST", "/api/admin/announcements/audience", audience());
      if (mine !== turn) return;
      const names = found.names.join(", ");
      const text = t("announce.count", { n: found.count });
      count.textContent = found.count ? `${text} ${names}${found.count > found.names.length ? ", …" : ""}` : text;
    } catch (error) {
      count.textContent = errorText(error);
    }
  });

  function sample() {
    const title = fields.title.get().trim() || t("announce.title");
    const message = fields.message.get().trim() || t("announce.message");
    page.replaceChildren(h("strong", {}, title), message);
    const short = [...message].length > PUSH_LENGTH ? `${[...message].slice(0, PUSH_LENGTH).join("")}…` : message;
    push.replaceChildren(
      h("img", { src: at("/icons/icon.svg"), alt: "", width: 32, height: 32 }),
      h("div", {}, h("strong", {}, title), h("p", {}, short)),
    );
  }

  made.element.addEventListener("input", () => {
    sample();
    counted();
  });
  sample();
  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, t("announce.new"))),
    h(
      "div",
      { class: "split" },
      h("section", { class: "card" }, made.element),
      h(
        "aside",
        { class: "sticky", "aria-label": t("announce.preview") },
        h("section", { class: "card" }, h("h2", {}, t("announce.audience")), count),
        h("section", { class: "card" }, h("h2", {}, t("announce.page")), page, h("h2", {}, t("announce.push")), push),
      ),
    ),
  );
}
