// Messages as leads read them: with what was taken back, and what a block keeps from its receiver.
import { dateTime, t } from "../i18n/i18n.js";
import { h } from "../ui/dom.js";
import { table } from "../ui/table.js";

/** `messages`: each with the `name` of who wrote it, the oldest first. */
export function passage(messages, label) {
  return table({
    label,
    empty: t("sg.read.none"),
    rows: messages,
    columns: [
      { label: t("sg.when"), cell: ({ createdAt }) => dateTime(createdAt) },
      { label: t("sg.who"), cell: ({ name }) => name },
      {
        label: t("sg.what"),
        cell: ({ content, reported, removed, hidden }) => {
          const marks = [
            reported && t("sg.reported"),
            removed && t("sg.takenBack", { time: dateTime(removed.at) }),
            hidden && t("sg.hidden"),
          ].filter(Boolean);
          return h(
            "div",
            {},
            h(reported ? "strong" : "span", { class: "said", dir: "auto" }, content),
            marks.length > 0 && h("p", { class: "quiet" }, marks.join(" · ")),
          );
        },
      },
    ],
  });
}
