// Fields that several forms here have: people by name, and a reason.
import { t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { field } from "../ui/form.js";
import { peoplePicker } from "../ui/people.js";

/** A lead may write to everybody, and so finds everybody. */
const search = (words) => api("GET", `/api/users${query({ search: words, limit: 8 })}`);

export const twoPeople = (label) => peoplePicker({ label, search });

export const reasonField = () => field({ name: "reason", kind: "textarea", label: t("sg.why"), required: true, maxlength: 2000 });
