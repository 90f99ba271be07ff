//! The float types: in which one is computed, and what it holds.

use burn::tensor::{DType, FloatDType};

/// The float type in which values of the given type are computed.
pub(crate) fn compute_dtype(dtype: DType) -> FloatDType {
    match dtype {
        DType::F64 => FloatDType::F64,
        _ => FloatDType::F32,
    }
}

/// The least positive number that has all digits in the type in which values of the given type are computed.
pub(crate) fn least_normal(dtype: DType) -> f64 {
    match compute_dtype(dtype) {
        FloatDType::F64 => f64::MIN_POSITIVE,
        _ => f64::from(f32::MIN_POSITIVE),
    }
}

/// The largest finite number of a float type: no gradient leaves this crate larger than that.
pub(crate) fn largest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 65504.0,
        DType::BF16 => 3.389_531_389_251_535_5e38,
        DType::F64 => f64::MAX,
        _ => f64::from(f32::MAX),
    }
}
