// Reading a conversation: the newest part first, and each earlier one on demand. Each is a line in the log.
import { t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { act } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { passage } from "./passage.js";

/** Messages in one part. */
const PART = 30;

export default async function reading({ parameters: [id] }) {
  const found = (await api("GET", "/api/safeguarding/reviews?limit=100")).find((one) => one.id === id);
  const [a, b] = found?.users ?? [];
  const name = (senderId) => [a, b].find((one) => one?.id === senderId)?.name ?? senderId;
  let messages = [];
  let before;
  const place = h("div", {});
  const older = h("button", { type: "button", class: "quiet", hidden: true, onclick: act(next) }, t("sg.read.older"));

  async function next() {
    const page = await api("GET", `/api/safeguarding/reviews/${encodeURIComponent(id)}/messages${query({ limit: PART, before })}`);
    messages = [...page.map((one) => ({ ...one, name: name(one.senderId) })).reverse(), ...messages];
    before = page.paging.before;
    older.hidden = !page.paging.hasMore;
    place.replaceChildren(passage(messages, t("sg.read")));
  }

  await next();
  return h(
    "div",
    {},
    h("p", {}, h("a", { href: "#/reviews" }, t("sg.back"))),
    h("h1", {}, a ? t("sg.between", { a: a.name, b: b.name }) : t("sg.read")),
    h("p", { class: "quiet" }, t("sg.read.text")),
    older,
    place,
  );
}
