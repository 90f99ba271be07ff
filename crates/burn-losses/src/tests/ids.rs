//! The mathematics by which a kernel finds its way in memory, run on this processor over all integers.

use crate::real::id::{ClassifiedId, Id, classify};
use burn::tensor::{DType, Device, Tensor, TensorData};
use proptest::prelude::*;

/// What an id is, said the plain way.
fn is_class(id: i64, count: usize, ignored: &[i64]) -> bool {
    !ignored.contains(&id) && (0..count as i64).contains(&id)
}

/// Ids of all sizes, and those at which something changes.
fn ids(count: usize) -> impl Strategy<Value = i64> {
    let count = count as i64;
    prop_oneof![
        any::<i64>(),
        any::<i32>().prop_map(i64::from),
        -2..=count + 1,
        prop::sample::select(vec![
            i64::MIN,
            i64::MAX,
            i32::MIN.into(),
            i32::MAX.into(),
            -100,
            -1,
            0,
            254,
            255,
            256,
            65_535,
            65_536,
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn no_id_leads_out_of_the_classes(
        (count, id, ignored) in (1usize..=i32::MAX as usize).prop_flat_map(|count| {
            (Just(count), ids(count), prop::collection::vec(ids(count), 0..3))
        })
    ) {
        let ClassifiedId { class, is_class: found, valid } = classify(id, count, &ignored);
        prop_assert!((0..count as i64).contains(&class));
        prop_assert_eq!(found, is_class(id, count, &ignored));
        prop_assert_eq!(valid, found || ignored.contains(&id));
        prop_assert!(!found || class == id);
    }
}

/// The ids of a type that cannot hold the number of classes, or an ignored id.
#[test]
fn ids_of_narrow_types_are_not_wrapped() {
    let device = Device::flex();
    let ids: Vec<i64> = (0..256).collect();
    let data = TensorData::new(ids.clone(), [256]).convert_dtype(DType::U8);
    let tensor = Tensor::<1, burn::tensor::Int>::from_data(data, (&device, DType::U8));
    for (count, ignored) in [
        (300, vec![-100]),
        (300, vec![256]),
        (200, vec![255]),
        (256, vec![]),
    ] {
        let found = classify(tensor.clone(), count, &ignored);
        let found: Vec<bool> = found.is_class.into_data().iter::<bool>().collect();
        let expected: Vec<bool> = ids
            .iter()
            .map(|&id| is_class(id, count, &ignored))
            .collect();
        assert_eq!(found, expected, "{count} classes, {ignored:?} ignored");
    }
    assert_eq!(tensor.range(), (0, 255));
}
