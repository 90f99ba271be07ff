//! How well a place tells the digit.

/// The mean average precision: each image in turn is the query, all others are ranked by their
/// distance to it, and those of its class should come first. 1 at best.
pub(crate) fn mean_average_precision(places: &[(Vec<f32>, usize)]) -> f64 {
    let precisions = (0..places.len()).map(|query| average_precision(places, query));
    precisions.sum::<f64>() / places.len().max(1) as f64
}

/// The mean, over the places at which images of the query's class are ranked, of the share of such
/// images up to there. 0 where there is no other of the class.
fn average_precision(places: &[(Vec<f32>, usize)], query: usize) -> f64 {
    let (from, class) = &places[query];
    let others = places
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != query);
    let mut ranked: Vec<(f32, bool)> = others
        .map(|(_, (place, of))| (squared_distance(from, place), of == class))
        .collect();
    ranked.sort_by(|(one, _), (other, _)| one.total_cmp(other));

    let (mut alike, mut sum) = (0.0, 0.0);
    for (rank, _) in (1..).zip(&ranked).filter(|(_, (_, alike))| *alike) {
        alike += 1.0;
        sum += alike / f64::from(rank);
    }
    sum / f64::max(alike, 1.0)
}

fn squared_distance(from: &[f32], to: &[f32]) -> f32 {
    from.iter().zip(to).map(|(a, b)| (a - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_the_same_class_count_by_their_rank() {
        let places = [(0.0, 0), (1.0, 0), (2.0, 1), (3.0, 0)];
        let places = places.map(|(place, class)| (vec![place], class));
        // Ranked first and third: (1/1 + 2/3) / 2.
        assert!((average_precision(&places, 0) - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(average_precision(&places, 2), 0.0);
    }
}
