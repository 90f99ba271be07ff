//! The losses of boxes: hard inputs, wrong targets, and what is suspicious.

use super::common::{assert_close, devices, numbers};
use burn::tensor::{DType, Tensor};
use burn_losses::prelude::*;

type BoxLoss = Box<dyn Fn(Tensor<2>, Tensor<2>) -> Result<Tensor<1>, LossError>>;

/// Every loss of boxes of a format.
fn losses(format: BoxFormat) -> Vec<(&'static str, BoxLoss)> {
    let mut all: Vec<(&'static str, BoxLoss)> = Vec::new();
    macro_rules! add {
        ($($config:expr),*) => {$(
            let loss = $config.with_format(format).init();
            all.push((
                stringify!($config),
                Box::new(move |x, y| loss.try_forward(x, y)),
            ));
        )*};
    }
    add!(
        IouLossConfig::new(),
        IouLossConfig::new().with_form(IouForm::Log),
        IouLossConfig::new().with_form(IouForm::Squared),
        GiouLossConfig::new(),
        DiouLossConfig::new(),
        CiouLossConfig::new(),
        EiouLossConfig::new(),
        SiouLossConfig::new()
    );
    all
}

#[test]
fn boxes_of_any_shape_have_finite_losses_and_gradients() {
    let boxes = [
        [0.0, 0.0, 0.0, 0.0],
        [1.0, 1.0, 1.0, 1.0],
        [0.0, 0.0, 2.0, 0.0],
        [0.0, 0.0, 0.0, 3.0],
        [0.0, 0.0, 2.0, 3.0],
        [1.0, 1.0, 3.0, 3.0],
        [1e-6, 1e-6, 2e-6, 2e-6],
        [0.0, 0.0, 1e6, 1e6],
        [0.0, 0.0, 1e30, 1e30],
        [100.0, 100.0, 101.0, 101.0],
    ];
    let crossed = [[3.0, 3.0, 1.0, 1.0], [2.0, 0.0, -1.0, 5.0]];
    let given: Vec<_> = boxes.iter().chain(&crossed).collect();
    let pairs: Vec<_> = given
        .iter()
        .flat_map(|a| boxes.iter().map(move |b| (**a, *b)))
        .collect();
    let x: Vec<f64> = pairs.iter().flat_map(|(a, _)| *a).collect();
    let y: Vec<f64> = pairs.iter().flat_map(|(_, b)| *b).collect();
    let shape = [pairs.len(), 4];
    for on in &devices() {
        for format in [BoxFormat::Xyxy, BoxFormat::Xywh, BoxFormat::Cxcywh] {
            for (at, (name, loss)) in losses(format).into_iter().enumerate() {
                if !on.takes(at + format as usize, 7) {
                    continue;
                }
                let all_are_finite = |x: &[f64], dtype: DType| {
                    let input = on.tracked(x, shape, dtype);
                    let value = loss(input.clone(), on.tensor(&y, shape, dtype)).unwrap();
                    let what = format!("{name} {format:?} {dtype:?} on {}", on.name);
                    assert!(numbers(&value)[0].is_finite(), "{what}");
                    let gradient = numbers(&input.grad(&value.backward()).unwrap());
                    for (at, slope) in gradient.iter().enumerate() {
                        assert!(!slope.is_nan(), "{what}: {:?}", pairs[at / 4]);
                    }
                };
                all_are_finite(&x, DType::F32);
                if on.double {
                    let larger = |&number: &f64| if number == 1e30 { 1e300 } else { number };
                    let x: Vec<f64> = x.iter().map(larger).collect();
                    all_are_finite(&x, DType::F64);
                }
            }
        }
    }
}

/// The unit does not matter, also where squares leave the range of the type.
#[test]
fn boxes_are_alike_in_any_unit() {
    let pairs = [[0.0, 0.0, 2.0, 3.0], [1.0, 1.0, 2.5, 3.5]];
    for on in &devices() {
        for format in [BoxFormat::Xyxy, BoxFormat::Xywh, BoxFormat::Cxcywh] {
            for (at, (name, loss)) in losses(format).into_iter().enumerate() {
                if !on.takes(at + format as usize, 7) {
                    continue;
                }
                let found = |unit: f64, dtype: DType| {
                    let [x, y] = pairs.map(|sides| sides.map(|side| side * unit));
                    let input = on.tracked(&x, [1, 4], dtype);
                    let value = loss(input.clone(), on.tensor(&y, [1, 4], dtype)).unwrap();
                    let gradient = numbers(&input.grad(&value.backward()).unwrap());
                    let gradient = gradient.into_iter().map(|slope| slope * unit);
                    Vec::from_iter(numbers(&value).into_iter().chain(gradient))
                };
                let what = format!("{name} {format:?} on {}", on.name);
                let units = [(DType::F32, 2_f64.powi(100)), (DType::F64, 2_f64.powi(900))];
                for (dtype, unit) in units {
                    if dtype == DType::F32 || on.double {
                        assert_close(&what, &found(unit, dtype), &found(1.0, dtype), 1e-5);
                    }
                }
            }
        }
    }
}

/// A diagonal whose square is beyond the type does not make the distance 0.
#[test]
fn boxes_whose_squares_are_beyond_the_type_are_apart() {
    let x = [[0.0, 0.0, 2e19, 1.0], [0.0, 0.0, 1.5e18, 1.5e18]];
    let y = [[1e19, 0.0, 3e19, 1.0], [1.2e19, 1.2e19, 1.35e19, 1.35e19]];
    for on in &devices() {
        let [x, y] = [x, y].map(|of| on.tensor::<2>(&of.concat(), [2, 4], DType::F32));
        let losses = DiouLoss::new().forward_no_reduction(x, y);
        let expected = [7.0 / 9.0, 1.790_123_456_790_1];
        assert_close(on.name, &numbers(&losses), &expected, 1e-5);
    }
}

#[test]
fn boxes_with_an_infinite_side_are_told() {
    for on in &devices() {
        let given = on.tensor(&[0.0, 0.0, 1.0, 1.0], [1, 4], DType::F32);
        for format in [BoxFormat::Xyxy, BoxFormat::Xywh, BoxFormat::Cxcywh] {
            for side in 0..4 {
                let mut sides = [0.0, 0.0, 1.0, 1.0];
                sides[side] = if side < 2 {
                    f64::NEG_INFINITY
                } else {
                    f64::INFINITY
                };
                for (name, loss) in losses(format) {
                    let error = loss(given.clone(), on.tensor(&sides, [1, 4], DType::F32));
                    let message = error.expect_err("it is wrong").message;
                    assert!(
                        message.contains("finite"),
                        "{name} on {}: {message}",
                        on.name
                    );
                }
            }
        }
    }
}

#[test]
fn the_iou_of_a_box_with_itself_is_1_in_any_type() {
    for on in &devices() {
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            // Half precision is Flex's alone among all that these tests run on.
            if dtype != DType::F32 && on.name != "flex" {
                continue;
            }
            for format in [BoxFormat::Xyxy, BoxFormat::Xywh, BoxFormat::Cxcywh] {
                let edges = format == BoxFormat::Xyxy;
                let small = if edges {
                    [1000.0, 1000.0, 1008.0, 1008.0]
                } else {
                    [1000.0, 1000.0, 6.0, 6.0]
                };
                for sides in [[0.0, 0.0, 300.0, 300.0], small] {
                    let boxes = || on.tensor::<2>(&sides, [1, 4], dtype);
                    let found = numbers(&box_iou(boxes(), boxes(), format));
                    assert_close(&format!("{dtype:?} on {}", on.name), &found, &[1.0], 1e-3);
                }
            }
        }
    }
}

#[test]
fn the_gradient_of_boxes_that_are_the_same_is_0() {
    let on = &devices()[0];
    let boxes = [0.5, 1.0, 2.0, 3.0, 4.0, 4.0, 9.0, 5.0];
    for format in [BoxFormat::Xyxy, BoxFormat::Xywh, BoxFormat::Cxcywh] {
        for (name, loss) in losses(format) {
            let input = on.tracked(&boxes, [2, 4], DType::F64);
            let value = loss(input.clone(), on.tensor(&boxes, [2, 4], DType::F64)).unwrap();
            assert!(numbers(&value)[0].abs() < 1e-12, "{name}");
            let gradient = numbers(&input.grad(&value.backward()).unwrap());
            let zero = gradient.iter().all(|slope| slope.abs() < 1e-12);
            assert!(zero, "{name} {format:?}: {gradient:?}");
        }
    }
}

#[test]
fn wrong_boxes_are_told() {
    for on in &devices() {
        let right = on.tensor(
            &[0.0, 0.0, 2.0, 2.0, 1.0, 1.0, 3.0, 4.0],
            [2, 4],
            DType::F32,
        );
        let told = |loss: Result<Tensor<1>, LossError>, parts: &[&str]| {
            let message = loss.expect_err("it is wrong").message;
            for part in parts {
                assert!(message.contains(part), "{message:?} has no {part:?}");
            }
        };
        let crossed = [0.0, 0.0, 2.0, 2.0, 10.0, 1.0, 3.0, 4.0];
        let crossed = on.tensor(&crossed, [2, 4], DType::F32);
        let ciou = CiouLoss::new();
        told(
            ciou.try_forward(right.clone(), crossed.clone()),
            &["[10, 1, 3, 4]", "[1]", "x2 < x1", "Xywh"],
        );
        let by_size = CiouLossConfig::new().with_format(BoxFormat::Cxcywh).init();
        let negative = crossed * -1.0;
        told(by_size.try_forward(right.clone(), negative), &["below 0"]);
        let undefined = right.clone() * f64::NAN;
        told(ciou.try_forward(right.clone(), undefined), &["finite"]);
        let of_five = on.tensor(&[0.0; 10], [2, 5], DType::F32);
        told(ciou.try_forward(of_five.clone(), of_five), &["4"]);
        let tracked = right.clone().autodiff().require_grad();
        told(
            ciou.try_forward(right.clone(), tracked),
            &["targets", "inner"],
        );
        let far = on.tensor(&[1.5, 8.0], [2], DType::F32);
        let logits = on.tensor(&[0.0; 16], [2, 8], DType::F32);
        let dfl = DistributionFocalLoss::new();
        told(dfl.try_forward(logits, far), &["8 at index [1]", "0 to 7"]);
    }
}

#[test]
fn what_is_suspicious_of_boxes_is_told() {
    let on = &devices()[0];
    let edges: Vec<f64> = (0..8)
        .flat_map(|at| [at as f64, 1.0, at as f64 + 3.0, 5.0])
        .collect();
    let boxes = on.tensor(&edges, [8, 4], DType::F32);
    let loss = GiouLossConfig::new().with_format(BoxFormat::Xywh).init();
    let rules = |loss: &GiouLoss, x: &Tensor<2>, y: &Tensor<2>| -> Vec<&'static str> {
        loss.lint(x, y).iter().map(|lint| lint.rule).collect()
    };
    assert_eq!(rules(&loss, &boxes, &boxes), ["box-format"]);
    let pixels = boxes.clone() * 10.0;
    let parts = boxes.clone() / 100.0;
    assert_eq!(rules(&GiouLoss::new(), &parts, &pixels), ["box-scale"]);
    assert!(rules(&GiouLoss::new(), &boxes, &boxes).is_empty());
}
