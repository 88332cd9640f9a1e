// Every language has the words that the pages ask for, and the same places in them.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const STATIC = new URL("../../static/", import.meta.url);
const LANGUAGES = ["en", "es", "fr", "de", "ar"];
/** The words of every page, and of the parts that some have. */
const PARTS = ["", "safeguarding/", "server/"];
const catalogue = async (tag) => {
  const parts = await Promise.all(PARTS.map((part) => import(new URL(`i18n/${part}${tag}.js`, STATIC))));
  return Object.assign({}, ...parts.map((part) => part.default));
};
const words = Object.fromEntries(await Promise.all(LANGUAGES.map(async (tag) => [tag, await catalogue(tag)])));

/** The texts of all files below a folder with this ending. */
function texts(folder, ending) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return ["vendor", "i18n"].includes(entry.name) ? [] : texts(new URL(`${entry.name}/`, folder), ending);
    return entry.name.endsWith(ending) ? [readFileSync(new URL(entry.name, folder), "utf8")] : [];
  });
}

/** The server's rules for fields, with the names of their parameters. */
const rules = new Map(
  [...readFileSync(new URL("../../src/rule.rs", import.meta.url), "utf8").matchAll(/^ {4}(\w+)(?:\(([^)]*)\))? =/gm)].map(
    ([, id, params]) => [
      id,
      (params ?? "")
        .split(", ")
        .filter(Boolean)
        .map((param) => `{${param.split(":")[0]}}`),
    ],
  ),
);

const places = (text) => [...new Set([...text.matchAll(/\{\w+\}/g)].map(([place]) => place))].sort();

for (const tag of LANGUAGES.slice(1)) {
  test(`${tag} has what English has`, () => {
    assert.deepEqual(Object.keys(words[tag]).sort(), Object.keys(words.en).sort());
    for (const [key, english] of Object.entries(words.en)) {
      const text = words[tag][key];
      if (typeof english === "string") {
        assert.equal(typeof text, "string", key);
        // A rule's numbers may go unsaid where the words say enough; no place may be made up.
        if (key.startsWith("rule."))
          assert.ok(
            places(text).every((place) => rules.get(key.slice("rule.".length)).includes(place)),
            key,
          );
        else assert.deepEqual(places(text), places(english), key);
      } else {
        const forms = new Intl.PluralRules(tag).resolvedOptions().pluralCategories;
        // French and Spanish have a form for millions, which reads as the usual one.
        const needed = forms.filter((form) => form !== "many" || tag === "ar");
        assert.deepEqual(Object.keys(text).sort(), needed.sort(), key);
        assert.ok(
          Object.values(text).every((one) => places(one).every((place) => places(english.other).includes(place))),
          key,
        );
      }
    }
  });
}

test("what the pages ask for is there, and what is there is asked for", () => {
  const code = texts(STATIC, ".js").join("\n");
  const asked = [...code.matchAll(/\bt\("([^"]+)"/g)].map(([, key]) => key);
  assert.ok(asked.length > 150, `${asked.length}`);
  for (const key of asked) assert.ok(key in words.en, `${key} is missing`);
  // Keys that are put together: `role.${role}`.
  const composed = [...code.matchAll(/\bt\(`([^`$]*)\$\{/g)].map(([, start]) => start).filter(Boolean);
  const rust = texts(new URL("../../src/", import.meta.url), ".rs").join("\n");
  // The server's own words are asked for without what their keys begin with.
  const usedByServer = (key) => key.startsWith("server.") && rust.includes(`"${key.slice("server.".length)}"`);
  const used = (key) =>
    usedByServer(key) || code.includes(`"${key}"`) || composed.some((start) => key.startsWith(start)) || /^(error|rule)\./.test(key);
  assert.deepEqual(
    Object.keys(words.en).filter((key) => !used(key)),
    [],
  );
});

test("each rule that is translated is one of the server's, and those that a form shows are translated", () => {
  assert.ok(rules.size > 80, `${rules.size}`);
  const translated = Object.keys(words.en).filter((key) => key.startsWith("rule."));
  for (const key of translated) {
    const params = rules.get(key.slice("rule.".length));
    assert.ok(params, key);
    assert.ok(
      places(words.en[key]).every((place) => params.includes(place)),
      key,
    );
  }
  for (const id of ["not_empty", "too_long", "too_short", "id_characters", "too_easy_to_guess", "not_utf8_in_line", "repeated"]) {
    assert.ok(translated.includes(`rule.${id}`), id);
  }
});
