//! The figures as pictures: medians, on a logarithmic scale.

use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::{Figures, PEERS, Peer};

type Failed = Box<dyn std::error::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (760, 400);
const SMALL: (&str, i32) = ("sans-serif", 12);
/// Told apart in print and by the colour-blind (Okabe and Ito).
const COLORS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(230, 159, 0),
    RGBColor(117, 117, 117),
];

/// A picture: what each group of figures is called, and the key of its metric.
struct Plot {
    file: &'static str,
    title: &'static str,
    groups: &'static [(&'static str, &'static str)],
    /// Points of one quantity that grows, or quantities beside each other.
    lines: bool,
}

const PLOTS: &[Plot] = &[
    Plot {
        file: "messages.svg",
        title: "Messages a second, stored and delivered, by senders at once (more is better)",
        groups: &[
            ("1", "rate_1"),
            ("16", "rate_16"),
            ("64", "rate_64"),
            ("256", "rate_256"),
        ],
        lines: true,
    },
    Plot {
        file: "latency.svg",
        title: "Send to delivery, ms (less is better)",
        groups: &[
            ("p50, 200/s", "p50_200"),
            ("p99, 200/s", "p99_200"),
            ("p99.9, 200/s", "p999_200"),
            ("p50, 1,000/s", "p50_1000"),
            ("p99, 1,000/s", "p99_1000"),
            ("p99.9, 1,000/s", "p999_1000"),
        ],
        lines: false,
    },
    Plot {
        file: "fan-out.svg",
        title: "Many people, ms (less is better)",
        groups: &[
            ("to 5,000: time", "announce"),
            ("to 5,000: CPU", "announce_cpu"),
            ("100 to 1,000: time", "burst"),
            ("100 to 1,000: CPU", "burst_cpu"),
        ],
        lines: false,
    },
    Plot {
        file: "reads.svg",
        title: "Conversation list, ms, by messages in the database (less is better)",
        groups: &[
            ("10 thousand", "list_10000"),
            ("1 million", "list_1000000"),
            ("5 million", "list_5000000"),
        ],
        lines: true,
    },
];

/// Draws all of them into this folder and returns their names.
pub fn draw(figures: &Figures, folder: &Path) -> Result<Vec<(&'static str, &'static str)>, Failed> {
    for plot in PLOTS {
        let path = folder.join(plot.file);
        let area = SVGBackend::new(&path, SIZE).into_drawing_area();
        // Its own ground: the page around it may be dark.
        area.fill(&WHITE)?;
        plot.draw(figures, &area)?;
        area.present()?;
    }
    Ok(PLOTS.iter().map(|plot| (plot.file, plot.title)).collect())
}

impl Plot {
    fn draw(&self, figures: &Figures, area: &Area) -> Result<(), Failed> {
        let value = |peer: &Peer, group: usize| figures.median(peer.name, self.groups[group].1);
        let groups = || 0..self.groups.len();
        let all = || groups().flat_map(|group| PEERS.iter().filter_map(move |p| value(p, group)));
        let lowest = all().fold(f64::INFINITY, f64::min);
        let highest = all().fold(f64::MIN_POSITIVE, f64::max);
        let title = ("sans-serif", 15).into_text_style(area);
        area.draw_text(self.title, &title, (72, 12))?;
        let across = 0.0..self.groups.len() as f64;
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_top(60)
            .margin_bottom(8)
            .x_label_area_size(28)
            .y_label_area_size(60)
            .build_cartesian_2d(across, (lowest / 1.5..highest * 1.5).log_scale())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .x_labels(0)
            .y_label_formatter(&|y| format!("{y}"))
            .draw()?;
        let width = 0.8 / PEERS.len() as f64;
        for (i, (peer, color)) in PEERS.iter().zip(COLORS).enumerate() {
            let points = groups().filter_map(|group| Some((group as f64, value(peer, group)?)));
            if self.lines {
                let points = points.map(|(x, y)| (x + 0.5, y));
                chart.draw_series(LineSeries::new(points, color.stroke_width(2)).point_size(3))?;
            } else {
                let from = 0.1 + i as f64 * width;
                let bar = |(x, y): (f64, f64)| {
                    let corners = [(x + from, lowest / 1.5), (x + from + width, y)];
                    Rectangle::new(corners, color.filled())
                };
                chart.draw_series(points.map(bar))?;
            }
        }
        let plane = chart.plotting_area().get_pixel_range();
        self.name_groups(area, &plane)?;
        legend(area, plane.0.start)
    }

    /// Below the plane, each name in the middle of its group.
    fn name_groups(&self, area: &Area, plane: &(Range<i32>, Range<i32>)) -> Result<(), Failed> {
        let style = SMALL.into_text_style(area);
        let step = f64::from(plane.0.end - plane.0.start) / self.groups.len() as f64;
        for (i, (name, _)) in self.groups.iter().enumerate() {
            let (width, _) = area.estimate_text_size(name, &style)?;
            let middle = f64::from(plane.0.start) + (i as f64 + 0.5) * step;
            let at = (middle as i32 - width as i32 / 2, plane.1.end + 8);
            area.draw_text(name, &style, at)?;
        }
        Ok(())
    }
}

/// Whose colour is which: a row below the title.
fn legend(area: &Area, mut x: i32) -> Result<(), Failed> {
    let style = SMALL.into_text_style(area);
    for (peer, color) in PEERS.iter().zip(COLORS) {
        area.draw(&Rectangle::new([(x, 38), (x + 12, 48)], color.filled()))?;
        let label = peer.label();
        area.draw_text(&label, &style, (x + 17, 38))?;
        x += area.estimate_text_size(&label, &style)?.0 as i32 + 36;
    }
    Ok(())
}
