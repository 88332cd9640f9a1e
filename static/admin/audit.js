// Who did what, when, from where. Nothing here can be edited.
import { dateTime, loadPart, t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { field } from "../ui/form.js";
import { pages, table } from "../ui/table.js";

const ACTIONS = [
  "setup",
  "login",
  "login.failed",
  "limit.reached",
  "person.add",
  "person.change",
  "person.disable",
  "person.enable",
  "person.logout",
  "password.link",
  "password.links",
  "password.set",
  "person.identities",
  "person.guardians",
  "person.children",
  "roster.import",
  "roster.export",
  "group.add",
  "group.change",
  "group.remove",
  "group.members",
  "notification.send",
  "announcement.make",
  "announcement.cancel",
  "key.make",
  "key.revoke",
  "backup.make",
  "backup.fetch",
  "backup.remove",
  "backup.restore",
  "data.import",
  "settings.change",
  "mail.test",
  "second_factor.set",
  "second_factor.remove",
  "person.export",
  "person.erase",
  "person.erase_later",
  "policy.change",
  "duty.grant",
  "duty.confirm",
  "duty.suspend",
  "duty.revoke",
  "message.remove",
  "report.make",
  "report.look",
  "report.change",
  "report.export",
  "review.ask",
  "review.approve",
  "review.look",
  "review.tell",
  "hold.make",
  "hold.end",
  "no_contact.make",
  "no_contact.remove",
];

/** Who is nobody with an account. */
const OURS = { "command line": () => t("audit.command"), schedule: () => t("audit.schedule"), server: () => t("audit.server") };

export default async function audit() {
  await loadPart("safeguarding");
  const action = field({
    name: "action",
    kind: "select",
    label: t("audit.action"),
    options: [["", t("people.any")], ...ACTIONS.map((one) => [one, t(`audit.${one}`)])],
  });
  const list = pages((before) => api("GET", `/api/admin/audit${query({ action: action.get(), before })}`), show);
  action.control.addEventListener("input", list.load);
  await list.load();
  return h("div", {}, h("div", { class: "head" }, h("h1", {}, t("admin.audit"))), action.element, list.element);
}

function show(rows) {
  return table({
    label: t("admin.audit"),
    empty: t("audit.none"),
    rows,
    columns: [
      { label: t("announce.when"), cell: ({ at }) => dateTime(at) },
      { label: t("audit.who"), cell: ({ actor, actorName }) => actorName ?? OURS[actor]?.() ?? actor },
      { label: t("audit.action"), cell: ({ action }) => t(`audit.${action}`) },
      { label: t("audit.target"), cell: ({ target, targetName }) => targetName ?? target },
      { label: t("audit.detail"), cell: ({ detail }) => detail },
      { label: t("audit.address"), cell: ({ address }) => address },
    ],
  });
}
