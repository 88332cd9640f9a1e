// The first administrator, with the one-time code of the link: /admin/#setup=CODE
import { t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { form, newPassword } from "../ui/form.js";
import { languageChoice } from "../ui/login.js";

export function setUp(code, done) {
  const { element } = form({
    fields: [
      { name: "name", label: t("setup.name"), autocomplete: "name", required: true },
      {
        name: "username",
        label: t("setup.username"),
        autocomplete: "username",
        autocapitalize: "none",
        spellcheck: "false",
        required: true,
      },
      newPassword(),
    ],
    submit: t("setup.submit"),
    send: async (values) => {
      await api("POST", "/api/auth/setup", { code, ...values });
      // The code is used up: it has no business in the history.
      history.replaceState(null, "", location.pathname);
      await api("POST", "/api/auth/session", { username: values.username, password: values.password });
      await done();
    },
  });
  return h("section", { class: "card narrow" }, h("h1", {}, t("setup.title")), h("p", {}, t("setup.text")), element, languageChoice());
}
