//! `exp`, `ln` and `ln_1p` of primitive floats, in plain arithmetic.
//!
//! The standard library's are calls, and a loop with a call in it is not vectorised. These are a
//! polynomial and some bit patterns without a branch, so a loop over them becomes vector code, and
//! gives the same digits whatever the width of the vectors. (A check for overflow would be a branch:
//! the integers wrap, which none of them does.) All are within two units in the last place.

/// Stamps the functions for a float type; the constants are all that differs.
macro_rules! elementary {
    (
        $name:ident,
        $float:ident,
        $bits:ident,
        $signed:ident,
        |$f:ident, $square:ident| $correction:expr,
        $c:expr
    ) => {
        pub(super) mod $name {
            use super::Constants;

            /// `a * b + c`, rounded once.
            #[inline(always)]
            pub(crate) fn multiply_add(a: $float, b: $float, c: $float) -> $float {
                #[cfg(feature = "std")]
                return a.mul_add(b, c);
                #[cfg(not(feature = "std"))]
                return a * b + c;
            }

            const C: Constants<$float> = $c;
            /// The sum with this number has the nearest whole number in its last bits.
            const ROUND: $float = C.round;
            /// As [`ROUND`], for the sum of that number and twice the bias of an exponent.
            const ROUND_BIASED: $float = C.round + 2.0 * C.bias;
            const MANTISSA: u32 = $float::MANTISSA_DIGITS - 1;

            /// The coefficients are of falling powers. Even and odd ones are added up apart, as each
            /// step waits for the one before.
            #[inline(always)]
            fn polynomial(coefficients: &[$float], x: $float) -> $float {
                let square = x * x;
                let mut sums = [coefficients[0], coefficients[1]];
                let mut at = 2;
                while at < coefficients.len() {
                    sums[at % 2] = multiply_add(sums[at % 2], square, coefficients[at]);
                    at += 1;
                }
                let last = (coefficients.len() - 1) % 2;
                multiply_add(sums[1 - last], x, sums[last])
            }

            /// The number with this exponent, which is biased; what is above its bits falls off.
            #[inline(always)]
            fn power_of_two(biased: $bits) -> $float {
                $float::from_bits(biased << MANTISSA)
            }

            /// Two numbers whose product is `ln(1 + f) - f + f^2/2`.
            #[inline(always)]
            fn correction($f: $float, $square: $float) -> ($float, $float) {
                $correction
            }

            #[inline(always)]
            pub(crate) fn exp(x: $float) -> $float {
                // Beyond these bounds the result is 0 or infinite all the same. NaN passes.
                let x = if x < C.exp_least { C.exp_least } else { x };
                let x = if x > C.exp_most { C.exp_most } else { x };
                let rounded = multiply_add(x, core::$name::consts::LOG2_E, ROUND_BIASED);
                let whole = rounded - ROUND_BIASED;
                let r = multiply_add(whole, -C.ln2_high, x);
                let r = multiply_add(whole, -C.ln2_low, r);
                let series = polynomial(C.exp, r);
                let result = multiply_add(series * r, r, r) + 1.0;
                // In two steps, so that a result below the normal numbers is rounded once.
                let both = rounded.to_bits();
                let half = both >> 1;
                result * power_of_two(half) * power_of_two(both.wrapping_sub(half))
            }

            #[inline(always)]
            pub(crate) fn ln(x: $float) -> $float {
                // Numbers below the normal ones are brought into their range.
                let tiny = x < $float::MIN_POSITIVE;
                let scaled = if tiny { x * C.up } else { x };
                let down: $float = if tiny { C.up_log2 } else { 0.0 };
                let (m, k) = parts(scaled);
                let ln = ln_of_parts(m - 1.0, whole(k) - down);
                let ln = if x == 0.0 { $float::NEG_INFINITY } else { ln };
                let ln = if x < 0.0 { $float::NAN } else { ln };
                // Infinity and NaN are their own logarithm.
                if x < $float::INFINITY { ln } else { x }
            }

            /// `ln(1 + x)`, accurate for tiny numbers.
            #[inline(always)]
            pub(crate) fn ln_1p(x: $float) -> $float {
                let sum = x + 1.0;
                let (m, k) = parts(sum);
                // What the sum has lost of the number is added where it is as large as there: beside `m - 1`, which is 0 for
                // a tiny number. Beside a sum whose power of two has no inverse it is nothing.
                let lost = x - (sum - 1.0);
                let bias = C.bias as $signed;
                let biased = bias.wrapping_sub(if k < bias { k } else { bias });
                let inverse = power_of_two(biased as $bits);
                let ln = ln_of_parts(multiply_add(lost, inverse, m - 1.0), whole(k));
                let ln = if sum == 0.0 { $float::NEG_INFINITY } else { ln };
                let ln = if sum < 0.0 { $float::NAN } else { ln };
                if x < $float::INFINITY { ln } else { x }
            }

            /// `m` and `k`, of a normal number `m 2^k` with `m` from `sqrt(1/2)` to `sqrt(2)`.
            #[inline(always)]
            fn parts(x: $float) -> ($float, $signed) {
                let above = (x.to_bits()).wrapping_sub(C.sqrt_half_bits as $bits);
                let k = (above as $signed) >> MANTISSA;
                let m = $float::from_bits(x.to_bits().wrapping_sub((k << MANTISSA) as $bits));
                (m, k)
            }

            /// A small whole number as a float.
            #[inline(always)]
            fn whole(k: $signed) -> $float {
                $float::from_bits(ROUND.to_bits().wrapping_add(k as $bits)) - ROUND
            }

            /// The logarithm of `(1 + f) 2^k`.
            #[inline(always)]
            fn ln_of_parts(f: $float, k: $float) -> $float {
                // ln(1 + f) = f - (f^2/2 - correction): the leading f is exact.
                let square = f * f;
                let (one, other) = correction(f, square);
                let low = multiply_add(one, other, k * C.ln2_low);
                multiply_add(k, C.ln2_high, f - multiply_add(square, 0.5, -low))
            }
        }
    };
}

struct Constants<F: 'static> {
    bias: F,
    round: F,
    ln2_high: F,
    ln2_low: F,
    exp_least: F,
    exp_most: F,
    /// Of `(exp(r) - 1 - r) / r^2`.
    exp: &'static [F],
    /// A power of two that makes numbers normal, and its logarithm.
    up: F,
    up_log2: F,
    sqrt_half_bits: u64,
    /// Of the correction of a logarithm.
    ln: &'static [F],
}

// The polynomials are those of their degree whose largest relative error in the result is least.
elementary!(
    f32,
    f32,
    u32,
    i32,
    |f, square| (f * square, polynomial(C.ln, f)),
    Constants {
        bias: 127.0,
        round: 12_582_912.0,
        ln2_high: 355.0 / 512.0,
        ln2_low: -2.121_944_4e-4,
        exp_least: -104.0,
        exp_most: 89.0,
        exp: &[
            1.381_459_8e-3,
            8.368_717e-3,
            4.166_839e-2,
            0.166_665_21,
            0.499_999_94,
        ],
        up: 33_554_432.0,
        up_log2: 25.0,
        sqrt_half_bits: 0x3f35_04f3,
        ln: &[
            -7.634_497e-2,
            0.127_615_76,
            -0.131_601_83,
            0.142_017_57,
            -0.166_233_57,
            0.200_012_27,
            -0.250_008_2,
            0.333_333_3,
        ],
    }
);

// The terms of the series: `1 / n!`, and `2 / (2 n + 1)` of the odd one in `s = f / (2 + f)`, with whose rest `R`
// the correction is `s (f^2/2 + R)`.
elementary!(
    f64,
    f64,
    u64,
    i64,
    |f, square| {
        let s = f / (f + 2.0);
        let rest = polynomial(C.ln, s * s) * (s * s);
        (s, multiply_add(square, 0.5, rest))
    },
    Constants {
        bias: 1023.0,
        round: 6_755_399_441_055_744.0,
        ln2_high: 0.693_147_180_369_123_8,
        ln2_low: 1.908_214_929_270_587_7e-10,
        exp_least: -746.0,
        exp_most: 710.0,
        exp: &[
            1.0 / 6_227_020_800.0,
            1.0 / 479_001_600.0,
            1.0 / 39_916_800.0,
            1.0 / 3_628_800.0,
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
        ],
        up: 18_014_398_509_481_984.0,
        up_log2: 54.0,
        sqrt_half_bits: 0x3fe6_a09e_667f_3bcd,
        ln: &[
            2.0 / 23.0,
            2.0 / 21.0,
            2.0 / 19.0,
            2.0 / 17.0,
            2.0 / 15.0,
            2.0 / 13.0,
            2.0 / 11.0,
            2.0 / 9.0,
            2.0 / 7.0,
            2.0 / 5.0,
            2.0 / 3.0,
        ],
    }
);

#[cfg(test)]
mod tests {
    /// How far `found` is from `expected`, in units of its last place (of `f32` or `f64`).
    fn units(found: f64, expected: f64, epsilon: f64, least: f64) -> f64 {
        if found == expected || (found.is_nan() && expected.is_nan()) {
            return 0.0;
        }
        (found - expected).abs() / (expected.abs().max(least) * epsilon)
    }

    #[test]
    fn exp_and_ln_are_accurate() {
        let mut worst = [0f64; 4];
        for step in -110_000..90_000 {
            let x = step as f32 / 1000.0;
            let least = f64::from(f32::MIN_POSITIVE);
            let expected = f64::from(f64::from(x).exp() as f32);
            let found = f64::from(super::f32::exp(x));
            worst[0] = worst[0].max(units(found, expected, f64::from(f32::EPSILON), least));
            let positive = f64::from(x).exp() as f32;
            let expected = f64::from(f64::from(positive).ln() as f32);
            let found = f64::from(super::f32::ln(positive));
            worst[1] = worst[1].max(units(found, expected, f64::from(f32::EPSILON), 1e-30));

            let x = f64::from(step) / 145.3;
            let found = super::f64::exp(x);
            worst[2] = worst[2].max(units(found, x.exp(), f64::EPSILON, f64::MIN_POSITIVE));
            let positive = x.exp();
            let found = super::f64::ln(positive);
            worst[3] = worst[3].max(units(found, positive.ln(), f64::EPSILON, 1e-300));
        }
        assert!(worst.iter().all(|&worst| worst <= 2.0), "{worst:?}");
    }

    #[test]
    fn ln_1p_is_accurate() {
        let mut worst = [0f64; 2];
        let sizes = (0..400_000).map(|step| 10f64.powf(f64::from(step) / 5000.0 - 42.0));
        let both = sizes.flat_map(|size| [size, -size]);
        for x in both.filter(|&x| x > -1.0) {
            let narrow = x as f32;
            if narrow > -1.0 {
                let expected = f64::from(f64::from(narrow).ln_1p() as f32);
                let found = f64::from(super::f32::ln_1p(narrow));
                let least = f64::from(f32::MIN_POSITIVE);
                worst[0] = worst[0].max(units(found, expected, f64::from(f32::EPSILON), least));
            }
            let found = super::f64::ln_1p(x);
            worst[1] = worst[1].max(units(found, x.ln_1p(), f64::EPSILON, 1e-300));
        }
        assert!(worst.iter().all(|&worst| worst <= 2.0), "{worst:?}");
    }

    #[test]
    fn limits_of_ln_1p() {
        assert_eq!(super::f32::ln_1p(-1.0), f32::NEG_INFINITY);
        assert_eq!(super::f64::ln_1p(-1.0), f64::NEG_INFINITY);
        assert!(super::f32::ln_1p(-1.5).is_nan() && super::f64::ln_1p(-1e300).is_nan());
        assert!(super::f32::ln_1p(f32::NAN).is_nan() && super::f64::ln_1p(f64::NAN).is_nan());
        assert!(super::f32::ln_1p(f32::NEG_INFINITY).is_nan());
        assert_eq!(super::f32::ln_1p(f32::INFINITY), f32::INFINITY);
        assert_eq!(super::f64::ln_1p(f64::INFINITY), f64::INFINITY);
        assert_eq!(super::f32::ln_1p(0.0), 0.0);
        assert_eq!(super::f32::ln_1p(f32::from_bits(1)), f32::from_bits(1));
        assert_eq!(super::f64::ln_1p(-5e-324), -5e-324);
        assert!((super::f32::ln_1p(f32::MAX) - 88.722_84).abs() < 1e-5);
        assert!((super::f64::ln_1p(f64::MAX) - 709.782_712_893_384).abs() < 1e-12);
    }

    #[test]
    fn limits() {
        assert_eq!(super::f32::exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(super::f32::exp(-1e30), 0.0);
        assert_eq!(super::f32::exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(super::f32::exp(0.0), 1.0);
        assert!(super::f32::exp(f32::NAN).is_nan());
        assert!(super::f32::exp(-103.0) > 0.0);
        assert_eq!(super::f64::exp(f64::NEG_INFINITY), 0.0);
        assert_eq!(super::f64::exp(f64::INFINITY), f64::INFINITY);
        assert!(super::f64::exp(-745.0) > 0.0);
        assert!(super::f64::exp(f64::NAN).is_nan());
        assert_eq!(super::f32::ln(0.0), f32::NEG_INFINITY);
        assert_eq!(super::f32::ln(1.0), 0.0);
        assert_eq!(super::f32::ln(f32::INFINITY), f32::INFINITY);
        assert!(super::f32::ln(-1.0).is_nan() && super::f32::ln(f32::NAN).is_nan());
        assert_eq!(super::f64::ln(0.0), f64::NEG_INFINITY);
        assert_eq!(super::f64::ln(1.0), 0.0);
        assert!(super::f64::ln(-1.0).is_nan() && super::f64::ln(f64::NAN).is_nan());
        let least = f32::from_bits(1);
        assert!((super::f32::ln(least) + 103.278_93).abs() < 1e-4);
    }
}
