// Who can read what, in plain words. Nothing of it is a setting: the server holds it.
import { loadPage, loadPart, t } from "../i18n/i18n.js";
import { at } from "../ui/base.js";
import { h } from "../ui/dom.js";

await loadPage();
await loadPart("safeguarding");
document.title = `${t("who.link")} · schoolbell`;
const paragraphs = ["who.you", "who.admins", "who.reports", "who.reviews", "who.removed", "who.server"];
document.body.append(
  h(
    "main",
    { class: "card narrow" },
    h("h1", {}, t("who.link")),
    ...paragraphs.map((key) => h("p", {}, t(key))),
    h("p", {}, h("a", { class: "button", href: at("/") }, t("admin.chat"))),
  ),
);
