// Every language has the words that the pages ask for, and the same places in them.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const STATIC = new URL("../../static/", import.meta.url);
const LANGUAGES = ["en", "es", "fr", "de", "ar"];
const words = Object.fromEntries(
  await Promise.all(LANGUAGES.map(async (tag) => [tag, (await import(new URL(`i18n/${tag}.js`, STATIC))).default])),
);

/** The texts of all files below a folder with this ending. */
function texts(folder, ending) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return ["vendor", "i18n"].includes(entry.name) ? [] : texts(new URL(`${entry.name}/`, folder), ending);
    return entry.name.endsWith(ending) ? [readFileSync(new URL(entry.name, folder), "utf8")] : [];
  });
}

const places = (text) => [...new Set([...text.matchAll(/\{\w+\}/g)].map(([place]) => place))].sort();

for (const tag of LANGUAGES.slice(1)) {
  test(`${tag} has what English has`, () => {
    assert.deepEqual(Object.keys(words[tag]).sort(), Object.keys(words.en).sort());
    for (const [key, english] of Object.entries(words.en)) {
      const text = words[tag][key];
      if (typeof english === "string") {
        assert.equal(typeof text, "string", key);
        // A rule's numbers may go unsaid where the words say enough; no place may be made up.
        const known = places(english);
        if (key.startsWith("rule.")) assert.ok(places(text).every((place) => places(key).includes(place)), key);
        else assert.deepEqual(places(text), known, key);
      } else {
        const forms = new Intl.PluralRules(tag).resolvedOptions().pluralCategories;
        // French and Spanish have a form for millions, which reads as the usual one.
        const needed = forms.filter((form) => form !== "many" || tag === "ar");
        assert.deepEqual(Object.keys(text).sort(), needed.sort(), key);
        assert.ok(Object.values(text).every((one) => places(one).every((place) => places(english.other).includes(place))), key);
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
  const used = (key) => usedByServer(key) || code.includes(`"${key}"`) || composed.some((start) => key.startsWith(start)) || /^(error|rule)\./.test(key);
  assert.deepEqual(Object.keys(words.en).filter((key) => !used(key)), []);
});

test("each sentence that is translated is one of the server's", () => {
  const source = texts(new URL("../../src/", import.meta.url), ".rs").join("\n");
  for (const key of Object.keys(words.en).filter((one) => one.startsWith("rule."))) {
    // Between the numbers: they stand there as names of constants.
    for (const part of key.slice("rule.".length).split(/\{\d\}/)) assert.ok(source.includes(part.trim()), key);
  }
});

test("each of the server's sentences about a field that a form shows has a translation", () => {
  const rules = new Set(Object.keys(words.en).filter((key) => key.startsWith("rule.")));
  const place = (sentence) => {
    let n = 0;
    return `rule.${sentence.replace(/\d+/g, () => `{${n++}}`)}`;
  };
  for (const sentence of [
    "must not be empty",
    "must not be longer than 128 characters",
    "must be at least 10 characters long",
    "must be 1 to 128 letters, digits or any of . _ : @ -",
    "is too easy to guess: use a few unrelated words",
    "is not UTF-8 in line 7: save it as CSV UTF-8",
    "stands in line 2 already",
  ]) {
    assert.ok(rules.has(place(sentence)), sentence);
  }
});
