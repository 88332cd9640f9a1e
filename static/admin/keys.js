// API keys of the school's own back end.
import { dateTime, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { confirm, dialog } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { form } from "../ui/form.js";
import { secret } from "../ui/secret.js";
import { pages, table } from "../ui/table.js";

const SCOPES = ["notify", "roster", "roster.roles", "read"];

export default async function keys() {
  const list = pages(
    () => api("GET", "/api/admin/keys"),
    (rows) => show(rows, list.load),
  );
  await list.load();
  return h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", {}, t("admin.keys")), h("button", { onclick: () => add(list.load) }, t("keys.add"))),
    h("p", { class: "quiet" }, t("keys.text")),
    list.element,
  );
}

function show(rows, done) {
  return table({
    label: t("admin.keys"),
    empty: t("keys.none"),
    rows,
    columns: [
      { label: t("people.name"), cell: ({ name }) => name },
      { label: t("keys.scopes"), cell: ({ scopes }) => scopes.map((scope) => t(`scope.${scope}`)).join(", ") },
      { label: t("keys.made"), cell: ({ createdAt }) => dateTime(createdAt) },
      { label: t("keys.used"), cell: ({ lastUsedAt }) => (lastUsedAt ? dateTime(lastUsedAt) : t("checks.never")) },
      {
        label: "",
        class: "end",
        cell: (key) =>
          key.revokedAt
            ? h("span", { class: "wrong" }, t("keys.revoked"))
            : h(
                "button",
                { class: "quiet", "aria-label": `${t("keys.revoke")}: ${key.name}`, onclick: () => revoke(key, done) },
                t("keys.revoke"),
              ),
      },
    ],
  });
}

function revoke({ id, name }, done) {
  confirm(t("keys.revoke"), t("keys.revoke.text", { name }), t("keys.revoke"), async () => {
    await api("DELETE", `/api/admin/keys/${encodeURIComponent(id)}`);
    done();
  });
}

function add(done) {
  dialog(t("keys.add"), (close) => {
    const send = async (values) => {
      const { key } = await api("POST", "/api/admin/keys", values);
      close();
      done();
      secret(t("keys.key"), t("keys.once"), key);
    };
    const fields = [
      { name: "name", label: t("keys.name"), required: true, maxlength: 64 },
      {
        name: "scopes",
        kind: "checks",
        label: t("keys.scopes"),
        value: ["notify"],
        options: SCOPES.map((scope) => [scope, t(`scope.${scope}`)]),
      },
    ];
    return form({ fields, submit: t("keys.add"), send, cancel: close }).element;
  });
}
