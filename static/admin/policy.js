// Who may write to whom: a preset or rules of the school's own, and what they mean.
import { errorText, fieldText, number, t } from "../i18n/i18n.js";
import { api, apiVersioned } from "../ui/api.js";
import { act, say } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { field } from "../ui/form.js";
import { table } from "../ui/table.js";
import { tryIt } from "./explain.js";
import { askRule, matrix, people, roleOptions, sentence } from "./rules.js";

const PATH = "/api/admin/policy";

export default async function policy() {
  const [read, presets, list] = await Promise.all([
    apiVersioned("GET", PATH),
    api("GET", `${PATH}/presets`),
    api("GET", "/api/admin/groups"),
  ]);
  const groups = new Map(list.map(({ id, name }) => [id, name]));
  let { version } = read;
  let draft = read.data;
  const { fixed } = read.data;
  const place = h("div", {});
  const outcome = h("div", { role: "status" });

  const lists = () => {
    const { rule, never, quiet, announce } = draft;
    return { rule, never, quiet, announce };
  };

  /** What is sent: a preset by its name, else the lists. */
  const body = () => (draft.preset ? { preset: draft.preset } : lists());

  const fail = (text) => outcome.replaceChildren(h("p", { class: "error", role: "alert" }, text));

  function change(next) {
    draft = { ...draft, warnings: [], ...next };
    outcome.replaceChildren();
    draw();
  }

  /** A change of a list makes the policy the school's own. */
  const edit = (name, entries) => change({ preset: null, [name]: entries });

  /** The entries of a list in words, each with a button that takes it out. */
  function entries(name, words, warning = () => undefined) {
    const item = (one, at) => {
      const text = words(one);
      const remove = () => edit(name, draft[name].toSpliced(at, 1));
      const label = `${t("action.remove")}: ${text}`;
      return h(
        "li",
        {},
        h("div", { class: "said" }, text, warning(at)),
        !fixed && h("button", { type: "button", class: "quiet", "aria-label": label, onclick: remove }, t("action.remove")),
      );
    };
    return h("ul", { class: "rows" }, ...draft[name].map(item));
  }

  function draw() {
    place.replaceChildren(
      choice(),
      rules("rule"),
      rules("never"),
      hours(),
      announcing(),
      h("h2", {}, t("policy.matrix")),
      matrix(draft),
      h("p", { class: "quiet" }, t("policy.narrowed")),
    );
  }

  function choice() {
    const options = [...presets.map(({ preset }) => preset), ...(draft.preset ? [] : ["own"])];
    const chosen = draft.preset ?? "own";
    const radio = (name) => {
      const id = `preset-${name}`;
      const input = h("input", {
        type: "radio",
        name: "preset",
        id,
        value: name,
        checked: name === chosen,
        disabled: fixed,
        "aria-describedby": `${id}-help`,
      });
      input.addEventListener("change", () => change(presets.find(({ preset }) => preset === name)));
      return h(
        "div",
        { class: "check" },
        input,
        h(
          "div",
          {},
          h("label", { for: id }, t(`policy.preset.${name}`)),
          h("p", { class: "help", id: `${id}-help` }, t(`policy.preset.${name}.text`)),
        ),
      );
    };
    return h("fieldset", { class: "card" }, h("legend", {}, t("policy.presets")), ...options.map(radio));
  }

  function rules(name) {
    const isNever = name === "never";
    const warned = new Map(draft.warnings.map((warning) => [warning.field, fieldText(warning)]));
    const warning = (at) => {
      const text = warned.get(`${name}.${at}`);
      return text && h("p", { class: "wrong" }, text);
    };
    const add = () =>
      askRule({
        never: isNever,
        groups: [...groups],
        // The server says what is wrong with it, beside its field.
        done: async (rule) => {
          const next = [...draft[name], rule];
          await api("POST", `${PATH}/preview`, { ...lists(), [name]: next }).catch((error) => {
            throw Object.assign(error, {
              details: error.details?.map((one) => ({ ...one, field: one.field.split(/[.[\]]+/)[2] ?? one.field })),
            });
          });
          edit(name, next);
        },
      });
    return h(
      "section",
      { class: "card" },
      h("h2", {}, t(isNever ? "policy.never" : "policy.rules")),
      h("p", { class: "quiet" }, t(isNever ? "policy.never.text" : "policy.rules.text")),
      draft[name].length ? entries(name, (rule) => sentence(rule, groups), warning) : h("p", { class: "empty" }, t("table.empty")),
      !fixed &&
        h(
          "p",
          { class: "buttons" },
          h("button", { type: "button", class: "quiet", onclick: add }, t(isNever ? "policy.addNever" : "policy.addRule")),
        ),
    );
  }

  function hours() {
    const text = ({ to, from, until }) => t("policy.quiet.line", { to: people(to), from, until });
    const to = field({
      name: "quiet-to",
      kind: "select",
      label: t("policy.to"),
      options: roleOptions(),
    });
    const from = field({ name: "quiet-from", kind: "time", label: t("quiet.from"), value: "20:00" });
    const until = field({ name: "quiet-until", kind: "time", label: t("quiet.to"), value: "07:00" });
    const add = () => edit("quiet", [...draft.quiet, { to: [to.get()], from: from.get(), until: until.get() }]);
    return lines("quiet", text, [to, from, until], add);
  }

  function announcing() {
    const text = ({ from, to }) => t(`policy.announce.${to}`, { from: people(from) });
    const from = field({
      name: "announce-from",
      kind: "select",
      label: t("policy.from"),
      options: roleOptions(),
    });
    const to = field({
      name: "announce-to",
      kind: "select",
      label: t("policy.to"),
      options: ["everybody", "own_classes"].map((reach) => [reach, t(`policy.reach.${reach}`)]),
    });
    const add = () => edit("announce", [...draft.announce, { from: [from.get()], to: to.get(), emergency: false }]);
    return lines("announce", text, [from, to], add);
  }

  function lines(name, text, fields, add) {
    return h(
      "details",
      { class: "card" },
      h("summary", {}, `${t(`policy.${name}`)} (${number(draft[name].length)})`),
      h("p", { class: "quiet" }, t(`policy.${name}.text`)),
      entries(name, text),
      !fixed &&
        h(
          "div",
          { class: "row-form" },
          ...fields.map(({ element }) => element),
          h("button", { type: "button", class: "quiet", onclick: add }, t("action.add")),
        ),
    );
  }

  const preview = act(async () => {
    outcome.replaceChildren(meaning(await api("POST", `${PATH}/preview`, body()), draft, groups));
  });

  const save = act(async () => {
    try {
      const saved = await apiVersioned("PUT", PATH, body(), version);
      ({ version } = saved);
      change(saved.data);
      say(t("action.saved"));
    } catch (error) {
      // What is wrong is a rule that stands above.
      fail(error.details?.map(fieldText).join(" ") || errorText(error));
    }
  });

  const upload = h("input", { type: "file", accept: ".toml", id: "policy-file", onchange: readFile });
  async function readFile() {
    const [file] = upload.files;
    if (!file) return;
    try {
      change({ ...(await api("POST", `${PATH}/file`, { toml: await file.text() })), fixed });
      say(t("policy.file.read"));
    } catch (error) {
      // Where in the file it is, in the server's own words.
      fail(error.details?.map(({ message }) => message).join(" ") || errorText(error));
    }
    upload.value = "";
  }

  draw();
  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, t("admin.policy"))),
    h("p", {}, t("policy.text")),
    fixed && h("p", { class: "wrong" }, t("config.fixed")),
    place,
    !fixed &&
      h(
        "p",
        { class: "buttons" },
        h("button", { type: "button", class: "quiet", onclick: preview }, t("policy.preview")),
        h("button", { type: "button", onclick: save }, t("action.save")),
      ),
    outcome,
    tryIt(groups),
    h(
      "section",
      { class: "card" },
      h("h2", {}, t("policy.file")),
      h(
        "p",
        { class: "buttons" },
        h("a", { class: "button quiet", href: `..${PATH}/file`, download: "policy.toml" }, t("policy.file.download")),
      ),
      !fixed && h("div", { class: "field" }, h("label", { for: "policy-file" }, t("policy.file.upload")), upload),
    ),
  );
}

/** What a policy would mean on this roster: numbers by role, and who would lose whom. */
function meaning(preview, { rule }, groups) {
  const of = (role) => t(`policy.role.${role}`);
  const losing = preview.losing.slice(0, 20);
  return h(
    "section",
    { class: "card" },
    h("h2", {}, t("policy.preview")),
    h("p", {}, t("policy.reached", { n: preview.reachedByOthers })),
    h("p", {}, t("policy.losing", { n: preview.losingCount })),
    losing.length > 0 &&
      h("ul", {}, ...losing.map(({ from, to }) => h("li", {}, t("policy.losing.line", { from: from.name, to: to.name })))),
    preview.unused.length > 0 && h("p", {}, t("policy.unused")),
    preview.unused.length > 0 && h("ul", {}, ...preview.unused.map((at) => h("li", {}, sentence(rule[at], groups)))),
    table({
      label: t("policy.pairs"),
      rows: preview.pairs,
      columns: [
        { label: t("policy.from"), cell: ({ from }) => of(from) },
        { label: t("policy.to"), cell: ({ to }) => of(to) },
        { label: t("policy.short.start"), cell: ({ start }) => number(start) },
        { label: t("policy.short.reply"), cell: ({ reply }) => number(reply) },
      ],
    }),
    preview.refused.length > 0 && h("h3", {}, t("policy.refused")),
    preview.refused.length > 0 &&
      h(
        "ul",
        {},
        ...preview.refused.map(({ from, to, count }) => h("li", {}, t("policy.refused.line", { from: of(from), to: of(to), n: count }))),
      ),
  );
}
