// A second factor: codes of an authenticator app beside the password.
import { errorText, t } from "../i18n/i18n.js";
import { api } from "./api.js";
import { act, confirm, dialog, say } from "./dialog.js";
import { h } from "./dom.js";
import { form } from "./form.js";

const PATH = "/api/auth/second-factor";

/** The card. `changed` is told when it was turned on or off. */
export function secondFactor(changed = () => {}) {
  const place = h("div", {}, h("p", { class: "quiet" }, t("action.wait")));

  async function render() {
    const { enabled, required, recoveryCodesLeft } = await api("GET", PATH);
    place.replaceChildren(...(enabled ? on(required, recoveryCodesLeft) : off()));
  }

  function off() {
    return [
      h("p", {}, t("factor.text")),
      h("p", { class: "buttons" }, h("button", { type: "button", onclick: act(begin) }, t("factor.begin"))),
    ];
  }

  function on(required, left) {
    const renew = act(async () => {
      show((await api("POST", `${PATH}/recovery-codes`)).recoveryCodes);
      await render();
    });
    const remove = () =>
      confirm(t("factor.remove"), t("factor.remove.text"), t("factor.remove"), async () => {
        await api("DELETE", PATH);
        await render();
        changed();
      });
    return [
      h("p", { class: "good" }, t("factor.on")),
      h("p", {}, t("factor.left", { n: left })),
      h(
        "p",
        { class: "buttons" },
        h("button", { type: "button", class: "quiet", onclick: renew }, t("factor.renew")),
        !required && h("button", { type: "button", class: "quiet", onclick: remove }, t("factor.remove")),
      ),
    ];
  }

  async function begin() {
    const { secret, qr, uri } = await api("POST", PATH);
    const { element } = form({
      fields: [{ name: "code", label: t("factor.code"), autocomplete: "one-time-code", inputmode: "numeric", required: true }],
      submit: t("factor.turnOn"),
      cancel: () => render(),
      send: async (values) => {
        const { recoveryCodes } = await api("PUT", PATH, values);
        await render();
        say(t("factor.on"));
        show(recoveryCodes, changed);
      },
    });
    place.replaceChildren(
      h("p", {}, t("factor.scan")),
      h("div", { class: "qr", role: "img", "aria-label": t("factor.qr") }, drawing(qr)),
      h("p", {}, t("factor.secret"), " ", h("code", { class: "break", dir: "ltr" }, secret.match(/.{1,4}/g).join(" "))),
      h("p", {}, h("a", { href: uri }, t("factor.open"))),
      element,
    );
    element.querySelector("input").focus();
  }

  render().catch((error) => place.replaceChildren(h("p", { class: "error" }, errorText(error))));
  return h("section", { class: "card" }, h("h2", {}, t("factor.title")), place);
}

/** Shows recovery codes, once. */
function show(codes, closed = () => {}) {
  const text = codes.join("\n");
  const copy = act(async () => {
    await navigator.clipboard.writeText(text);
    say(t("action.copied"));
  });
  const close = dialog(t("factor.codes"), (done) =>
    h(
      "div",
      {},
      h("p", {}, t("factor.codes.text")),
      h("pre", { class: "secret", dir: "ltr" }, text),
      h(
        "p",
        { class: "buttons" },
        h("button", { onclick: copy }, t("action.copy")),
        h("button", { class: "quiet", onclick: done }, t("action.close")),
      ),
    ),
  );
  close.element.addEventListener("close", () => closed());
}

/** The server's SVG as an element. */
function drawing(svg) {
  return document.importNode(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement, true);
}
