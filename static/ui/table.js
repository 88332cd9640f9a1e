// Tables that become cards where it is narrow.
import { errorText, t } from "../i18n/i18n.js";
import { h } from "./dom.js";

/** `columns`: `{ label, cell(row) }`; `cell` gives text or an element. */
export function table({ label, columns, rows, empty }) {
  if (!rows.length) return h("p", { class: "empty" }, empty ?? t("table.empty"));
  const head = columns.map((column) => h("th", { scope: "col" }, column.label || h("span", { class: "spoken" }, t("table.actions"))));
  const line = (row) =>
    h("tr", {}, ...columns.map((column) => h("td", { "data-label": column.label, class: column.class }, column.cell(row) ?? "")));
  return h(
    "div",
    { class: "table", role: "region", "aria-label": label, tabindex: "0" },
    h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows.map(line))),
  );
}

/**
 * A list that is read page by page. `fetch(before)` gives a page, `show(rows)` an element. Returns the place, `load()`, which
 * begins again, and `refresh()`, which reads again as much as is shown.
 */
export function pages(fetch, show) {
  const place = h("div", {});
  const more = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => next() }, t("action.more"));
  const element = h("div", {}, place, more);
  let rows = [];
  let before;
  let latest = 0;

  /** Reads on, or from the start until there are `count` rows at least. */
  async function next(fresh = false, count = 0) {
    const turn = (latest += 1);
    try {
      let page = await fetch(fresh ? undefined : before);
      const read = [...page];
      while (read.length < count && page.paging.before) {
        page = await fetch(page.paging.before);
        read.push(...page);
      }
      // An answer that was overtaken by a later question is of no use.
      if (turn !== latest) return;
      rows = fresh ? read : [...rows, ...read];
      before = page.paging.before;
      more.hidden = !page.paging.hasMore || !before;
      place.replaceChildren(show(rows));
    } catch (error) {
      if (turn === latest) place.replaceChildren(h("p", { class: "error", role: "alert" }, errorText(error)));
    }
  }

  return { element, load: () => next(true), refresh: () => next(true, rows.length) };
}
