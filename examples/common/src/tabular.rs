//! Numbers in tables: reading them, and bringing columns to one scale.

use flate2::read::GzDecoder;
use rand::Rng;
use rand::seq::SliceRandom;

use crate::Error;

/// A table of numbers.
pub struct Table {
    /// The names of the columns, if the file has them.
    pub names: Vec<String>,
    /// The numbers.
    pub rows: Vec<Vec<f32>>,
}

/// Reads a gzipped table.
pub fn read(file: &[u8], delimiter: u8, has_names: bool) -> Result<Table, Error> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(has_names)
        .from_reader(GzDecoder::new(file));
    let names = match has_names {
        true => reader.headers()?.iter().map(String::from).collect(),
        false => Vec::new(),
    };
    let rows = reader.into_deserialize().collect::<Result<_, _>>()?;
    Ok(Table { names, rows })
}

/// Splits samples at random into those to train on and one in `held_out` to test with.
pub fn split<S>(mut samples: Vec<S>, held_out: usize, rng: &mut impl Rng) -> (Vec<S>, Vec<S>) {
    samples.shuffle(rng);
    let train = samples.split_off(samples.len() / held_out);
    (train, samples)
}

/// The mean and the standard deviation of each column.
#[derive(Clone, Debug)]
pub struct Scale {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Scale {
    /// The scale of rows of the same length. A constant column has deviation 1.
    pub fn of<'a>(rows: impl Iterator<Item = &'a [f32]> + Clone) -> Self {
        let width = rows.clone().next().map_or(0, <[f32]>::len);
        let column = |index: usize| rows.clone().map(move |row| row[index]);
        let mean: Vec<f32> = (0..width).map(|index| mean(column(index))).collect();
        let deviation = (0..width).map(|index| {
            let variance = self::mean(column(index).map(|value| (value - mean[index]).powi(2)));
            if variance > 0.0 { variance.sqrt() } else { 1.0 }
        });
        let deviation = deviation.collect();
        Self { mean, deviation }
    }

    /// The row in units of the deviation from the mean.
    pub fn apply(&self, row: &[f32]) -> Vec<f32> {
        let columns = row.iter().zip(&self.mean).zip(&self.deviation);
        columns
            .map(|((value, mean), deviation)| (value - mean) / deviation)
            .collect()
    }

    /// Back from units of the deviation, for a single column.
    pub fn invert(&self, value: f32) -> f32 {
        value * self.deviation[0] + self.mean[0]
    }

    /// The mean of the first column.
    pub fn mean(&self) -> f32 {
        self.mean[0]
    }

    /// The deviation of the first column.
    pub fn deviation(&self) -> f32 {
        self.deviation[0]
    }
}

/// The mean; 0 of nothing.
pub fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| {
        (sum + f64::from(value), count + 1.0)
    });
    (sum / f64::max(count, 1.0)) as f32
}

/// The median; 0 of nothing.
pub fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// The number around which the errors cancel out where none counts for more than the limit: the
/// median if that is 0, the mean if it is large; 0 of nothing.
pub fn huber_mean(values: impl Iterator<Item = f32> + Clone, limit: f32) -> f32 {
    (0..100).fold(median(values.clone()), |middle, _| {
        let errors = values.clone().map(|value| value - middle);
        middle + mean(errors.map(|error| error.clamp(-limit, limit)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_scaled_and_back() {
        let rows = [vec![1.0, 5.0], vec![3.0, 5.0]];
        let scale = Scale::of(rows.iter().map(Vec::as_slice));
        assert_eq!(scale.apply(&rows[0]), [-1.0, 0.0]);
        assert_eq!(scale.apply(&rows[1]), [1.0, 0.0]);
        assert_eq!(scale.invert(-1.0), 1.0);
    }

    #[test]
    fn the_middle_of_few() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([3.0, 1.0, 2.0, 9.0].into_iter()), 2.5);
        assert_eq!(mean([1.0, 2.0, 6.0].into_iter()), 3.0);

        let between = |limit| huber_mean([0.0, 0.0, 0.0, 9.0].into_iter(), limit);
        assert_eq!([0.0, 99.0].map(between), [0.0, 2.25]);
        // Three errors of -1/3, and one that counts for 1.
        assert!((between(1.0) - 1.0 / 3.0).abs() < 1e-6);
    }
}
