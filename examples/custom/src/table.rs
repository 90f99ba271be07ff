//! What is measured of the runs, in columns.

use common::tabular::median;

/// How many runs there are with each loss, each with a split, weights and batches of its own.
const RUNS: u64 = 5;

/// A seed for each run, from the given one on.
pub fn seeds(first: u64) -> impl Iterator<Item = u64> + Clone {
    (0..RUNS).map(move |at| first.wrapping_add(at))
}

/// Writes the seeds above the columns.
pub fn heading(seeds: impl Iterator<Item = u64>) {
    let columns: String = seeds.map(|seed| format!("{seed:>8}")).collect();
    println!("{:<40} seed:{columns}    median", "");
}

/// Writes a number for each run, and gives their median.
pub fn row(measure: &str, name: &str, decimals: usize, numbers: impl Iterator<Item = f32>) -> f32 {
    let numbers: Vec<f32> = numbers.collect();
    let columns: String = numbers
        .iter()
        .map(|number| format!("{number:>8.decimals$}"))
        .collect();
    let median = median(numbers.into_iter());
    println!("{measure:<23}  {name:<21}{columns}  {median:>8.decimals$}");
    median
}
