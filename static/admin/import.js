// CSV files of people: first what it would change, then, once confirmed, changing it.
import { errorText, fieldText, number, t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { act } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { field } from "../ui/form.js";
import { table } from "../ui/table.js";
import { mappingForm } from "./mapping.js";

export default async function importPeople() {
  const file = field({
    name: "file",
    kind: "file",
    label: t("import.file"),
    help: t("import.help"),
    accept: ".csv,.zip,text/csv,application/zip",
    required: true,
  });
  file.control.multiple = true;
  const missing = field({ name: "missing", kind: "checkbox", label: t("import.missing"), help: t("import.missing.help") });
  const adopt = field({ name: "adopt", kind: "checkbox", label: t("import.adopt"), help: t("import.adopt.help") });
  const org = field({ name: "org", label: t("import.org"), help: t("import.org.help"), maxlength: 255 });
  const place = h("div", { "aria-live": "polite" });
  const button = h("button", {}, t("import.preview"));

  const map = h("div", {});

  async function preview(event, mapping) {
    event?.preventDefault();
    const chosen = together([...file.control.files]);
    file.show(chosen ? "" : t("import.choose"));
    if (!chosen) return file.control.focus();
    button.disabled = true;
    const wishes = { disableMissing: missing.get(), adoptIds: adopt.get(), org: org.get().trim(), mapping };
    const askForColumns = async () => map.replaceChildren(await mappingForm(chosen, (said) => preview(undefined, said)));
    try {
      const found = await api("POST", `/api/admin/roster/preview${query(wishes)}`, chosen);
      if (!mapping) map.replaceChildren();
      const columns = mapping
        ? []
        : [
            found.mapping && h("p", {}, t("mapping.kept")),
            h("p", {}, h("button", { class: "quiet", onclick: act(askForColumns) }, t("mapping.open"))),
          ];
      place.replaceChildren(shown(found, () => run(chosen, wishes, found), columns));
    } catch (error) {
      const [detail] = error.details ?? [];
      place.replaceChildren();
      file.show(detail ? t("import.bad", { why: fieldText(detail) }) : errorText(error));
      // Another program's file has other names for its columns.
      if (detail?.rule === "no_column" && !mapping) await askForColumns().catch(() => {});
      file.control.focus();
    } finally {
      button.disabled = false;
    }
  }

  async function run(chosen, wishes, { digest, adding, changing, disabling }) {
    const bar = h("progress", { "aria-label": t("import.running") });
    const text = h("p", {}, t("import.running"));
    place.replaceChildren(h("section", { class: "card" }, text, bar));
    const look = () => api("GET", `/api/admin/roster/${digest}`);
    const show = ({ done, total }) => {
      bar.max = total;
      bar.value = done;
      text.textContent = t("import.progress", { done, total });
    };
    const timer = setInterval(() => look().then(show, () => {}), 250);
    try {
      // The answer to a long import comes before its end.
      let state = await api("POST", `/api/admin/roster${query({ ...wishes, digest })}`, chosen);
      while (["staging", "running"].includes(state.state)) {
        await new Promise((next) => setTimeout(next, 500));
        state = await look();
      }
      const done = { added: adding, changed: changing, disabled: disabling, ...state };
      place.replaceChildren(
        h(
          "section",
          { class: "card" },
          h("h2", {}, t("import.done")),
          h("p", {}, t("import.result", done)),
          leftOut(state.problems),
          h(
            "p",
            { class: "buttons" },
            h("a", { class: "button", href: "#/links" }, t("links.title")),
            h("a", { class: "button quiet", href: "#/people" }, t("admin.people")),
          ),
        ),
      );
    } catch (error) {
      place.replaceChildren(h("p", { class: "error", role: "alert" }, errorText(error)));
    } finally {
      clearInterval(timer);
    }
  }

  const leftOut = (problems) =>
    problems.length > 0 &&
    h(
      "div",
      {},
      h("p", { class: "wrong" }, t("import.leftOut", { n: problems.length })),
      h("ul", {}, ...problems.map(({ name, message }) => h("li", {}, [name, message].filter(Boolean).join(": ")))),
    );

  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, t("people.import")), h("a", { class: "button quiet", href: "#/people" }, t("import.back"))),
    h("form", { class: "card", novalidate: true, onsubmit: preview }, file.element, missing.element, adopt.element, org.element, button),
    h("p", {}, h("a", { href: "template.csv", download: "people.csv" }, t("import.template"))),
    map,
    place,
  );
}

/** One file as it is; several in a form. */
function together(files) {
  if (files.length < 2) return files[0];
  const form = new FormData();
  for (const file of files) form.append("file", file);
  return form;
}

function shown(preview, confirm, columns) {
  const { adding, changing, disabling, unchanged, bad } = preview;
  const tile = (key, value) => h("div", { class: "tile" }, h("dt", {}, t(`import.${key}`)), h("dd", {}, number(value)));
  const total = adding + changing + disabling;
  const { links } = preview;
  const changedLinks = links.adding + links.changing + links.ending;
  const names = (key, list) => list.length > 0 && h("p", {}, t(`import.${key}`, { names: list.join(", ") }));
  const linkTable = (label, rows) =>
    table({
      label,
      rows,
      columns: [
        { label: t("import.child"), cell: ({ child }) => child },
        { label: t("import.guardian"), cell: ({ guardian }) => guardian },
        { label: t("import.fate"), cell: ({ fate }) => t(`fate.${fate}`) },
      ],
    });
  const linkPart = (summary, count, rows) =>
    count > 0 &&
    h(
      "details",
      {},
      h("summary", {}, summary),
      linkTable(summary, rows),
      count > rows.length && h("p", { class: "quiet" }, t("import.more", { n: count - rows.length })),
    );
  const people = (rows) =>
    table({
      label: t("admin.people"),
      rows,
      columns: [
        { label: t("import.line"), cell: ({ line }) => (line === null ? "–" : number(line)) },
        { label: t("people.username"), cell: ({ username }) => username },
        { label: t("people.name"), cell: ({ name }) => name },
        { label: t("people.role"), cell: ({ role }) => t(`role.${role}`) },
        { label: t("import.changes"), cell: ({ changes }) => h("span", {}, ...changes.map((change) => h("div", {}, change))) },
      ],
    });
  const part = (key, count, rows) =>
    count > 0 &&
    h(
      "details",
      {},
      h("summary", {}, `${t(`import.${key}`)} (${number(count)})`),
      people(rows),
      count > rows.length && h("p", { class: "quiet" }, t("import.more", { n: count - rows.length })),
    );
  const problems =
    bad > 0 &&
    h(
      "section",
      {},
      h("h2", { class: "wrong" }, t("import.problems", { n: bad })),
      h("p", {}, t("import.problems.text")),
      table({
        label: t("import.problems", { n: bad }),
        rows: preview.badRows,
        columns: [
          { label: t("import.csvfile"), cell: ({ file }) => file },
          { label: t("import.line"), cell: ({ line }) => number(line) },
          { label: t("import.column"), cell: ({ field }) => field },
          { label: t("import.why"), cell: (row) => fieldText(row) },
        ],
      }),
      bad > preview.badRows.length && h("p", { class: "quiet" }, t("import.more", { n: bad - preview.badRows.length })),
    );
  return h(
    "section",
    {},
    h("h2", {}, t("import.what")),
    h(
      "dl",
      { class: "tiles" },
      tile("adding", adding),
      tile("changing", changing),
      tile("disabling", disabling),
      tile("unchanged", unchanged),
      tile("bad.count", bad),
    ),
    problems,
    names("unused", preview.unusedColumns),
    ...columns,
    preview.repeatedColumns.length > 0 && h("p", { class: "wrong" }, t("import.repeated", { names: preview.repeatedColumns.join(", ") })),
    preview.stillDisabled > 0 && h("p", {}, t("import.still", { n: preview.stillDisabled })),
    names("groups", preview.newGroups),
    names("groups.changed", preview.changedGroups),
    names("groups.kept", preview.keptGroups),
    changedLinks > 0 && h("p", {}, t("import.links", links)),
    part("adding", adding, preview.added),
    part("changing", changing, preview.changed),
    part("disabling", disabling, preview.disabled),
    linkPart(`${t("import.links.changed")} (${number(changedLinks)})`, changedLinks, preview.changedLinks),
    linkPart(t("import.links.kept", { n: links.kept }), links.kept, preview.keptLinks),
    total + changedLinks + preview.changedGroups.length + preview.newGroups.length > 0
      ? h(
          "p",
          { class: "buttons" },
          h("button", { onclick: confirm }, total > 0 ? t("import.confirm", { n: total }) : t("import.confirm.facts")),
        )
      : h("p", {}, t("import.nothing")),
  );
}
