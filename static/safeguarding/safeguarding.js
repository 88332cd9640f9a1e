// The page of the safeguarding leads: reports, reviews, holds, no-contact orders, and the log. Administrators approve reviews here.
import { loadPart, t } from "../i18n/i18n.js";
import { Shell } from "../ui/shell.js";

/** In the order of the menu. A view that is not in it has `within`. */
const VIEWS = {
  reports: () => import("./reports.js"),
  reviews: () => import("./reviews.js"),
  holds: () => import("./holds.js"),
  orders: () => import("./orders.js"),
  leads: () => import("./leads.js"),
  log: () => import("./log.js"),
  report: () => import("./report.js"),
  reading: () => import("./reading.js"),
};
const WITHIN = { report: "reports", reading: "reviews" };
const OF_LEADS = ["reports", "reviews", "holds", "orders", "leads", "log"];
const OF_ADMINISTRATORS = ["reviews", "leads"];

const isLead = (me) => me.duties?.includes("safeguarding");

const shell = new Shell({
  views: VIEWS,
  within: WITHIN,
  words: { title: "safeguarding.title", login: "safeguarding.login", only: "safeguarding.only" },
  named: (view) => t(`safeguarding.${view}`),
  mayEnter: (me) => !isLead(me) && me.role !== "admin" && shell.refusal(me),
  prepare: () => loadPart("safeguarding"),
  menu: (me) => (isLead(me) ? OF_LEADS : OF_ADMINISTRATORS),
});

await shell.start();
