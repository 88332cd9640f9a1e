// The words of the pages, in the person's language. Each language is one file beside this one.

/** Languages by their own names. */
export const LANGUAGES = { en: "English", es: "Español", fr: "Français", de: "Deutsch", ar: "العربية" };
const RIGHT_TO_LEFT = ["ar"];
const STORED = "schoolbell-language";

let language = "en";
let words = {};

/** What the person chose, else the first language of the browser's that we have. */
export function preferred() {
  const chosen = read(STORED);
  const wanted = [chosen, ...(navigator.languages ?? [])].map((tag) => tag?.split("-")[0]);
  return wanted.find((tag) => tag in LANGUAGES) ?? "en";
}

/** Loads a language; to be awaited before anything is shown. */
export async function load(tag = preferred()) {
  language = tag in LANGUAGES ? tag : "en";
  words = (await import(`./${language}.js`)).default;
}

/** As `load`, for a whole page. */
export async function loadPage() {
  await load();
  document.documentElement.lang = language;
  document.documentElement.dir = direction();
}

/** Loads the words of a part that not every page has: a folder beside this file. */
export async function loadPart(part) {
  words = { ...words, ...(await import(`./${part}/${language}.js`)).default };
}

/** Remembers the choice; the page is to be reloaded. */
export function choose(tag) {
  try {
    localStorage.setItem(STORED, tag);
  } catch {
    // Without storage the browser's language stands.
  }
}

function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export const current = () => language;
export const direction = () => (RIGHT_TO_LEFT.includes(language) ? "rtl" : "ltr");

/** The words for a key, with `{name}` replaced. Where they depend on a number, `values.n` is it. */
export function t(key, values = {}) {
  let text = words[key] ?? key;
  if (typeof text === "object") text = text[new Intl.PluralRules(language).select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? number(value) : value;
  });
}

/** Whether there are words for a key. */
export const has = (key) => key in words;

export const number = (value) => new Intl.NumberFormat(language).format(value);

/** "one, two and three". */
export const list = (texts) => new Intl.ListFormat(language).format(texts);

const format = (time, options) => new Intl.DateTimeFormat(language, options).format(new Date(time));
export const clock = (time) => format(time, { timeStyle: "short" });
export const day = (time) => format(time, { weekday: "long", day: "numeric", month: "long" });
export const date = (time) => format(time, { dateStyle: "medium" });
export const dateTime = (time) => format(time, { dateStyle: "medium", timeStyle: "short" });

/** The time of today, else the date. */
export function short(time) {
  const today = new Date().toDateString() === new Date(time).toDateString();
  return today ? clock(time) : format(time, { day: "numeric", month: "short" });
}

/** `3.2 MB`. */
export function bytes(count) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const at = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)));
  const options = { style: "unit", unit: units[at], unitDisplay: "short", maximumFractionDigits: at ? 1 : 0 };
  return new Intl.NumberFormat(language, options).format(count / 1000 ** at);
}

/**
 * What went wrong, for people. The server's own sentences are English; their translations are found by their codes.
 */
export function errorText(error) {
  if (!error.code) return t(error instanceof TypeError ? "error.offline" : "error.unknown", { message: error.message });
  return has(`error.${error.code}`) ? t(`error.${error.code}`) : error.message;
}

/** What is wrong with one field: in the server's own English words where there are no others. */
export function fieldText({ rule, params, message }) {
  const key = `rule.${rule}`;
  return has(key) ? t(key, params) : message;
}
