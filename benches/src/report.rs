//! The figures as a table, as CSV and as a chart.

use crate::cases::{BURN, OURS, PLAIN, UNCHECKED};
use plotters::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// PyTorch's contestants, as they are called here and there.
pub(crate) const TORCH: [&str; 2] = ["eager", "compiled"];

/// Liger's kernel in PyTorch's process.
pub(crate) const LIGER: &str = "liger";

/// JAX's contestant, as it is called here and there.
pub(crate) const JAX: &str = "jax";

/// Libraries of PyTorch, in its process, as they are called here and there.
pub(crate) const LIBRARIES: [&str; 5] = [
    "monai",
    "smp",
    "torchvision",
    "torchvision_compiled",
    "ultralytics",
];

/// What ours is measured against above all, of those that are there.
const FASTEST: &str = "the fastest of PyTorch's two and JAX";

/// What was measured of a case and a pass.
pub(crate) struct Measured {
    pub(crate) case: String,
    pub(crate) backward: bool,
    /// The least milliseconds it can take at the measured bandwidth, and whether an exponential or a
    /// logarithm per element comes on top.
    pub(crate) floor: f64,
    pub(crate) transcendental: bool,
    /// The milliseconds that the best schedule's traffic takes at the measured bandwidth, of
    /// cross-entropy with its gradient on a GPU.
    pub(crate) best: Option<f64>,
    /// The median milliseconds of each contestant.
    pub(crate) times: BTreeMap<&'static str, f64>,
    /// The peak of the memory beside the inputs, in bytes, of those in this process.
    pub(crate) memory: BTreeMap<&'static str, usize>,
}

impl Measured {
    fn pass(&self) -> &'static str {
        pass(self.backward)
    }

    /// How many times as long as ours something took.
    fn ratio(&self, name: &str) -> Option<f64> {
        Some(self.times.get(name)? / self.times.get(OURS)?)
    }

    /// The fastest of PyTorch's two and JAX, of those that are there.
    fn others(&self) -> Option<f64> {
        let names = TORCH.into_iter().chain([JAX]);
        names.filter_map(|name| self.ratio(name)).reduce(f64::min)
    }

    /// Which share of our time the best schedule's traffic takes.
    fn share(&self) -> Option<f64> {
        Some(self.best? / self.times.get(OURS)?)
    }

    fn floors(&self) -> Option<f64> {
        Some(self.times.get(OURS)? / self.floor)
    }
}

fn pass(backward: bool) -> &'static str {
    match backward {
        true => "forward+backward",
        false => "forward",
    }
}

/// A markdown table of a pass.
pub(crate) fn table(measured: &[Measured], names: &[&'static str], backward: bool) -> String {
    let mut table = String::from("| case |");
    for name in names {
        write!(table, " {name} |").expect("writing to a string");
    }
    table.push_str(" others / ours | Burn / ours | ours / floor |\n|---|");
    table.push_str(&"---:|".repeat(names.len() + 3));
    table.push('\n');
    for row in measured.iter().filter(|row| row.backward == backward) {
        write!(table, "| {} |", row.case).expect("writing to a string");
        for name in names {
            match row.times.get(name) {
                Some(time) => write!(table, " {} |", milliseconds(*time)),
                None => write!(table, " |"),
            }
            .expect("writing to a string");
        }
        let exp = if row.transcendental { " (exp)" } else { "" };
        writeln!(
            table,
            " {} | {} | {}{exp} |",
            times(row.others()),
            times(row.ratio(BURN)),
            times(row.floors()),
        )
        .expect("writing to a string");
    }
    table
}

fn milliseconds(time: f64) -> String {
    match time {
        time if time < 0.1 => format!("{time:.4}"),
        time if time < 10.0 => format!("{time:.2}"),
        time => format!("{time:.1}"),
    }
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"))
}

/// What the cases have in common: the medians of their ratios, and how many are below 1.
pub(crate) fn summary(measured: &[Measured]) -> String {
    type Ratio = fn(&Measured) -> Option<f64>;
    let ratios: [(&str, Ratio); 5] = [
        (FASTEST, Measured::others),
        ("burn::nn", |row| row.ratio(BURN)),
        ("liger", |row| row.ratio(LIGER)),
        ("unchecked", |row| row.ratio(UNCHECKED)),
        ("a plain loop", |row| row.ratio(PLAIN)),
    ];
    let mut summary = String::new();
    for backward in [true, false] {
        for (what, ratio) in ratios {
            let rows = measured.iter().filter(|row| row.backward == backward);
            let mut ratios: Vec<f64> = rows.filter_map(ratio).collect();
            ratios.sort_by(f64::total_cmp);
            if let Some(median) = ratios.get(ratios.len() / 2) {
                writeln!(
                    summary,
                    "median over the cases, {}, of {what} / ours: {median:.2}, below 1 in {} of {}",
                    pass(backward),
                    ratios.iter().filter(|ratio| **ratio < 1.0).count(),
                    ratios.len()
                )
                .expect("writing to a string");
            }
        }
    }
    for row in measured {
        if let Some(share) = row.share() {
            writeln!(
                summary,
                "{}: the best schedule's traffic takes {:.0}% of our time",
                row.case,
                100.0 * share
            )
            .expect("writing to a string");
        }
    }
    summary
}

/// A line for each case, pass and contestant.
pub(crate) fn csv(backend: &str, measured: &[Measured]) -> String {
    let mut csv =
        String::from("backend,case,pass,contestant,ms,peak_extra_bytes,floor_ms,over_ours\n");
    for row in measured {
        for (name, time) in &row.times {
            let memory = row.memory.get(name).map_or(String::new(), usize::to_string);
            writeln!(
                csv,
                "{backend},{},{},\"{name}\",{time},{memory},{},{}",
                row.case,
                row.pass(),
                row.floor,
                times(row.ratio(name))
            )
            .expect("writing to a string");
        }
    }
    csv
}

/// The ratios of forward and backward as bars, on a logarithmic scale.
pub(crate) fn chart(path: &Path, measured: &[Measured]) -> Result<(), Box<dyn std::error::Error>> {
    const BAR: i32 = 9;
    const ROW: i32 = 2 * BAR + 8;
    const LEFT: i32 = 240;
    const WIDTH: i32 = 760;
    const TOP: i32 = 56;
    let rows: Vec<_> = measured.iter().filter(|row| row.backward).collect();
    let height = TOP + ROW * rows.len() as i32 + 16;
    let root = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_font();
    let (others, burn) = (RGBColor(0xc8, 0x5a, 0x28), RGBColor(0x3a, 0x6e, 0xa5));
    root.draw(&Text::new(
        "How many times as long as burn-losses (forward+backward)",
        (12, 10),
        text(15),
    ))?;
    for (at, (name, colour)) in [(FASTEST, others), ("burn::nn", burn)]
        .into_iter()
        .enumerate()
    {
        let left = LEFT + 260 * at as i32;
        root.draw(&Rectangle::new(
            [(left, 36), (left + 10, 46)],
            colour.filled(),
        ))?;
        root.draw(&Text::new(name, (left + 15, 35), text(12)))?;
    }
    // From a half to 128 times as long.
    let place = |ratio: f64| {
        let share = (ratio.log2() + 1.0) / 8.0;
        LEFT + (share.clamp(0.0, 1.0) * f64::from(WIDTH - LEFT - 60)) as i32
    };
    for ratio in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0] {
        let x = place(ratio);
        let colour = if ratio == 1.0 {
            BLACK
        } else {
            RGBColor(210, 210, 210)
        };
        root.draw(&PathElement::new(
            vec![(x, TOP - 4), (x, height - 12)],
            colour,
        ))?;
        root.draw(&Text::new(
            format!("{ratio}"),
            (x - 4, height - 12),
            text(10),
        ))?;
    }
    for (at, row) in rows.iter().enumerate() {
        let top = TOP + ROW * at as i32;
        root.draw(&Text::new(row.case.clone(), (12, top + 3), text(12)))?;
        let bars = [(row.others(), others), (row.ratio(BURN), burn)];
        for (below, (ratio, colour)) in bars.into_iter().enumerate() {
            let Some(ratio) = ratio else {
                continue;
            };
            let top = top + BAR * below as i32;
            let (from, to) = (place(1.0).min(place(ratio)), place(1.0).max(place(ratio)));
            let corners = [(from, top), (to.max(from + 1), top + BAR - 1)];
            root.draw(&Rectangle::new(corners, colour.filled()))?;
            root.draw(&Text::new(
                format!("{ratio:.1}"),
                (to + 4, top - 1),
                text(9),
            ))?;
        }
    }
    root.present()?;
    Ok(())
}
