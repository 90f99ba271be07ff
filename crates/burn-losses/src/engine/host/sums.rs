//! Numbers added up side by side, in an order that is always the same.

use super::numbers::Float;

/// How many are added up in their own type before the sum is widened.
pub(crate) const PART: usize = 128;

/// How many sums are kept side by side.
pub(crate) const LANES: usize = 16;

/// Sums side by side, in `f64`, of parts that are added up in the type of the numbers.
#[derive(Clone)]
pub(crate) struct Lanes([f64; LANES]);

impl Lanes {
    pub(crate) const NONE: Self = Self([0.0; LANES]);

    /// Adds a part: its halves, and theirs, until there are as many numbers as lanes.
    #[inline(always)]
    pub(crate) fn add<F: Float>(&mut self, part: &[F; PART]) {
        const {
            assert!(PART == 8 * LANES);
        }
        let half: [F; PART / 2] = halves(part);
        let quarter: [F; PART / 4] = halves(&half);
        self.add_one_each(&halves(&quarter));
    }

    /// Adds a part, or fewer numbers.
    #[inline(always)]
    pub(crate) fn add_up_to_a_part<F: Float>(&mut self, numbers: &[F]) {
        match numbers.first_chunk::<PART>() {
            Some(part) => self.add(part),
            None => self.add_fewer(numbers),
        }
    }

    /// Adds fewer numbers than a part has.
    #[inline(always)]
    pub(crate) fn add_fewer<F: Float>(&mut self, numbers: &[F]) {
        let mut lanes = [F::default(); LANES];
        let (whole, rest) = numbers.as_chunks::<LANES>();
        for numbers in whole {
            for lane in 0..LANES {
                lanes[lane] += numbers[lane];
            }
        }
        for (lane, &number) in lanes.iter_mut().zip(rest) {
            *lane += number;
        }
        self.add_one_each(&lanes);
    }

    #[inline(always)]
    pub(crate) fn add_one_each<F: Float>(&mut self, numbers: &[F; LANES]) {
        for (sum, number) in self.0.iter_mut().zip(numbers) {
            *sum += number.double();
        }
    }

    #[inline(always)]
    pub(crate) fn sum(&self) -> f64 {
        tree(self.0)
    }
}

/// Both halves of some numbers, added.
#[inline(always)]
pub(crate) fn halves<F: Float, const TWICE: usize, const N: usize>(numbers: &[F; TWICE]) -> [F; N] {
    const {
        assert!(TWICE == 2 * N);
    }
    let mut sums = [F::default(); N];
    for at in 0..N {
        sums[at] = numbers[at] + numbers[at + N];
    }
    sums
}

/// The sum, added up in `f64` from parts that are added up in the type of the numbers.
#[inline(always)]
pub(crate) fn total<F: Float>(numbers: &[F]) -> f64 {
    let mut lanes = Lanes::NONE;
    let (parts, rest) = numbers.as_chunks::<PART>();
    for part in parts {
        lanes.add(part);
    }
    lanes.add_fewer(rest);
    lanes.sum()
}

/// The sum in `f64`, each number multiplied by `scale`; `f32` numbers need none.
#[inline(always)]
pub(crate) fn sum<F: Float>(numbers: &[F], scale: f64) -> f64 {
    let double = |number: F| {
        if F::IS_DOUBLE {
            number.double() * scale
        } else {
            number.double()
        }
    };
    let mut lanes = [0.0; LANES];
    let (whole, rest) = numbers.as_chunks::<LANES>();
    for numbers in whole {
        let numbers = numbers.map(double);
        for lane in 0..LANES {
            lanes[lane] += numbers[lane];
        }
    }
    for (lane, &number) in lanes.iter_mut().zip(rest) {
        *lane += double(number);
    }
    tree(lanes)
}

/// The sum of the lanes, in pairs.
///
/// It is not inlined: the compiler would begin with its last pair and make the whole loop before it one over pairs,
/// in the narrowest vectors. And it takes the lanes, not where they are: else they would be there, not in registers.
#[inline(never)]
pub(crate) fn tree(mut lanes: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}
