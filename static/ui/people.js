// Roles, and choosing people by name.
import { t } from "../i18n/i18n.js";
import { api, query } from "./api.js";
import { debounce, freshId, h } from "./dom.js";

export const ROLES = ["student", "teacher", "guardian", "staff", "admin"];

/** As administrators find people. */
const everybody = (words) => api("GET", `/api/admin/people${query({ search: words, disabled: false, limit: 8 })}`);

/**
 * A search field and the chosen people below it. `search(words)` finds people; `changed` is called with each change; `get()` gives
 * their ids.
 */
export function peoplePicker({ label, search: find = everybody, changed = () => {} }) {
  const chosen = new Map();
  const id = freshId("people");
  const found = h("ul", { class: "found", "aria-label": t("people.found") });
  const list = h("ul", { class: "chips", "aria-label": t("people.chosen") });
  const status = h("span", { class: "spoken", role: "status" });
  const input = h("input", {
    id,
    type: "search",
    autocomplete: "off",
    placeholder: t("people.searchName"),
    oninput: debounce(search),
    // It searches; the form around it is not to be sent.
    onkeydown: (event) => event.key === "Enter" && event.preventDefault(),
  });

  async function search() {
    const words = input.value.trim();
    const people = words ? await find(words).catch(() => []) : [];
    if (input.value.trim() !== words) return;
    const items = people
      .filter((one) => !chosen.has(one.id))
      .map((one) => h("li", {}, h("button", { type: "button", class: "quiet", onclick: () => add(one) }, one.name)));
    found.replaceChildren(...items);
    status.textContent = words ? t("people.count", { n: items.length }) : "";
  }

  function add(one) {
    chosen.set(one.id, one.name);
    input.value = "";
    found.replaceChildren();
    draw();
    input.focus();
  }

  function draw() {
    list.replaceChildren(
      ...[...chosen].map(([one, name]) => {
        const remove = () => {
          chosen.delete(one);
          draw();
          input.focus();
        };
        return h(
          "li",
          {},
          name,
          h("button", { type: "button", class: "plain", "aria-label": `${t("action.remove")}: ${name}`, onclick: remove }, "×"),
        );
      }),
    );
    changed();
  }

  return {
    element: h("div", { class: "field" }, h("label", { for: id }, label), input, found, list, status),
    get: () => [...chosen.keys()],
    clear: () => (chosen.clear(), draw()),
  };
}
