// How things stand, live, and charts by hour and by day.
import { clock, date, dateTime, number, t } from "../i18n/i18n.js";
import { api } from "../ui/api.js";
import { h } from "../ui/dom.js";
import { table } from "../ui/table.js";
import { chart } from "./chart.js";

const HOUR = 3_600_000;
/** Milliseconds. */
const CHARTS_EVERY = 8_000;
const RANGES = { hours: 24, days: 30 * 24 };

export default async function overview({ on, onLeave }) {
  let range = "hours";
  const tiles = h("dl", { class: "tiles" });
  const charts = h("div", { class: "charts" });
  const choice = h(
    "select",
    { "aria-label": t("overview.range"), onchange: (event) => ((range = event.target.value), load()) },
    ...Object.keys(RANGES).map((key) => h("option", { value: key }, t(`overview.${key}`))),
  );

  let turn = 0;
  let cards = [];

  async function load() {
    const mine = (turn += 1);
    const { now, hours } = await api("GET", `/api/admin/overview?hours=${RANGES[range]}`);
    if (mine !== turn) return;
    drawTiles(tiles, now);
    const slots = range === "hours" ? byHour(hours) : byDay(hours);
    const times = slots.map(({ time }) => time / 1_000);
    const all = series(slots);
    const kind = JSON.stringify([range, all.map(([name, lines]) => [name, lines.map(({ label }) => label), isEmpty(lines)])]);
    if (kind === cards.kind) return all.forEach(([, lines], at) => cards[at].update(times, lines));
    end();
    cards = all.map(([name, lines]) => card(name, times, lines, range));
    cards.kind = kind;
    charts.replaceChildren(...cards.map(({ element }) => element));
  }

  const warning = h("div", {});
  const look = async () => warning.replaceChildren(...backupWarning(await api("GET", "/api/admin/checks")));

  const end = () => cards.forEach((one) => one.destroy());
  onLeave(end);
  await Promise.all([load(), look()]);
  // The tiles follow at once, the charts when something has changed, and not each time.
  let [before, loaded] = ["", Date.now()];
  on("overview", (now) => {
    drawTiles(tiles, now);
    const hour = JSON.stringify(now.hour);
    if (hour === before || Date.now() - loaded < CHARTS_EVERY) return;
    [before, loaded] = [hour, Date.now()];
    load().catch(() => {});
  });
  const head = h(
    "div",
    { class: "head" },
    h("h1", {}, t("admin.overview")),
    h("div", {}, choice),
    h("a", { class: "button", href: "#/announce" }, t("announce.new")),
  );
  return h("div", {}, head, warning, tiles, charts);
}

/** A school that finds out about its backups when it needs one finds out too late. */
function backupWarning({ backupProblem, backupError, lastBackupAt }) {
  if (!backupProblem) return [];
  const text =
    backupProblem === "future"
      ? t("overview.backupFuture")
      : backupProblem === "failed"
        ? t("overview.backupFailed", { why: backupError })
        : t("overview.backupOld", { date: dateTime(lastBackupAt) });
  return [h("p", { class: "warning card", role: "status" }, text, " ", h("a", { href: "#/backups" }, t("admin.backups")))];
}

function drawTiles(place, { online, people, pushesWaiting, hour }) {
  const tile = (key, value, hourly) =>
    h(
      "div",
      { class: "tile" },
      h("dt", {}, t(`overview.${key}`), hourly && h("span", {}, ` · ${t("overview.thisHour")}`)),
      h("dd", {}, value),
    );
  place.replaceChildren(
    tile("online", number(online)),
    tile("people", number(people)),
    tile("messages", number(hour.messages), true),
    tile("notifications", number(hour.notifications), true),
    tile("missed", number(hour.missed), true),
    tile("waiting", number(pushesWaiting)),
  );
}

/** A slot for each hour or day up to now, those in which nothing happened too. */
function byHour(hours) {
  const last = Math.floor(Date.now() / HOUR) * HOUR;
  return slots(hours, last, RANGES.hours, HOUR, (time) => Math.floor(time / HOUR) * HOUR);
}

function byDay(hours) {
  const midnight = (time) => new Date(time).setHours(0, 0, 0, 0);
  return slots(hours, midnight(Date.now()), 30, 24 * HOUR, midnight);
}

function slots(hours, last, count, step, slotOf) {
  const all = new Map();
  for (let at = count - 1; at >= 0; at -= 1) {
    // In the middle of the step, so that an hour more or less in spring and autumn does no harm.
    const time = slotOf(last - at * step + step / 2);
    all.set(time, { time, messages: 0, notifications: 0, live: 0, pushed: 0, missed: 0, latency: {}, services: {} });
  }
  for (const hour of hours) {
    const slot = all.get(slotOf(new Date(hour.at).getTime()));
    if (!slot) continue;
    for (const key of ["messages", "notifications", "live", "pushed", "missed"]) slot[key] += hour[key];
    for (const [ms, value] of Object.entries(hour.latency)) slot.latency[ms] = (slot.latency[ms] ?? 0) + value;
    for (const [name, { sent, failed }] of Object.entries(hour.services)) {
      slot.services[name] ??= { sent: 0, failed: 0 };
      slot.services[name].sent += sent;
      slot.services[name].failed += failed;
    }
  }
  return [...all.values()];
}

/** The upper end of the class in which this share of the answers is done, in milliseconds; null without answers. */
function quantile(latency, share) {
  const classes = Object.entries(latency).map(([ms, count]) => [Number(ms), count]);
  classes.sort((a, b) => a[0] - b[0]);
  let left = classes.reduce((sum, [, count]) => sum + count, 0) * share;
  for (const [ms, count] of classes) {
    left -= count;
    if (left <= 0) return ms;
  }
  return null;
}

/** What each chart shows: `[name, [{ label, values }]]`. */
function series(slots) {
  const of = (key) => slots.map((slot) => slot[key]);
  const services = [...new Set(slots.flatMap((slot) => Object.keys(slot.services)))].sort();
  const answers = services.flatMap((name) =>
    ["sent", "failed"].map((outcome) => ({
      label: t(`overview.push.${outcome}`, { service: name === "other" ? t("push.other") : name }),
      values: slots.map((slot) => slot.services[name]?.[outcome] ?? 0),
    })),
  );
  return [
    [
      "traffic",
      [
        { label: t("overview.messages"), values: of("messages") },
        { label: t("overview.notifications"), values: of("notifications") },
      ],
    ],
    ["deliveries", ["live", "pushed", "missed"].map((key) => ({ label: t(`overview.${key}`), values: of(key) }))],
    ["answers", answers],
    [
      "latency",
      [
        ["p50", 0.5],
        ["p99", 0.99],
      ].map(([key, share]) => ({ label: t(`overview.${key}`), values: slots.map((slot) => quantile(slot.latency, share)) })),
    ],
  ];
}

const isEmpty = (lines) => !lines.some(({ values }) => values.some(Boolean));

function card(name, times, lines, range) {
  const title = t(`overview.${name}`);
  if (isEmpty(lines)) {
    const element = h("section", { class: "card" }, h("h2", {}, title), h("p", { class: "empty" }, t("overview.nothing")));
    return { element, update() {}, destroy() {} };
  }
  const drawn = chart({ title, times, series: lines, range });
  const place = h("div", {});
  const tabulate = (newTimes, newLines) => place.replaceChildren(figures(title, newTimes, newLines, range));
  tabulate(times, lines);
  return {
    element: h(
      "section",
      { class: "card" },
      h("h2", {}, title),
      drawn.element,
      h("details", {}, h("summary", {}, t("overview.table")), place),
    ),
    update(newTimes, newLines) {
      drawn.update(newTimes, newLines);
      tabulate(newTimes, newLines);
    },
    destroy: drawn.destroy,
  };
}

/** The same for those who do not see the chart. */
function figures(label, times, lines, range) {
  const when = (time) => (range === "hours" ? clock(time * 1_000) : date(time * 1_000));
  const rows = times
    .map((time, at) => ({ time, values: lines.map(({ values }) => values[at]) }))
    .filter(({ values }) => values.some(Boolean));
  const columns = [
    { label: t("overview.time"), cell: ({ time }) => when(time) },
    ...lines.map((line, at) => ({ label: line.label, cell: ({ values }) => (values[at] === null ? "–" : number(values[at])) })),
  ];
  return table({ label, columns, rows: rows.reverse() });
}
