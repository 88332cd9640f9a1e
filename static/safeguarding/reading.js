// Reading a conversation: the newest day first, and each earlier one on demand. Each part that the server gives is a line in the log.
import { t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { act } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { passage } from "./passage.js";

/** Messages in one part. */
const PART = 30;

const dayOf = ({ createdAt }) => new Date(createdAt).toDateString();

export default async function reading({ parameters: [id] }) {
  const found = (await api("GET", "/api/safeguarding/reviews?limit=100")).find((one) => one.id === id);
  const [a, b] = found?.users ?? [];
  const name = (senderId) => [a, b].find((one) => one?.id === senderId)?.name ?? senderId;
  let shown = [];
  // Of earlier days, the newest first: they came with the part, and are not shown yet.
  let waiting = [];
  let before;
  let hasMore = true;
  const place = h("div", {});
  const older = h("button", { type: "button", class: "quiet", hidden: true, onclick: act(next) }, t("sg.read.older"));

  async function fetchPart() {
    const page = await api("GET", `/api/safeguarding/reviews/${encodeURIComponent(id)}/messages${query({ limit: PART, before })}`);
    waiting = [...waiting, ...page.map((one) => ({ ...one, name: name(one.senderId) }))];
    before = page.paging.before;
    hasMore = page.paging.hasMore && page.length > 0;
  }

  /** Shows the newest day that is not shown yet, whole. */
  async function next() {
    while (hasMore && waiting.every((one) => dayOf(one) === dayOf(waiting[0]))) await fetchPart();
    const rest = waiting.findIndex((one) => dayOf(one) !== dayOf(waiting[0]));
    const day = rest < 0 ? waiting.splice(0) : waiting.splice(0, rest);
    shown = [...day.reverse(), ...shown];
    older.hidden = !waiting.length && !hasMore;
    place.replaceChildren(passage(shown, t("sg.read")));
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
