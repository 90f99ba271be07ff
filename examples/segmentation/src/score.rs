//! How good the answers are.

use crate::data::CLASSES;

/// The Dice score of each class: twice the pixels that are rightly said to be of it, divided by all that are said to be
/// and all that are. From 0, where none is right, to 1, where all are.
pub fn dice(truth: &[usize], said: &[usize]) -> [f64; CLASSES] {
    core::array::from_fn(|class| {
        let count = |pixels: &[usize]| pixels.iter().filter(|&&it| it == class).count();
        let pairs = truth.iter().zip(said);
        let right = pairs
            .filter(|&(truth, said)| [truth, said] == [&class; 2])
            .count();
        match count(truth) + count(said) {
            // There was nothing to find, and nothing was found.
            0 => 1.0,
            either => 2.0 * right as f64 / either as f64,
        }
    })
}

/// The mean of the scores, in which a rare class counts as much as any.
pub fn mean(scores: [f64; CLASSES]) -> f64 {
    scores.iter().sum::<f64>() / CLASSES as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_the_overlap() {
        let truth = [0, 0, 0, 1, 1, 2];
        assert_eq!(dice(&truth, &truth), [1.0; CLASSES]);
        // Of class 3 there is nothing; of class 1 one of two pixels is found, and one is said too much.
        assert_eq!(
            dice(&truth, &[0, 0, 1, 1, 0, 0]),
            [4.0 / 7.0, 0.5, 0.0, 1.0]
        );
        assert_eq!(mean([1.0, 0.5, 0.0, 0.5]), 0.5);
    }
}
