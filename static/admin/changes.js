// A section of the changelog as elements: the little Markdown that it is written in. In English, whatever the page's language.
import { h } from "../ui/dom.js";

/** Headings, lists and paragraphs. */
export function changes(markdown) {
  const blocks = [];
  let inList = false;
  for (const line of joined(markdown)) {
    if (line.startsWith("- ")) {
      if (!inList) blocks.push(h("ul", { lang: "en", dir: "ltr" }));
      blocks.at(-1).append(h("li", {}, ...spans(line.slice(2))));
      inList = true;
      continue;
    }
    inList = false;
    if (line.startsWith("### ")) blocks.push(h("h2", { lang: "en", dir: "ltr" }, line.slice(4)));
    else blocks.push(h("p", { lang: "en", dir: "ltr" }, ...spans(line)));
  }
  return blocks;
}

/** Lines, with those that go on joined to the one that they belong to. */
function joined(markdown) {
  const lines = [];
  for (const line of markdown.split("\n")) {
    if (line.startsWith("  ") && lines.length > 0) lines.push(`${lines.pop()} ${line.trim()}`);
    else if (line.trim()) lines.push(line.trim());
  }
  return lines;
}

/** Text with code between backticks. */
function spans(text) {
  return text.split("`").map((part, at) => (at % 2 === 1 ? h("code", {}, part) : part));
}
