// Rules of who may write to whom, in words, and the dialog that makes one.
import { list, t } from "../i18n/i18n.js";
import { dialog } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { form } from "../ui/form.js";
import { ROLES } from "../ui/people.js";

const RELATIONS = [
  "anyone",
  "teaches",
  "taught_by",
  "teaches_child",
  "child_taught_by",
  "shares_class",
  "shares_group",
  "guardian_of",
  "child_of",
  "shares_child",
];

const role = (name) => t(`policy.role.${name}`);

/** Roles in words. */
export const people = (roles) => list(roles.map(role));

/** The roles to choose from, as a field takes them. */
export const roleOptions = () => ROLES.map((name) => [name, role(name)]);

/** What else must hold, after the sentence of who and whom. */
function conditions({ when, fromGrade, toGrade, fromGroup = [], toGroup = [] }, groups) {
  const names = (ids) => ids.map((id) => groups.get(id) ?? id).join(", ");
  return [
    when !== "anyone" && t(`policy.when.${when}`),
    fromGrade && t("policy.fromGrade", { grades: fromGrade }),
    toGrade && t("policy.toGrade", { grades: toGrade }),
    fromGroup.length > 0 && t("policy.fromGroup", { groups: names(fromGroup) }),
    toGroup.length > 0 && t("policy.toGroup", { groups: names(toGroup) }),
  ].filter(Boolean);
}

/** A rule as people say it: "Teachers may write to pupils · whom they teach". A never-rule has no `may`. */
export function sentence(rule, groups) {
  const values = { from: people(rule.from), to: people(rule.to) };
  return [t(`policy.may.${rule.may ?? "never"}`, values), ...conditions(rule, groups)].join(" · ");
}

/** Whether a rule is about some grades or groups only. */
const isNarrowed = ({ fromGrade, toGrade, fromGroup = [], toGroup = [] }) =>
  Boolean(fromGrade || toGrade || fromGroup.length || toGroup.length);

/** What stands in a cell of the matrix: the relation, and whether one may begin. */
const short = (rule) => `${t(`policy.when.${rule.when}`)}${isNarrowed(rule) ? "*" : ""}: ${t(`policy.short.${rule.may ?? "never"}`)}`;

/** Role by role, what the rules say. */
export function matrix({ rule, never }) {
  const cell = (from, to) => {
    const about = (one) => one.from.includes(from) && one.to.includes(to);
    const shut = never.filter(about);
    const isShut = shut.some((one) => one.when === "anyone" && !isNarrowed(one));
    const shown = isShut ? shut : [...shut, ...rule.filter(about)];
    // Where it is narrow, each cell says whose column it is.
    const label = { "data-label": role(to) };
    if (!shown.length) return h("td", { ...label, class: "quiet" }, "–");
    return h("td", label, h("ul", { class: "plain-list" }, ...shown.map((one) => h("li", { class: one.may ? "" : "wrong" }, short(one)))));
  };
  const head = h("tr", {}, h("th", { scope: "col" }, t("policy.fromTo")), ...ROLES.map((to) => h("th", { scope: "col" }, role(to))));
  const line = (from) => h("tr", {}, h("th", { scope: "row" }, role(from)), ...ROLES.map((to) => cell(from, to)));
  return h(
    "div",
    { class: "table matrix", role: "region", "aria-label": t("policy.matrix"), tabindex: "0" },
    h("table", {}, h("thead", {}, head), h("tbody", {}, ...ROLES.map(line))),
  );
}

/** Asks for a rule; `done(rule)` gets it. */
export function askRule({ never, groups, done }) {
  const roles = roleOptions();
  const grades = t("policy.grades.help");
  const choices = [["", t("policy.noGroup")], ...groups];
  dialog(t(never ? "policy.addNever" : "policy.addRule"), (close) => {
    const { element } = form({
      fields: [
        { name: "from", kind: "checks", label: t("policy.from"), options: roles },
        ...(never
          ? []
          : [
              {
                name: "may",
                kind: "select",
                label: t("policy.may"),
                options: ["start", "reply"].map((may) => [may, t(`policy.short.${may}`)]),
              },
            ]),
        { name: "to", kind: "checks", label: t("policy.to"), options: roles },
        { name: "when", kind: "select", label: t("policy.when"), options: RELATIONS.map((when) => [when, t(`policy.when.${when}`)]) },
        { name: "fromGrade", label: t("policy.fromGrade.label"), help: grades, maxlength: 6 },
        { name: "toGrade", label: t("policy.toGrade.label"), help: grades, maxlength: 6 },
        { name: "fromGroup", kind: "select", label: t("policy.fromGroup.label"), options: choices },
        { name: "toGroup", kind: "select", label: t("policy.toGroup.label"), options: choices },
      ],
      submit: t("action.add"),
      send: async ({ fromGroup, toGroup, fromGrade, toGrade, ...rest }) => {
        const rule = {
          ...rest,
          ...(fromGrade && { fromGrade }),
          ...(toGrade && { toGrade }),
          ...(fromGroup && { fromGroup: [fromGroup] }),
          ...(toGroup && { toGroup: [toGroup] }),
        };
        await done(rule);
        close();
      },
      cancel: close,
    });
    return element;
  });
}
