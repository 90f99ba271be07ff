//! Autodiff contexts, devices and element types: where tensors come from must not matter.

use crate::common::{TestDevice, assert_close, devices, numbers};
use crate::harness::*;
use crate::table::*;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_losses::prelude::*;

fn autodiff(on: &TestDevice) -> Device {
    on.device.clone().autodiff()
}

fn checkpointing(on: &TestDevice) -> Device {
    autodiff(on).gradient_checkpointing()
}

#[test]
fn an_untracked_call_gives_an_untracked_value_on_the_same_device() {
    everywhere(OnGpu::First, |variant, on| {
        let batch = variant.batch(30, 4, 3);
        let expected = exact(variant, Reduction::Mean, &batch).value;
        for device in [on.device.clone(), autodiff(on), checkpointing(on)] {
            let place = Place {
                device: device.clone(),
                ..Place::new(on, DType::F32)
            };
            let args = batch.at(&place, &place);
            let value = variant.value(Reduction::Mean, args.clone());
            let each = variant.each(args.clone());
            let parts = variant.parts(args);
            assert_close("value", &numbers(&value), &[expected], 1e-5);
            assert!(!value.is_tracked() && !each.is_tracked());
            assert_eq!(value.device(), device, "the device of the value");
            assert_eq!(value.is_autodiff(), device.is_autodiff(), "the value");
            assert_eq!(
                each.is_autodiff(),
                device.is_autodiff(),
                "the unreduced loss"
            );
            assert_eq!(parts.sum.is_autodiff(), device.is_autodiff(), "the sum");
        }
    });
}

/// Every context a tracked input may have, with every context its target may have.
#[test]
fn the_targets_context_does_not_matter() {
    for_samples(OnGpu::First, |variant, on| {
        let batch = variant.batch(31, 4, 3);
        let expected = exact(variant, Reduction::Mean, &batch);
        for inputs in [autodiff(on), checkpointing(on)] {
            for target in [on.device.clone(), autodiff(on), checkpointing(on)] {
                let place = |device: &Device| Place {
                    device: device.clone(),
                    ..Place::new(on, DType::F32)
                };
                let args = batch.at(&place(&inputs), &place(&target)).tracked();
                let leaves = args.inputs.clone();
                // An operation before the loss, which checkpointing may recompute.
                let args = args.map_inputs(|input| input * 2.0 * 0.5);
                let weights = Weights::PerSample(Tensor::ones([4], &target));
                let value = variant.value(Reduction::Mean, args.clone()) * 0.5
                    + variant.weighted(Reduction::Mean, args, weights) * 0.5;
                let found = outcome_of(value, &leaves);
                let what = format!("inputs on {inputs:?}, target on {target:?}");
                assert_same(&what, &found, &expected, 1e-5);
            }
        }
    });
}

/// Of a loss of several inputs any one may be tracked alone, the others in any context.
#[test]
fn each_input_can_be_tracked_alone() {
    everywhere(OnGpu::First, |variant, on| {
        let batch = variant.batch(32, 4, 3);
        let expected = exact(variant, Reduction::Mean, &batch);
        let place = |device: &Device| Place {
            device: device.clone(),
            ..Place::new(on, DType::F32)
        };
        for tracked in 0..batch.inputs.len() {
            for own in [autodiff(on), checkpointing(on)] {
                for others in [on.device.clone(), autodiff(on), checkpointing(on)] {
                    let mut args = batch.at(&place(&others), &place(&others));
                    let leaf = place(&own).floats(&batch.inputs[tracked]).require_grad();
                    args.inputs[tracked] = leaf.clone();
                    let found = outcome_of(variant.value(Reduction::Mean, args), &[leaf]);
                    let what = format!("input {tracked} on {own:?}, the others on {others:?}");
                    assert_close(&what, &[found.value], &[expected.value], 1e-5);
                    assert_close(
                        &what,
                        &found.gradients[0],
                        &expected.gradients[tracked],
                        1e-5,
                    );
                }
            }
        }
    });
}

/// The integer types a device can hold.
fn int_types(on: &TestDevice) -> Vec<DType> {
    use DType::*;
    let all = [I8, I16, I32, I64, U8, U16, U32, U64];
    let types: Vec<DType> = all
        .into_iter()
        .filter(|&dtype| on.device.supports_dtype(dtype))
        .collect();
    assert!(!types.is_empty(), "{} holds no integers", on.name);
    types
}

/// A variant on every device with every integer type for its target.
fn with_int_types(variant: impl Fn() -> Variant, check: impl Fn(&Variant, &TestDevice, DType)) {
    let _turn = beside_others();
    let cases = devices().into_iter().flat_map(|on| {
        let types = int_types(&on).into_iter();
        types.map(move |int| (format!("{int:?} on {}", on.name), (on.clone(), int)))
    });
    each_case(cases, |(on, int)| check(&variant(), &on, int));
}

fn ids_of(int: DType, batch: &Batch, on: &TestDevice) -> Args {
    let place = Place {
        int: Some(int),
        ..Place::new(on, DType::F32)
    };
    batch.at(&place, &place)
}

/// Checks variants with every integer type for their target. The types without a sign have no -1:
/// for them the target is changed first.
fn same_in_all_int_types(seed: u64, variants: &[fn() -> Variant], unsigned: fn(&mut Array)) {
    for variant in variants {
        with_int_types(variant, |variant, on, int| {
            let mut batch = variant.batch(seed, 6, 5);
            if matches!(int, DType::U8 | DType::U16 | DType::U32 | DType::U64) {
                let (_, target) = batch.target.as_mut().expect("a target");
                unsigned(target);
            }
            let found = outcome(variant, Reduction::Mean, ids_of(int, &batch, on).tracked());
            let expected = exact(variant, Reduction::Mean, &batch);
            assert_same(&variant.name, &found, &expected, 1e-5);
        });
    }
}

#[test]
fn class_ids_are_of_any_int_type() {
    let variants: [fn() -> Variant; 5] = [
        || cross_entropy("cross-entropy", plain()),
        || nll("NLL", plain()),
        || multi_margin("multi-margin", false, MultiMarginLossConfig::new()),
        || {
            of_logits_spatial("dice", Axes::ClassSecond, vec![], |r, _| {
                DiceLossConfig::new().with_reduction(r).init()
            })
        },
        || load_balance_3("load balance", 2, LoadBalanceLossConfig::new()),
    ];
    same_in_all_int_types(33, &variants, |_| ());
}

#[test]
fn labels_and_counts_are_of_any_int_type() {
    let variants: [fn() -> Variant; 3] = [
        || bce("BCE", Kind::Int, BinaryOptions::default()),
        || multi_label_soft_margin("multi-label soft margin", Kind::Int, false),
        || poisson_nll("Poisson", Kind::Int, PoissonNllLossConfig::new()),
    ];
    same_in_all_int_types(34, &variants, |_| ());
}

#[test]
fn signs_are_of_any_int_type() {
    let variants: [fn() -> Variant; 3] = [
        || hinge_embedding("hinge embedding", Kind::Int, 1.0),
        || soft_margin("soft margin", Kind::Int),
        || cosine_embedding("cosine embedding", Kind::Int, 0.0),
    ];
    same_in_all_int_types(35, &variants, |signs| signs.data.fill(1.0));
}

#[test]
fn label_ids_are_of_any_int_type() {
    let variant: fn() -> Variant = || multi_label_margin("label ids");
    same_in_all_int_types(38, &[variant], |ids| {
        // A row that ends without a -1 lists all classes.
        let columns = ids.columns;
        for (at, id) in ids.data.iter_mut().enumerate() {
            *id = (at % columns) as f64;
        }
    });
}

/// An ignored id that the type of the ids cannot hold matches nothing. Wrapped around it would be
/// the id of a class.
#[test]
fn an_ignored_id_outside_of_the_int_type_matches_nothing() {
    let ignored: Vec<i64> = [8, 16, 32]
        .into_iter()
        .flat_map(|bits| {
            let wrap = 1_i64 << bits;
            [wrap + 2, 2 - wrap, wrap - 1]
        })
        .chain([-1, i64::MIN + 2, i64::MAX])
        .collect();
    with_int_types(
        || {
            cross_entropy(
                "ids",
                ClassOptions {
                    ignored: ignored.clone(),
                    ..plain()
                },
            )
        },
        |variant, on, int| {
            // Drawn without ignored ids: all of them count.
            let batch = cross_entropy("ids", plain()).batch(36, 12, 5);
            let (_, ids) = batch.target.as_ref().expect("ids");
            assert!(ids.data.contains(&2.0), "the id that a wrap would ignore");
            let args = ids_of(int, &batch, on);
            let weight = numbers(&variant.parts(args.clone()).weight)[0];
            assert_eq!(weight, 12.0, "how many samples count");
            let found = outcome(variant, Reduction::Mean, args.tracked());
            let expected = exact(&cross_entropy("ids", plain()), Reduction::Mean, &batch);
            assert_same("nothing is ignored", &found, &expected, 1e-5);
        },
    );
}

fn plain() -> ClassOptions {
    ClassOptions::default()
}

/// More classes than the type of the ids can count.
#[test]
fn there_may_be_more_classes_than_the_int_type_holds() {
    let variants: [fn() -> Variant; 2] = [
        || cross_entropy("cross-entropy", plain()),
        || multi_margin("multi-margin", false, MultiMarginLossConfig::new()),
    ];
    for variant in variants {
        with_int_types(variant, |variant, on, int| {
            let mut batch = variant.batch(37, 4, 300);
            let (_, ids) = batch.target.as_mut().expect("ids");
            let largest = if int == DType::I8 { 127.0 } else { 255.0 };
            ids.data = vec![0.0, 43.0, 44.0, largest];
            let found = outcome(variant, Reduction::Sum, ids_of(int, &batch, on).tracked());
            let expected = exact(variant, Reduction::Sum, &batch);
            assert_same(&variant.name, &found, &expected, 1e-5);
        });
    }
}

/// An id that is no class is an error, also where narrowing it would make it one.
#[test]
fn an_id_out_of_range_is_never_narrowed_into_range() {
    let _turn = beside_others();
    let cases = devices().into_iter().flat_map(|on| {
        [
            (DType::I64, (1_i64 << 32) + 1),
            (DType::I64, i64::MIN),
            (DType::I32, (1 << 16) + 1),
            (DType::I32, -1),
            (DType::U32, (1 << 31) + 1),
            (DType::U8, 255),
            (DType::I8, -128),
            (DType::I8, 5),
        ]
        .into_iter()
        .filter(|(int, _)| int_types(&on).contains(int))
        .map(|(int, id)| {
            (
                format!("{id} as {int:?} on {}", on.name),
                (on.clone(), int, id),
            )
        })
        .collect::<Vec<_>>()
    });
    each_case(cases, |(on, int, id)| {
        let logits = || on.tensor(&[0.5; 6], [2, 3], DType::F32);
        let ids = TensorData::new(vec![1, id], [2]);
        let ids = Tensor::<1, Int>::from_data(ids, (&on.device, int));
        let lists = TensorData::new(vec![1, 0, 2, id, 0, 1], [2, 3]);
        let lists = Tensor::<2, Int>::from_data(lists, (&on.device, int));
        let mut tried = vec![
            (
                CrossEntropyLoss::new().try_forward(logits(), ids.clone()),
                vec![1],
            ),
            (
                MultiMarginLoss::new().try_forward(logits(), ids.clone()),
                vec![1],
            ),
            (DiceLoss::new().try_forward(logits(), ids.clone()), vec![1]),
            (
                LoadBalanceLoss::new().try_forward(logits(), ids.unsqueeze_dim::<2>(1)),
                vec![1, 0],
            ),
        ];
        // Among label ids -1 is the end of the list.
        if id != -1 {
            let found = MultiLabelMarginLoss::new().try_forward(logits(), lists);
            tried.push((found, vec![1, 0]));
        }
        for (tried, index) in tried {
            let error = tried.unwrap_err();
            let value = id as f64;
            let kind = burn_losses::LossErrorKind::Value { value, index };
            assert_eq!(error.kind, kind, "{error}");
        }
    });
}
