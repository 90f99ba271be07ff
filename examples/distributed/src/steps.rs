//! The images of each step, in pieces, some of them with an id that the loss ignores.

use common::Error;
use common::digits::Digit;

/// How many pieces a step has: one for each device, or accumulated one after the other.
pub const PIECES: usize = 2;
/// The id of an image that does not count.
pub const IGNORED: usize = 255;

/// The images of each step, in pieces of the same size.
pub struct Steps(Vec<[Vec<Digit>; PIECES]>);

impl Steps {
    /// As many whole steps as there are images for, with a share of the ids ignored: as many as possible in the first
    /// piece. At least one image of each piece counts.
    pub fn new(digits: &[Digit], size: usize, share: f64) -> Result<Self, Error> {
        if !size.is_multiple_of(PIECES) || size > digits.len() {
            let most = digits.len();
            return Err(format!("--batch-size must be even, and at most {most}").into());
        }
        let piece = size / PIECES;
        let ignored = (share * size as f64).round() as usize;
        let first = ignored.min(piece - 1);
        let second = (ignored - first).min(piece - 1);
        let steps = digits.chunks_exact(size).map(|step| {
            let (one, other) = step.split_at(piece);
            [ignore(one, first), ignore(other, second)]
        });
        Ok(Self(steps.collect()))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many images count in the pieces of a step.
    pub fn counting(&self) -> [usize; PIECES] {
        let counting = |piece: &Vec<Digit>| piece.iter().filter(|it| it.class != IGNORED).count();
        self.0[0].each_ref().map(counting)
    }

    /// The images step by step, and in each step piece by piece.
    pub fn in_order(&self) -> Vec<Digit> {
        self.0.iter().flatten().flatten().cloned().collect()
    }

    /// The first pieces of all steps, and then the second ones: with several devices Burn gives each a stretch of the
    /// samples.
    pub fn by_device(&self) -> Vec<Digit> {
        let of_device = |device: usize| self.0.iter().flat_map(move |pieces| &pieces[device]);
        (0..PIECES).flat_map(of_device).cloned().collect()
    }
}

/// Images of which the first ones are ignored.
fn ignore(digits: &[Digit], count: usize) -> Vec<Digit> {
    let mut digits = digits.to_vec();
    for digit in &mut digits[..count] {
        digit.class = IGNORED;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::digits::PIXELS;

    fn digits(count: usize) -> Vec<Digit> {
        let digit = |at: usize| Digit {
            pixels: [at as f32; PIXELS],
            class: 1,
        };
        (0..count).map(digit).collect()
    }

    #[test]
    fn each_device_gets_its_pieces() {
        let steps = Steps::new(&digits(19), 8, 0.5).unwrap();
        let marks = |digits: Vec<Digit>| -> Vec<usize> {
            digits.iter().map(|it| it.pixels[0] as usize).collect()
        };
        assert_eq!(steps.count(), 2);
        assert_eq!(marks(steps.in_order()), (0..16).collect::<Vec<_>>());
        let by_device = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15];
        assert_eq!(marks(steps.by_device()), by_device);
    }

    #[test]
    fn the_first_piece_has_most_of_what_is_ignored() {
        let counting = |share| Steps::new(&digits(8), 8, share).unwrap().counting();
        assert_eq!(
            [0.0, 0.25, 0.5, 0.99].map(counting),
            [[4, 4], [2, 4], [1, 3], [1, 1]]
        );
    }

    #[test]
    fn pieces_are_of_one_size() {
        assert!(Steps::new(&digits(8), 7, 0.5).is_err());
        assert!(Steps::new(&digits(8), 10, 0.5).is_err());
    }
}
