// The first administrator, with the one-time code of the link: /admin/#setup=CODE
import { t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { form, newPassword } from "../ui/form.js";
import { languageChoice } from "../ui/login.js";

const PRESETS = ["teacher-led", "family", "secondary", "announcements-only", "open"];

/** Days, as most schools need them. */
const KEPT = { messages: 730, notifications: 365, audit: 1_095 };

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
      {
        name: "policy",
        kind: "select",
        label: t("admin.policy"),
        help: t("setup.policy"),
        options: PRESETS.map((preset) => [preset, `${t(`policy.preset.${preset}`)}: ${t(`policy.preset.${preset}.text`)}`]),
        value: "teacher-led",
      },
      ...Object.entries(KEPT).map(([name, days], at) => ({
        name,
        kind: "number",
        min: 0,
        label: t(`config.retention.${name}`),
        help: at ? t(`config.retention.${name}.help`) : t("setup.retention"),
        value: days,
      })),
    ],
    submit: t("setup.submit"),
    paths: { "retention.audit": "audit", "retention.messages": "messages", "retention.notifications": "notifications" },
    send: async ({ messages, notifications, audit, ...rest }) => {
      const retention = { messages: Number(messages), notifications: Number(notifications), audit: Number(audit) };
      const values = { ...rest, retention };
      await api("POST", "/api/auth/setup", { code, ...values }).catch((error) => {
        // The configuration of the server has a policy, which wins.
        if (error.code !== "set_in_config") throw error;
        const { policy: _, ...account } = values;
        return api("POST", "/api/auth/setup", { code, ...account });
      });
      // The code is used up: it has no business in the history.
      history.replaceState(null, "", location.pathname);
      await api("POST", "/api/auth/session", { username: values.username, password: values.password });
      await done();
    },
  });
  return h("section", { class: "card narrow" }, h("h1", {}, t("setup.title")), h("p", {}, t("setup.text")), element, languageChoice());
}
