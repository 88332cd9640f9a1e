// People: found, added, changed, shut out, and given a link to set their password.
import { dateTime, short, t } from "../i18n/i18n.js";
import { api, apiFile, query } from "../ui/api.js";
import { at } from "../ui/base.js";
import { act, confirm, dialog, say } from "../ui/dialog.js";
import { debounce, h } from "../ui/dom.js";
import { field, form } from "../ui/form.js";
import { ROLES } from "../ui/people.js";
import { secret } from "../ui/secret.js";
import { pages, table } from "../ui/table.js";
import { family, familyOf } from "./family.js";

/** Who can be a safeguarding lead. */
const LEADS = ["teacher", "staff"];

const roleOptions = () => ROLES.map((role) => [role, t(`role.${role}`)]);

export default async function people({ parameters: [group = ""] }) {
  const groups = await api("GET", "/api/admin/groups");
  const filters = {
    search: field({ name: "search", kind: "search", label: t("people.search") }),
    role: field({ name: "role", kind: "select", label: t("people.role"), options: [["", t("people.any")], ...roleOptions()] }),
    group: field({
      name: "group",
      kind: "select",
      label: t("people.group"),
      value: group,
      options: [["", t("people.any")], ...groups.map(({ id, name }) => [id, name])],
    }),
    disabled: field({
      name: "disabled",
      kind: "select",
      label: t("people.status"),
      value: "false",
      options: [
        ["false", t("people.active")],
        ["true", t("people.disabled")],
        ["", t("people.any")],
      ],
    }),
  };
  const values = () => Object.fromEntries(Object.entries(filters).map(([name, one]) => [name, one.get()]));
  const list = pages(
    (before) => api("GET", `/api/admin/people${query({ ...values(), before, limit: 50 })}`),
    (rows) => show(rows, (one) => edit(one, groups, list.load)),
  );
  const load = debounce(list.load);
  for (const { control } of Object.values(filters)) control.addEventListener("input", load);
  await list.load();
  return h(
    "div",
    {},
    h(
      "div",
      { class: "head" },
      h("h1", {}, t("admin.people")),
      h("a", { class: "button quiet", href: at("/api/admin/roster"), download: "people.csv" }, t("people.export")),
      h("a", { class: "button quiet", href: at("/api/admin/roster.zip"), download: "school.zip" }, t("people.export.all")),
      h("a", { class: "button quiet", href: "#/links" }, t("links.title")),
      h("a", { class: "button quiet", href: "#/import" }, t("people.import")),
      h("button", { onclick: () => add(groups, list.load) }, t("people.add")),
    ),
    h(
      "form",
      { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
      ...Object.values(filters).map(({ element }) => element),
    ),
    list.element,
  );
}

function show(rows, open) {
  return table({
    label: t("admin.people"),
    empty: t("people.none"),
    rows,
    columns: [
      { label: t("people.name"), cell: ({ name }) => name },
      { label: t("people.username"), cell: ({ username }) => username },
      { label: t("people.role"), cell: ({ role }) => t(`role.${role}`) },
      { label: t("people.groups"), cell: (one) => one.groups.map(({ name }) => name).join(", ") },
      { label: t("people.status"), cell: status },
      {
        label: "",
        class: "end",
        cell: (one) =>
          h("button", { class: "quiet", "aria-label": `${t("people.edit")}: ${one.name}`, onclick: () => open(one) }, t("people.edit")),
      },
    ],
  });
}

function status({ disabled, online, lastSeenAt }) {
  if (disabled) return h("span", { class: "wrong" }, t("people.disabled"));
  if (online) return h("span", { class: "good" }, t("chat.online"));
  return lastSeenAt ? t("chat.lastSeen", { time: short(lastSeenAt) }) : t("people.never");
}

function fields(groups, one) {
  return [
    { name: "name", label: t("people.name"), value: one?.name, required: true, maxlength: 128 },
    {
      name: "username",
      label: t("people.username"),
      value: one?.username,
      required: true,
      maxlength: 64,
      autocapitalize: "none",
      spellcheck: "false",
    },
    { name: "email", kind: "email", label: t("people.email"), value: one?.email, maxlength: 254 },
    { name: "role", kind: "select", label: t("people.role"), value: one?.role ?? "student", options: roleOptions() },
    { name: "grade", label: t("people.grade"), help: t("people.grade.help"), value: one?.grade, maxlength: 2 },
    { name: "phones", kind: "textarea", rows: 2, label: t("people.phones"), help: t("people.phones.help"), value: one?.phones.join("\n") },
    { name: "adultFrom", kind: "date", label: t("people.adultFrom"), help: t("people.adultFrom.help"), value: one?.adultFrom },
    ...(groups.length
      ? [
          {
            name: "groups",
            kind: "checks",
            label: t("people.groups"),
            value: one?.groups.map(({ id }) => id) ?? [],
            options: groups.map(({ id, name }) => [id, name]),
          },
        ]
      : []),
  ];
}

/** The values of the form as the server takes them. */
const facts = ({ phones, ...values }) => ({ ...values, phones: phones.split("\n").filter((line) => line.trim()) });

function add(groups, done) {
  dialog(t("people.add"), (close) => {
    const send = async (values) => {
      const one = await api("POST", "/api/admin/people", facts(values));
      close();
      say(t("people.added", { name: one.name }));
      done();
      await passwordLink(one);
    };
    return form({ fields: fields(groups), submit: t("people.add"), send, cancel: close }).element;
  });
}

function edit(one, groups, done) {
  const path = `/api/admin/people/${encodeURIComponent(one.id)}`;
  const isLead = one.duties.length > 0;
  const leadField = LEADS.includes(one.role)
    ? [{ name: "lead", kind: "checkbox", label: t("people.lead"), help: t("people.lead.help"), value: isLead }]
    : [];
  dialog(one.name, (close) => {
    const send = async (values) => {
      // A user who logs in elsewhere has no username, and needs none.
      if (!values.username && !one.username) delete values.username;
      const { lead, ...rest } = values;
      const duties = lead === undefined || lead === isLead ? undefined : lead ? ["safeguarding"] : [];
      await api("PUT", path, { ...facts(rest), duties });
      close();
      say(t("action.saved"));
      done();
    };
    const set = (disabled) => async () => {
      await api("PUT", path, { disabled });
      close();
      done();
    };
    const shutOut = () => confirm(t("people.disable"), t("people.disable.text", { name: one.name }), t("people.disable"), set(true));
    const out = () =>
      confirm(t("logout.everywhere"), t("people.logout.text", { name: one.name }), t("people.logout"), async () => {
        await api("POST", `${path}/logout`);
        say(t("people.loggedOut", { name: one.name }));
      });
    const forget = () =>
      confirm(t("factor.remove"), t("factor.remove.other", { name: one.name }), t("factor.remove"), async () => {
        await api("DELETE", `${path}/second-factor`);
        close();
        done();
      });
    return h(
      "div",
      {},
      form({ fields: [...fields(groups, one), ...leadField], submit: t("action.save"), send, cancel: close }).element,
      h("h3", {}, t("people.account")),
      h(
        "p",
        { class: "quiet" },
        t("people.facts", { devices: one.devices, date: dateTime(one.createdAt) }),
        " ",
        one.hasPassword ? "" : t("people.noPassword"),
      ),
      h(
        "p",
        { class: "buttons" },
        h("button", { type: "button", class: "quiet", onclick: act(() => family(one)) }, t(`family.${familyOf(one)}`)),
        !one.disabled && h("button", { type: "button", class: "quiet", onclick: act(() => passwordLink(one)) }, t("people.link")),
        h("button", { type: "button", class: "quiet", onclick: () => download(one) }, t("person.export")),
        h("button", { type: "button", class: "quiet", onclick: out }, t("people.logout")),
        one.secondFactor && h("button", { type: "button", class: "quiet", onclick: forget }, t("factor.remove")),
        one.disabled
          ? h("button", { type: "button", class: "quiet", onclick: act(set(false)) }, t("people.enable"))
          : h("button", { type: "button", class: "danger", onclick: shutOut }, t("people.disable")),
      ),
    );
  });
}

/** All that is stored of a user, once it is said what that is for. */
function download({ id, name }) {
  confirm(t("person.export"), t("person.export.text", { name }), t("person.export"), async () => {
    const file = await apiFile("GET", `/api/admin/people/${encodeURIComponent(id)}/export`);
    const href = URL.createObjectURL(file);
    h("a", { href, download: `${id}.zip` }).click();
    URL.revokeObjectURL(href);
  });
}

async function passwordLink(one) {
  const { path, expiresAt } = await api("POST", `/api/admin/people/${encodeURIComponent(one.id)}/password-link`);
  secret(t("people.link"), t("people.link.text", { name: one.name, time: dateTime(expiresAt) }), location.origin + path);
}
