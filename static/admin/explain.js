// Two people: may one write to the other, by which rule, and why.
import { errorText, t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { peoplePicker } from "../ui/people.js";
import { sentence } from "./rules.js";

/** The part of the page that asks about two people. */
export function tryIt(groups) {
  const answer = h("div", { role: "status" });
  const from = peoplePicker({ label: t("policy.try.from"), changed: ask });
  const to = peoplePicker({ label: t("policy.try.to"), changed: ask });

  async function ask() {
    const [writer, other] = [from.get().at(-1), to.get().at(-1)];
    if (!writer || !other) return answer.replaceChildren();
    try {
      const told = await api("GET", `/api/policy/explain${query({ from: writer, to: other })}`);
      answer.replaceChildren(shown(told, groups));
    } catch (error) {
      answer.replaceChildren(h("p", { class: "error" }, errorText(error)));
    }
  }

  return h(
    "section",
    { class: "card" },
    h("h2", {}, t("policy.try")),
    h("p", { class: "quiet" }, t("policy.try.text")),
    from.element,
    to.element,
    answer,
  );
}

function shown({ may, rule, facts, from, to, answerable }, groups) {
  const values = { from: from.name, to: to.name };
  const by = rule.rule ? sentence(rule.rule, groups) : t(`policy.ground.${rule.kind}`);
  return h(
    "div",
    {},
    h("p", {}, h("strong", { class: may === "no" ? "wrong" : "" }, t(`policy.answer.${may}`, values))),
    may === "reply" && h("p", { class: "quiet" }, t(answerable ? "policy.answerable" : "policy.nothingToAnswer", values)),
    h("p", {}, h("span", { class: "quiet" }, `${t("policy.by")}: `), by),
    facts.length > 0 && h("h3", {}, t("policy.facts")),
    facts.length > 0 && h("ul", {}, ...facts.map((one) => h("li", {}, fact(one)))),
  );
}

/** A fact with a link to where it can be changed. */
function fact({ relation, holds, group, child, from, until }) {
  return h(
    "span",
    { class: holds ? "" : "quiet" },
    t(`policy.when.${relation}`),
    group && [" · ", h("a", { href: `#/group/${encodeURIComponent(group.id)}` }, group.name)],
    child && [" · ", h("a", { href: `#/people/${encodeURIComponent(child.name)}` }, child.name)],
    from && ` · ${t("family.from.day", { day: from })}`,
    until && ` · ${t("family.until.day", { day: until })}`,
    !holds && ` · ${t("policy.notToday")}`,
  );
}
