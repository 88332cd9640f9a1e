// A chart of lines over time, by uPlot. What it shows stands in a table beside it for those who do not see it.
import uPlot from "../vendor/uplot.js";
import { clock, current, date, number } from "../i18n/i18n.js";
import { at } from "../ui/base.js";
import { h } from "../ui/dom.js";

const HEIGHT = 240;
/** Apart in hue and in lightness, on light and on dark. */
const LINES = [
  "light-dark(#14539a, #7db5f5)",
  "light-dark(#b3470c, #f0a35e)",
  "light-dark(#17693a, #6fd09a)",
  "light-dark(#6b3fa0, #c4a2f0)",
  "light-dark(#8a6d00, #e0c95a)",
  "light-dark(#9c1f5a, #f08cc0)",
];
const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4]];

const link = document.createElement("link");
Object.assign(link, { rel: "stylesheet", href: at("/vendor/uplot.css") });
document.head.append(link);

export function chart({ title, times, series, range }) {
  const place = h("div", { class: "chart", role: "img", "aria-label": title });
  let plot;
  const data = () => [times, ...series.map(({ values }) => values)];

  function draw() {
    plot?.destroy();
    // A canvas knows no variables and no light-dark().
    const colour = (value) => {
      place.style.color = value;
      const computed = getComputedStyle(place).color;
      place.style.color = "";
      return computed;
    };
    const text = colour("var(--text)");
    const grid = { stroke: colour("var(--line)"), width: 1 };
    const axis = { stroke: text, grid, ticks: grid, font: "13px system-ui, sans-serif" };
    const when = (time) =>
      range === "hours" ? clock(time * 1_000) : new Intl.DateTimeFormat(current(), { day: "numeric", month: "short" }).format(time * 1_000);
    const options = {
      width: place.clientWidth,
      height: HEIGHT,
      scales: { y: { range: (_, __, max) => [0, Math.max(4, max * 1.1)] } },
      axes: [
        { ...axis, values: (_, values) => values.map(when), space: 70 },
        { ...axis, values: (_, values) => values.map((value) => (Number.isInteger(value) ? number(value) : "")), size: 60 },
      ],
      series: [
        {
          value: (_, value) =>
            value === null ? "–" : range === "hours" ? `${date(value * 1_000)} ${clock(value * 1_000)}` : date(value * 1_000),
        },
        ...series.map(({ label }, at) => ({
          label,
          stroke: colour(LINES[at % LINES.length]),
          dash: DASHES[Math.floor(at / 2) % DASHES.length],
          width: 2,
          spanGaps: false,
          points: { size: 5 },
          value: (_, value) => (value === null ? "–" : number(value)),
        })),
      ],
    };
    plot = new uPlot(options, data(), place);
  }

  const dark = matchMedia("(prefers-color-scheme: dark)");
  let width;
  const observer = new ResizeObserver(([{ contentRect }]) => {
    if (!contentRect.width || contentRect.width === width) return;
    width = contentRect.width;
    if (plot) plot.setSize({ width, height: HEIGHT });
    else draw();
  });
  dark.addEventListener("change", draw);
  observer.observe(place);

  return {
    element: place,
    /** Other figures of the same series. */
    update(newTimes, newSeries) {
      times = newTimes;
      series = newSeries;
      plot?.setData(data());
    },
    destroy() {
      dark.removeEventListener("change", draw);
      observer.disconnect();
      plot?.destroy();
    },
  };
}
