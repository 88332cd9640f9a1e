// One report: the passage that was copied, who the two are, and what the leads make of it.
import { dateTime, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { at } from "../ui/base.js";
import { act, say } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { field } from "../ui/form.js";
import { passage } from "./passage.js";

export default async function report({ parameters: [id] }) {
  const path = `/api/safeguarding/reports/${encodeURIComponent(id)}`;
  const element = h("div", {});
  draw(await api("GET", path));
  return element;

  function draw(found) {
    const { reporter, partner } = found;
    const outcome = field({ name: "outcome", kind: "textarea", label: t("sg.outcome"), value: found.outcome, maxlength: 2000 });
    const note = field({ name: "note", kind: "textarea", label: t("sg.note"), value: found.note, maxlength: 2000 });
    const put = (change) =>
      act(async () => {
        // Only what was changed here: another lead may have written meanwhile.
        const texts = {
          outcome: outcome.get() === found.outcome ? undefined : outcome.get(),
          note: note.get() === found.note ? undefined : note.get(),
        };
        draw(await api("PUT", path, { ...texts, ...change }));
        say(t("action.saved"));
      });
    const button = (text, change, quiet) => h("button", { type: "button", class: quiet && "quiet", onclick: put(change) }, text);
    element.replaceChildren(
      h("p", {}, h("a", { href: "#/reports" }, t("sg.back"))),
      h("h1", {}, t("sg.report.head", { a: reporter.name, b: partner.name })),
      h(
        "p",
        {},
        h("strong", { class: found.reason === "danger" && "wrong" }, t(`report.reason.${found.reason}`)),
        ` · ${dateTime(found.createdAt)} · ${t(`sg.state.${found.state}`)}`,
        found.lead && ` · ${found.lead.name}`,
      ),
      found.reportNote && h("section", { class: "card" }, h("h2", {}, t("sg.note.reporter")), h("p", { dir: "auto" }, found.reportNote)),
      h(
        "section",
        { class: "card" },
        h("h2", {}, t("sg.passage")),
        passage(
          found.messages.map((one) => ({ ...one, name: one.senderName })),
          t("sg.passage"),
        ),
      ),
      h("section", { class: "card" }, h("h2", {}, t("sg.people")), h("ul", { class: "rows" }, ...found.people.map(person))),
      h(
        "section",
        { class: "card form" },
        outcome.element,
        note.element,
        h(
          "div",
          { class: "buttons" },
          found.state === "new" && button(t("sg.takeUp"), { state: "open" }),
          found.state !== "closed" && button(t("sg.close"), { state: "closed" }, true),
          found.state === "closed" && button(t("sg.reopen"), { state: "open" }, true),
          button(t("sg.save"), {}, true),
        ),
      ),
      h(
        "section",
        { class: "card" },
        h("h2", {}, t("sg.export")),
        h("p", { class: "quiet" }, t("sg.export.text")),
        h("p", {}, h("a", { class: "button quiet", href: at(`${path}/export`), download: `report-${id}.zip` }, t("sg.export"))),
      ),
    );
  }
}

function person({ name, role, classes, children, guardians, earlierReports }) {
  const lines = [
    [t(`role.${role}`), ...classes].join(" · "),
    children.length > 0 && children.map((child) => [child.name, ...child.classes].join(" · ")).join("; "),
    guardians.length > 0 && t("sg.guardians", { names: guardians.map((one) => one.name).join(", ") }),
    earlierReports > 0 && t("sg.earlier", { n: earlierReports }),
  ];
  return h("li", {}, h("div", {}, h("strong", {}, name), ...lines.filter(Boolean).map((line) => h("p", { class: "quiet" }, line))));
}
