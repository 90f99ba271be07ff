//! How numbers are scaled, and kept in the range of their type.

use super::numbers::Float;

/// How a sum and its gradient are scaled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// What the losses are multiplied by before they are added up: a power of two that keeps the
    /// sum of `f64` losses in range.
    pub(crate) losses: f64,
    /// What the weights of the samples are multiplied by: with it their sum is about 1 where the losses
    /// are averaged, so that a mean does not depend on how large its weights are.
    pub(crate) weights: Power,
    /// What the gradient is multiplied by.
    pub(crate) gradient: f64,
}

impl Scale {
    /// The weight of a sample of a class as both count. What is not 0 does not become it: a loss that is NaN
    /// shows, however little it counts.
    #[inline(always)]
    pub(crate) fn weight_of<F: Float>(&self, weight: f64, of_class: f64) -> F {
        kept(
            self.weights.times(weight) * of_class,
            (weight != 0.0) & (of_class != 0.0),
        )
    }

    /// As [`weight_of`](Self::weight_of), where there are no classes.
    #[inline(always)]
    pub(crate) fn weight<F: Float>(&self, weight: f64) -> F {
        self.weight_of(weight, 1.0)
    }
}

/// A product in the type, and the least number of that where the product is 0 and no factor is.
#[inline(always)]
pub(crate) fn kept<F: Float>(product: f64, counts: bool) -> F {
    let product = F::of(product);
    let lost = product.equals(0.0) & counts;
    product.replace(lost, F::LEAST)
}

/// A power of two as two factors: as one it may be out of range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Power([f64; 2]);

impl Power {
    pub(crate) const ONE: Self = Self([1.0; 2]);

    /// One over the least power of two above a positive number, which is a sum that was itself scaled by
    /// `2^-shift`.
    pub(crate) fn over(number: f64, shift: i32) -> Self {
        let exponent = -exponent(number) - shift;
        let half = exponent / 2;
        Self([half, exponent - half].map(power_of_two))
    }

    #[inline(always)]
    pub(crate) fn times(&self, number: f64) -> f64 {
        number * self.0[0] * self.0[1]
    }
}

/// A power of two that is a normal number. (Of `powi` nobody says that it is exact.)
pub(crate) fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

/// The exponent of the least power of two that is above a positive number.
pub(crate) fn exponent(number: f64) -> i32 {
    let (mantissa, exponent, _) = num_traits::Float::integer_decode(number);
    i32::from(exponent) + 64 - mantissa.leading_zeros() as i32
}

/// Divides weights of classes by a power of two, so that none is far above 1 and none of them is lost; gives that number. The
/// product of a loss and a weight may be out of range where its share of a mean is not.
pub(crate) fn about_one(weights: &mut [f64]) -> f64 {
    const DIGITS: i32 = 100;
    // More would not help: a loss times what is left is out of range only where no number of samples brings it back.
    const MOST: i32 = 40;
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let above_0 = weights.iter().copied().filter(|&weight| weight > 0.0);
    let least = above_0.fold(1.0, f64::min);
    if largest <= 1.0 {
        return 1.0;
    }
    let size = exponent(largest).min(exponent(least) + DIGITS);
    let size = power_of_two(size.clamp(0, MOST));
    for weight in weights {
        *weight /= size;
    }
    size
}

/// The number, or the largest one of its type where it is beyond that; NaN stays NaN.
#[inline(always)]
pub(crate) fn clamp<F: Float>(number: F) -> F {
    number.at_least(-F::MAX).at_most(F::MAX)
}

/// Multiplies slopes and clamps them to what their type holds; says whether one was beyond it. NaN stays NaN.
#[inline(always)]
pub(crate) fn scale_each<F: Float>(slopes: &mut [F], scale: F) -> bool {
    let mut beyond = false;
    for slope in slopes {
        let scaled = *slope * scale;
        beyond |= scaled.abs().above(F::MAX);
        *slope = clamp(scaled);
    }
    beyond
}

/// The number in a type that may be narrower, or the largest one of that.
#[inline(always)]
pub(crate) fn narrow<F: Float, C: Float>(number: C) -> F {
    F::of(number.at_least(-F::MAX).at_most(F::MAX).double())
}

/// The numbers multiplied by factors; a factor of 0 makes anything 0.
#[inline(always)]
pub(crate) fn multiply<F: Float>(numbers: &mut [F], factors: &[F]) {
    for (number, &factor) in numbers.iter_mut().zip(factors) {
        *number = number.times_or_zero(factor);
    }
}
