//! Every loss against values and gradients that PyTorch and other libraries computed in `f64`.
//!
//! `golden/generate.py`, `golden/libraries.py`, `golden/elements.py`, `golden/rows.py`, `golden/segmentation.py`,
//! `golden/detection.py` and `golden/routing.py` make the data. Inputs are exact in `f32`, so one set serves both types.

mod common;

use burn::config::Config;
use burn::tensor::{Bool, DType, Int, Tensor, TensorData};
use burn_losses::prelude::*;
use common::{TestDevice, assert_close, devices, numbers};
use serde_json::Value;

struct Case {
    name: String,
    config: String,
    inputs: Vec<Array>,
    /// The variance, where it is not an input.
    number: Option<f64>,
    kind: String,
    target: Array,
    sample_weights: Option<Vec<f64>>,
    upstream: f64,
    value: f64,
    unreduced: Array,
    /// None for an input that is not tracked.
    gradients: Vec<Option<Vec<f64>>>,
    tiny: Vec<(String, usize)>,
    /// Entries of the first gradient where a slope is in question: edges meet, or a box has no width.
    corners: Vec<usize>,
    /// Whether it is for `f64` alone: `f32` does not hold the areas of its boxes.
    double: bool,
}

struct Array {
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Array {
    fn read(value: &Value) -> Self {
        let shape = value["shape"].as_array().unwrap();
        Self {
            shape: shape.iter().map(|n| n.as_u64().unwrap() as usize).collect(),
            data: floats(&value["data"]),
        }
    }

    fn dims<const D: usize>(&self) -> [usize; D] {
        self.shape
            .as_slice()
            .try_into()
            .expect("the rank of the case")
    }
}

fn float(value: &Value) -> f64 {
    match value.as_str() {
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        Some(other) => panic!("{other} is no number"),
        None => value.as_f64().unwrap(),
    }
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(float).collect()
}

fn cases(json: &str) -> Vec<Case> {
    let file: Value = serde_json::from_str(json).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    cases
        .iter()
        .map(|case| Case {
            name: case["name"].as_str().unwrap().into(),
            config: case["config"].to_string(),
            inputs: case["inputs"]
                .as_array()
                .unwrap()
                .iter()
                .map(Array::read)
                .collect(),
            number: case["number"].as_f64(),
            kind: case["target"]["kind"].as_str().unwrap().into(),
            target: Array::read(&case["target"]),
            sample_weights: case["sample_weights"]
                .as_array()
                .map(|_| floats(&case["sample_weights"])),
            upstream: float(&case["upstream"]),
            value: float(&case["value"]),
            unreduced: Array::read(&case["unreduced"]),
            gradients: case["gradients"]
                .as_array()
                .unwrap()
                .iter()
                .map(|gradient| (!gradient.is_null()).then(|| floats(gradient)))
                .collect(),
            tiny: case["tiny"]
                .as_array()
                .unwrap()
                .iter()
                .map(|tiny| {
                    let at = tiny["at"].as_str().unwrap().to_string();
                    (at, tiny["index"].as_u64().unwrap_or(0) as usize)
                })
                .collect(),
            corners: case["corners"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|at| at.as_u64().unwrap() as usize)
                .collect(),
            double: case["double"].as_bool().unwrap_or(false),
        })
        .collect()
}

/// What a loss gave for a case.
struct Outcome {
    value: f64,
    unreduced: Vec<f64>,
    gradients: Vec<Option<Vec<f64>>>,
}

impl Case {
    fn infinite_with_a_gradient(&self) -> bool {
        let pairs = self.inputs.iter().zip(&self.gradients);
        let mut all =
            pairs.flat_map(|(input, gradient)| input.data.iter().zip(gradient.iter().flatten()));
        all.any(|(input, gradient)| input.is_infinite() && *gradient != 0.0)
    }

    fn config<C: Config>(&self) -> C {
        C::load_binary(self.config.as_bytes()).expect("a complete configuration")
    }

    fn ints<const D: usize>(&self, on: &TestDevice) -> Tensor<D, Int> {
        let ids: Vec<i64> = self.target.data.iter().map(|&id| id as i64).collect();
        Tensor::from_data(TensorData::new(ids, self.target.dims::<D>()), &on.device)
    }

    fn bools<const D: usize>(&self, on: &TestDevice) -> Tensor<D, Bool> {
        let bools: Vec<bool> = self.target.data.iter().map(|&bool| bool == 1.0).collect();
        Tensor::from_data(TensorData::new(bools, self.target.dims::<D>()), &on.device)
    }

    fn floats<const D: usize>(&self, on: &TestDevice, dtype: DType) -> Tensor<D> {
        on.tensor(&self.target.data, self.target.dims::<D>(), dtype)
    }

    fn inputs<const D: usize>(&self, on: &TestDevice, dtype: DType) -> Vec<Tensor<D>> {
        self.inputs
            .iter()
            .zip(&self.gradients)
            .map(|(input, gradient)| match gradient {
                Some(_) => on.tracked(&input.data, input.dims::<D>(), dtype),
                None => on.tensor(&input.data, input.dims::<D>(), dtype),
            })
            .collect()
    }

    /// Value and gradients, through calls of any number of arguments.
    fn outcome<const D: usize, const K: usize>(
        &self,
        inputs: &[Tensor<D>],
        unreduced: Tensor<K>,
        forward: impl FnOnce() -> Tensor<1>,
    ) -> Outcome {
        assert_eq!(
            unreduced.dims().as_slice(),
            self.unreduced.shape,
            "{}",
            self.name
        );
        let value = forward();
        let gradients = value.clone().mul_scalar(self.upstream).backward();
        Outcome {
            value: numbers(&value)[0],
            unreduced: numbers(&unreduced),
            gradients: inputs
                .iter()
                .zip(&self.gradients)
                .map(|(input, expected)| {
                    expected
                        .as_ref()
                        .map(|_| numbers(&input.grad(&gradients).expect("a gradient")))
                })
                .collect(),
        }
    }

    fn pair<const D: usize, const K: usize, T: Clone, L>(
        &self,
        loss: &L,
        inputs: &[Tensor<D>],
        target: T,
    ) -> Outcome
    where
        L: Loss<Tensor<D>, T, Unreduced = Tensor<K>>,
        Tensor<K>: burn_losses::target::SampleWeights<Tensor<K>>,
    {
        let unreduced = loss.forward_no_reduction(inputs[0].clone(), target.clone());
        let like = unreduced.clone();
        self.outcome(inputs, unreduced, || {
            let input = inputs[0].clone();
            match self.weights(&like) {
                Some(weights) => loss.forward_weighted(input, target, weights),
                None => loss.forward(input, target),
            }
        })
    }

    /// As [`pair`](Self::pair), of three arguments: the first input and these.
    fn triple<const D: usize, const K: usize, T: Clone, L>(
        &self,
        loss: &L,
        inputs: &[Tensor<D>],
        second: Tensor<D>,
        third: T,
    ) -> Outcome
    where
        L: TripleLoss<Tensor<D>, Tensor<D>, T, Unreduced = Tensor<K>>,
        Tensor<K>: burn_losses::target::SampleWeights<Tensor<K>>,
    {
        let first = inputs[0].clone();
        let each = loss.forward_no_reduction(first.clone(), second.clone(), third.clone());
        let weights = self.weights(&each);
        self.outcome(inputs, each, || match weights {
            Some(weights) => loss.forward_weighted(first, second, third, weights),
            None => loss.forward(first, second, third),
        })
    }

    fn weights<const K: usize>(&self, like: &Tensor<K>) -> Option<Tensor<K>> {
        let weights = self.sample_weights.clone()?;
        let data = TensorData::new(weights, like.dims()).convert_dtype(like.dtype());
        Some(Tensor::from_data(
            data,
            (&like.device().without_autodiff(), like.dtype()),
        ))
    }

    fn compare(&self, loss: &str, on: &TestDevice, dtype: DType, found: &Outcome) {
        let tolerance = match (on.name, dtype) {
            ("wgpu", _) => 1e-4,
            (_, DType::F64) => 1e-10,
            _ => 1e-5,
        };
        let what = |part: &str| format!("{loss}/{} on {} {dtype:?}: {part}", self.name, on.name);
        assert_close(&what("value"), &[found.value], &[self.value], tolerance);
        assert_close(
            &what("unreduced"),
            &found.unreduced,
            &self.unreduced.data,
            tolerance,
        );
        for (at, expected) in self.gradients.iter().enumerate() {
            let pair = found.gradients.get(at).and_then(Option::as_ref);
            match (pair, expected) {
                (Some(found), Some(expected)) => {
                    let mut found = found.clone();
                    for &corner in self.corners.iter().filter(|_| at == 0) {
                        assert!(found[corner].is_finite(), "{}", what("a corner"));
                        found[corner] = expected[corner];
                    }
                    assert_close(&what(&format!("gradient{at}")), &found, expected, tolerance);
                }
                (found, expected) => assert_eq!(found, expected.as_ref(), "{}", what("gradients")),
            }
        }
        for (part, at) in &self.tiny {
            let (found, expected) = match part.as_str() {
                "value" => (found.value, self.value),
                "unreduced" => (found.unreduced[*at], self.unreduced.data[*at]),
                _ => {
                    let first =
                        |gradients: &[Option<Vec<f64>>]| gradients[0].as_ref().unwrap()[*at];
                    (first(&found.gradients), first(&self.gradients))
                }
            };
            let relative = ((found - expected) / expected).abs();
            assert!(
                relative <= tolerance.max(1e-5),
                "{}: tiny {found:e}, expected {expected:e}",
                what(part)
            );
        }
    }
}

/// Runs the body with the constant `D` set to the rank, and `K` to the rank below.
macro_rules! with_rank {
    ($rank:expr, [$($d:literal)*], $D:ident, $K:ident => $body:expr) => {
        match $rank {
            $($d => {
                #[allow(dead_code)]
                const $D: usize = $d;
                #[allow(dead_code)]
                const $K: usize = $d - 1;
                $body
            })*
            rank => panic!("rank {rank} is not among the tested ones"),
        }
    };
}

fn run(loss: &str, json: &str, call: impl Fn(&Case, &TestDevice, DType) -> Outcome) {
    run_with(loss, json, 10, call);
}

/// As [`run`], of which a GPU takes one of so many.
fn run_with(
    loss: &str,
    json: &str,
    one_of: usize,
    call: impl Fn(&Case, &TestDevice, DType) -> Outcome,
) {
    for (at, case) in cases(json).into_iter().enumerate() {
        for on in devices() {
            if !on.takes(at, one_of) {
                continue;
            }
            // Without the backend's feature an input of -inf has no gradient.
            let composed = on.name == "flex" && !cfg!(feature = "flex");
            if composed && case.infinite_with_a_gradient() {
                continue;
            }
            for dtype in [DType::F32, DType::F64] {
                if (dtype == DType::F32 && !case.double) || (dtype == DType::F64 && on.double) {
                    let outcome = call(&case, &on, dtype);
                    case.compare(loss, &on, dtype, &outcome);
                }
            }
        }
    }
}

macro_rules! regression {
    ($test:ident, $file:literal, $config:ident) => {
        #[test]
        fn $test() {
            run($file, include_str!(concat!("golden/", $file, ".json")), |case, on, dtype| {
                with_rank!(case.inputs[0].shape.len(), [1 2 3 4], D, K => {
                    let target = on.tracked(&case.target.data, case.target.dims::<D>(), dtype);
                    let mut inputs = case.inputs::<D>(on, dtype);
                    inputs.push(target.clone());
                    case.pair::<D, D, _, _>(&case.config::<$config>().init(), &inputs, target)
                })
            });
        }
    };
}

regression!(l1, "l1", L1LossConfig);
regression!(mse, "mse", MseLossConfig);
regression!(smooth_l1, "smooth_l1", SmoothL1LossConfig);
regression!(huber, "huber", HuberLossConfig);

regression!(quantile, "quantile", QuantileLossConfig);
regression!(expectile, "expectile", ExpectileLossConfig);
regression!(log_cosh, "log_cosh", LogCoshLossConfig);
regression!(general_robust, "general_robust", GeneralRobustLossConfig);
regression!(tukey, "tukey", TukeyLossConfig);
regression!(msle, "msle", MsleLossConfig);
regression!(mape, "mape", MapeLossConfig);
regression!(smape, "smape", SmapeLossConfig);
regression!(tweedie, "tweedie", TweedieLossConfig);
regression!(gamma_nll, "gamma_nll", GammaNllLossConfig);

regression!(simpo, "simpo", SimPoLossConfig);
regression!(orpo, "orpo", OrpoLossConfig);
regression!(
    gan_discriminator,
    "gan_discriminator",
    GanDiscriminatorLossConfig
);
regression!(gaussian_kl, "gaussian_kl", GaussianKlLossConfig);

/// Predictions, their scale, and a target that has a gradient too.
macro_rules! scaled {
    ($test:ident, $file:literal, $config:ident) => {
        #[test]
        fn $test() {
            run($file, include_str!(concat!("golden/", $file, ".json")), |case, on, dtype| {
                with_rank!(case.inputs[0].shape.len(), [1 2 3 4], D, K => {
                    let target = on.tracked(&case.target.data, case.target.dims::<D>(), dtype);
                    let mut inputs = case.inputs::<D>(on, dtype);
                    let scale = inputs[1].clone();
                    inputs.push(target.clone());
                    let loss = case.config::<$config>().init();
                    case.triple::<D, D, _, _>(&loss, &inputs, scale, target)
                })
            });
        }
    };
}

scaled!(laplace_nll, "laplace_nll", LaplaceNllLossConfig);
scaled!(student_t_nll, "student_t_nll", StudentTNllLossConfig);
scaled!(log_normal_nll, "log_normal_nll", LogNormalNllLossConfig);
scaled!(gaussian_crps, "gaussian_crps", GaussianCrpsLossConfig);

#[test]
fn negative_binomial_nll() {
    run(
        "negative_binomial_nll",
        include_str!("golden/negative_binomial_nll.json"),
        |case, on, dtype| {
            with_rank!(case.inputs[0].shape.len(), [1 2 3 4], D, K => {
                let loss = case.config::<NegativeBinomialNllLossConfig>().init();
                let inputs = case.inputs::<D>(on, dtype);
                let second = inputs[1].clone();
                match case.kind.as_str() {
                    "int" => case.triple::<D, D, _, _>(&loss, &inputs, second, case.ints::<D>(on)),
                    _ => case.triple::<D, D, _, _>(&loss, &inputs, second, case.floats::<D>(on, dtype)),
                }
            })
        },
    );
}

/// The outcome of a loss that is none of the traits, and has their calls as methods of its own.
macro_rules! outcome {
    ($case:ident, $loss:ident, $inputs:ident, [$($input:expr),*]) => {{
        let each = $loss.forward_no_reduction($($input),*);
        let weights = $case.weights(&each);
        $case.outcome(&$inputs, each, || match weights {
            Some(weights) => $loss.forward_weighted($($input,)* weights),
            None => $loss.forward($($input),*),
        })
    }};
}

#[test]
fn dpo() {
    run("dpo", include_str!("golden/dpo.json"), |case, on, dtype| {
        with_rank!(case.inputs[0].shape.len(), [1 2 3 4], D, K => {
            let loss = case.config::<DpoLossConfig>().init();
            let inputs = case.inputs::<D>(on, dtype);
            let input = |at: usize| inputs[at].clone();
            let last = || case.floats::<D>(on, dtype);
            outcome!(case, loss, inputs, [input(0), input(1), input(2), last()])
        })
    });
}

#[test]
fn kto() {
    run("kto", include_str!("golden/kto.json"), |case, on, dtype| {
        with_rank!(case.inputs[0].shape.len(), [1 2 3 4], D, K => {
            let loss = case.config::<KtoLossConfig>().init();
            let inputs = case.inputs::<D>(on, dtype);
            let input = |at: usize| inputs[at].clone();
            match case.kind.as_str() {
                "int" => {
                    let desirable = || case.ints::<D>(on);
                    outcome!(case, loss, inputs, [input(0), input(1), input(2), desirable()])
                }
                "bool" => {
                    let desirable = || case.bools::<D>(on);
                    outcome!(case, loss, inputs, [input(0), input(1), input(2), desirable()])
                }
                _ => {
                    let desirable = || case.floats::<D>(on, dtype);
                    outcome!(case, loss, inputs, [input(0), input(1), input(2), desirable()])
                }
            }
        })
    });
}

#[test]
fn gan_generator() {
    run(
        "gan_generator",
        include_str!("golden/gan_generator.json"),
        |case, on, dtype| {
            with_rank!(case.inputs[0].shape.len(), [1 2 3 4], D, K => {
                let loss = case.config::<GanGeneratorLossConfig>().init();
                let inputs = case.inputs::<D>(on, dtype);
                let fake = || inputs[0].clone();
                outcome!(case, loss, inputs, [fake()])
            })
        },
    );
}

#[test]
fn policy_clip() {
    run(
        "policy_clip",
        include_str!("golden/policy_clip.json"),
        |case, on, dtype| {
            with_rank!(case.inputs[0].shape.len(), [1 2], D, K => {
                let loss = case.config::<PolicyClipLossConfig>().init();
                let inputs = case.inputs::<D>(on, dtype);
                let old = inputs[1].clone();
                case.triple::<D, D, _, _>(&loss, &inputs, old, case.floats::<D>(on, dtype))
            })
        },
    );
}

#[test]
fn poisson_nll() {
    run(
        "poisson_nll",
        include_str!("golden/poisson_nll.json"),
        |case, on, dtype| {
            with_rank!(case.inputs[0].shape.len(), [1 2 3 4], D, K => {
                let loss = case.config::<PoissonNllLossConfig>().init();
                let inputs = case.inputs(on, dtype);
                match case.kind.as_str() {
                    "int" => case.pair::<D, D, _, _>(&loss, &inputs, case.ints::<D>(on)),
                    _ => case.pair::<D, D, _, _>(&loss, &inputs, case.floats::<D>(on, dtype)),
                }
            })
        },
    );
}

#[test]
fn gaussian_nll() {
    run(
        "gaussian_nll",
        include_str!("golden/gaussian_nll.json"),
        |case, on, dtype| {
            let rank = case.inputs[0].shape.len();
            if let Some(number) = case.number {
                return with_rank!(rank, [1 2 3 4], D, K => {
                    gaussian::<D, _>(case, on, dtype, |_| number)
                });
            }
            if case.inputs[1].shape.len() == rank {
                return with_rank!(rank, [1 2 3 4], D, K => {
                    gaussian::<D, _>(case, on, dtype, |inputs| inputs[1].clone())
                });
            }
            with_rank!(rank, [2 3 4], D, K => {
                gaussian::<D, _>(case, on, dtype, |inputs| inputs[1].clone().squeeze_dim::<K>(K))
            })
        },
    );
}

/// `variance` makes the third argument of the inputs. A variance without the last axis is there with
/// length 1 on it.
fn gaussian<const D: usize, V>(
    case: &Case,
    on: &TestDevice,
    dtype: DType,
    variance: impl FnOnce(&[Tensor<D>]) -> V,
) -> Outcome
where
    V: Clone + burn_losses::target::Variance<D>,
{
    let loss = case.config::<GaussianNllLossConfig>().init();
    let targets = on.tracked(&case.target.data, case.target.dims::<D>(), dtype);
    let mut inputs: Vec<Tensor<D>> = Vec::new();
    for input in &case.inputs {
        let mut dims = [1; D];
        dims[..input.shape.len()].copy_from_slice(&input.shape);
        inputs.push(on.tracked(&input.data, dims, dtype));
    }
    let variance = variance(&inputs);
    inputs.push(targets.clone());
    case.triple::<D, D, _, _>(&loss, &inputs, targets, variance)
}

macro_rules! class_ids {
    ($test:ident, $file:literal, $config:ident) => {
        #[test]
        fn $test() {
            run($file, include_str!(concat!("golden/", $file, ".json")), |case, on, dtype| {
                with_rank!(case.inputs[0].shape.len(), [2 3 4 5], D, K => {
                    let loss = case.config::<$config>().init();
                    case.pair::<D, K, _, _>(&loss, &case.inputs(on, dtype), case.ints::<K>(on))
                })
            });
        }
    };
}

class_ids!(nll, "nll", NllLossConfig);
class_ids!(focal, "focal", FocalLossConfig);
class_ids!(multi_margin, "multi_margin", MultiMarginLossConfig);
class_ids!(poly1, "poly1", Poly1LossConfig);
class_ids!(
    cross_entropy_options,
    "cross_entropy_options",
    CrossEntropyLossConfig
);
class_ids!(focal_options, "focal_options", FocalLossConfig);
class_ids!(coral, "coral", CoralLossConfig);
class_ids!(corn, "corn", CornLossConfig);
class_ids!(earth_mover, "earth_mover", EarthMoverLossConfig);

/// The logits of a student and of a teacher, both with a gradient.
macro_rules! divergences {
    ($test:ident, $file:literal, $config:ident) => {
        #[test]
        fn $test() {
            run($file, include_str!(concat!("golden/", $file, ".json")), |case, on, dtype| {
                with_rank!(case.inputs[0].shape.len(), [2 3 4 5], D, K => {
                    let teacher = on.tracked(&case.target.data, case.target.dims::<D>(), dtype);
                    let mut inputs = case.inputs::<D>(on, dtype);
                    inputs.push(teacher.clone());
                    case.pair::<D, K, _, _>(&case.config::<$config>().init(), &inputs, teacher)
                })
            });
        }
    };
}

divergences!(softmax_kl, "softmax_kl", SoftmaxKlLossConfig);
divergences!(js_div, "js_div", JsDivLossConfig);
divergences!(total_variation, "total_variation", TotalVariationLossConfig);

#[test]
fn distillation() {
    run(
        "distillation",
        include_str!("golden/distillation.json"),
        |case, on, dtype| {
            with_rank!(case.inputs[0].shape.len(), [2 3 4 5], D, K => {
                let loss = case.config::<DistillationLossConfig>().init();
                let inputs = case.inputs::<D>(on, dtype);
                let teacher = inputs[1].clone();
                case.triple::<D, K, _, _>(&loss, &inputs, teacher, case.ints::<K>(on))
            })
        },
    );
}

#[test]
fn multi_label_margin() {
    run(
        "multi_label_margin",
        include_str!("golden/multi_label_margin.json"),
        |case, on, dtype| {
            with_rank!(case.inputs[0].shape.len(), [2 3 4 5], D, K => {
                let loss = case.config::<MultiLabelMarginLossConfig>().init();
                case.pair::<D, K, _, _>(&loss, &case.inputs(on, dtype), case.ints::<D>(on))
            })
        },
    );
}

#[test]
fn cross_entropy() {
    run(
        "cross_entropy",
        include_str!("golden/cross_entropy.json"),
        |case, on, dtype| {
            with_rank!(case.inputs[0].shape.len(), [2 3 4 5], D, K => {
                let loss = case.config::<CrossEntropyLossConfig>().init();
                let inputs = case.inputs(on, dtype);
                match case.kind.as_str() {
                    "int" => case.pair::<D, K, _, _>(&loss, &inputs, case.ints::<K>(on)),
                    _ => case.pair::<D, K, _, _>(&loss, &inputs, case.floats::<D>(on, dtype)),
                }
            })
        },
    );
}

/// A target of labels or signs, of the shape of the input; the losses are of rank `$each`.
macro_rules! elementwise {
    ($test:ident, $file:literal, $config:ident, $ranks:tt, $each:ident) => {
        #[test]
        fn $test() {
            run($file, include_str!(concat!("golden/", $file, ".json")), |case, on, dtype| {
                with_rank!(case.inputs[0].shape.len(), $ranks, D, K => {
                    let loss = case.config::<$config>().init();
                    let inputs = case.inputs::<D>(on, dtype);
                    match case.kind.as_str() {
                        "int" => case.pair::<D, $each, _, _>(&loss, &inputs, case.ints::<D>(on)),
                        "bool" => case.pair::<D, $each, _, _>(&loss, &inputs, case.bools::<D>(on)),
                        _ => case.pair::<D, $each, _, _>(&loss, &inputs, case.floats::<D>(on, dtype)),
                    }
                })
            });
        }
    };
}

elementwise!(bce, "bce", BceLossConfig, [1 2 3 4 5], D);
elementwise!(bce_with_logits, "bce_with_logits", BceWithLogitsLossConfig, [1 2 3 4 5], D);
elementwise!(hinge_embedding, "hinge_embedding", HingeEmbeddingLossConfig, [1 2 3 4 5], D);
elementwise!(soft_margin, "soft_margin", SoftMarginLossConfig, [1 2 3 4 5], D);
elementwise!(sigmoid_focal, "sigmoid_focal", SigmoidFocalLossConfig, [1 2 3 4 5], D);
elementwise!(quality_focal, "quality_focal", QualityFocalLossConfig, [1 2 3 4 5], D);
elementwise!(varifocal, "varifocal", VarifocalLossConfig, [1 2 3 4 5], D);
elementwise!(asymmetric, "asymmetric", AsymmetricLossConfig, [1 2 3 4 5], D);
elementwise!(sigmoid_poly1, "sigmoid_poly1", SigmoidPoly1LossConfig, [1 2 3 4], D);
elementwise!(
    multi_label_soft_margin,
    "multi_label_soft_margin",
    MultiLabelSoftMarginLossConfig,
    [2 3 4 5],
    K
);

#[test]
fn kl_div() {
    run(
        "kl_div",
        include_str!("golden/kl_div.json"),
        |case, on, dtype| {
            with_rank!(case.inputs[0].shape.len(), [2 3 4], D, K => {
                let loss = case.config::<KlDivLossConfig>().init();
                case.pair::<D, D, _, _>(&loss, &case.inputs(on, dtype), case.floats::<D>(on, dtype))
            })
        },
    );
}

/// Two inputs and a target of signs, of rank `$signs`, as are the losses.
macro_rules! signed_pairs {
    ($test:ident, $file:literal, $config:ident, $ranks:tt, $signs:ident) => {
        #[test]
        fn $test() {
            run($file, include_str!(concat!("golden/", $file, ".json")), |case, on, dtype| {
                with_rank!(case.inputs[0].shape.len(), $ranks, D, K => {
                    let loss = case.config::<$config>().init();
                    let inputs = case.inputs::<D>(on, dtype);
                    let second = inputs[1].clone();
                    match case.kind.as_str() {
                        "int" => case.triple::<D, $signs, _, _>(&loss, &inputs, second, case.ints::<$signs>(on)),
                        "bool" => case.triple::<D, $signs, _, _>(&loss, &inputs, second, case.bools::<$signs>(on)),
                        _ => case.triple::<D, $signs, _, _>(&loss, &inputs, second, case.floats::<$signs>(on, dtype)),
                    }
                })
            });
        }
    };
}

signed_pairs!(margin_ranking, "margin_ranking", MarginRankingLossConfig, [1 2 3 4 5], D);
signed_pairs!(cosine_embedding, "cosine_embedding", CosineEmbeddingLossConfig, [2 3 4], K);

macro_rules! triplets {
    ($test:ident, $file:literal, $config:ident) => {
        #[test]
        fn $test() {
            run($file, include_str!(concat!("golden/", $file, ".json")), |case, on, dtype| {
                with_rank!(case.inputs[0].shape.len(), [2 3 4], D, K => {
                    let loss = case.config::<$config>().init();
                    let inputs = case.inputs::<D>(on, dtype);
                    let [positive, negative] = [1, 2].map(|at: usize| inputs[at].clone());
                    case.triple::<D, K, _, _>(&loss, &inputs, positive, negative)
                })
            });
        }
    };
}

triplets!(triplet_margin, "triplet_margin", TripletMarginLossConfig);
triplets!(
    triplet_margin_with_distance,
    "triplet_margin_with_distance",
    TripletMarginWithDistanceLossConfig
);

/// Class ids, or masks of the shape of the input. The losses are of rank `$each`: of the regions, or of the samples.
macro_rules! segmentation {
    ($test:ident, $file:literal, $config:ident, $each:literal) => {
        #[test]
        fn $test() {
            run($file, include_str!(concat!("golden/", $file, ".json")), |case, on, dtype| {
                with_rank!(case.inputs[0].shape.len(), [2 3 4 5], D, K => {
                    let loss = case.config::<$config>().init();
                    let inputs = case.inputs::<D>(on, dtype);
                    match case.kind.as_str() {
                        "ids" => case.pair::<D, $each, _, _>(&loss, &inputs, case.ints::<K>(on)),
                        "int" => case.pair::<D, $each, _, _>(&loss, &inputs, case.ints::<D>(on)),
                        "bool" => case.pair::<D, $each, _, _>(&loss, &inputs, case.bools::<D>(on)),
                        "float" => case.pair::<D, $each, _, _>(&loss, &inputs, case.floats::<D>(on, dtype)),
                        kind => panic!("a target of {kind}"),
                    }
                })
            });
        }
    };
}

segmentation!(dice, "dice", DiceLossConfig, 2);
segmentation!(jaccard, "jaccard", JaccardLossConfig, 2);
segmentation!(tversky, "tversky", TverskyLossConfig, 2);
segmentation!(
    generalized_dice,
    "generalized_dice",
    GeneralizedDiceLossConfig,
    2
);
segmentation!(lovasz, "lovasz", LovaszLossConfig, 2);
segmentation!(
    dice_cross_entropy,
    "dice_cross_entropy",
    DiceCrossEntropyLossConfig,
    1
);
segmentation!(dice_focal, "dice_focal", DiceFocalLossConfig, 1);

/// Predicted boxes and true ones, whose numbers are along the last axis. On a GPU they are a hundred tensor operations.
macro_rules! boxes {
    ($test:ident, $file:literal, $config:ident) => {
        #[test]
        fn $test() {
            run_with($file, include_str!(concat!("golden/", $file, ".json")), 20, |case, on, dtype| {
                with_rank!(case.inputs[0].shape.len(), [2 3 4 6], D, K => {
                    let loss = case.config::<$config>().init();
                    let inputs = case.inputs::<D>(on, dtype);
                    case.pair::<D, K, _, _>(&loss, &inputs, case.floats::<D>(on, dtype))
                })
            });
        }
    };
}

boxes!(iou, "iou", IouLossConfig);
boxes!(giou, "giou", GiouLossConfig);
boxes!(diou, "diou", DiouLossConfig);
boxes!(ciou, "ciou", CiouLossConfig);
boxes!(eiou, "eiou", EiouLossConfig);
boxes!(siou, "siou", SiouLossConfig);

#[test]
fn distribution_focal() {
    run(
        "distribution_focal",
        include_str!("golden/distribution_focal.json"),
        |case, on, dtype| {
            with_rank!(case.inputs[0].shape.len(), [2 3 4 5 6], D, K => {
                let loss = case.config::<DistributionFocalLossConfig>().init();
                case.pair::<D, K, _, _>(&loss, &case.inputs::<D>(on, dtype), case.floats::<K>(on, dtype))
            })
        },
    );
}

/// The logits of a router, and the ids of each token's experts along the last axis.
#[test]
fn load_balance() {
    run_with(
        "load_balance",
        include_str!("golden/load_balance.json"),
        3,
        |case, on, dtype| {
            with_rank!(case.inputs[0].shape.len(), [2 3 4], D, K => {
                let loss = case.config::<LoadBalanceLossConfig>().init();
                case.pair::<D, 1, _, _>(&loss, &case.inputs::<D>(on, dtype), case.ints::<D>(on))
            })
        },
    );
}

#[test]
fn router_z() {
    run(
        "router_z",
        include_str!("golden/router_z.json"),
        |case, on, dtype| {
            with_rank!(case.inputs[0].shape.len(), [2 3 4 5], D, K => {
                let loss = case.config::<RouterZLossConfig>().init();
                let inputs = case.inputs::<D>(on, dtype);
                let logits = || inputs[0].clone();
                outcome!(case, loss, inputs, [logits()])
            })
        },
    );
}

/// The overlap of each prediction with its own true box is what the loss is 1 less.
#[test]
fn box_iou_of_pairs() {
    let mut compared = 0;
    for case in cases(include_str!("golden/iou.json")) {
        let config: Value = serde_json::from_str(&case.config).unwrap();
        let plain = config["form"] == "linear" && config["eps"] == 0.0;
        if !plain || case.inputs[0].shape.len() != 2 {
            continue;
        }
        let format: BoxFormat = serde_json::from_value(config["format"].clone()).unwrap();
        let expected: Vec<f64> = case.unreduced.data.iter().map(|loss| 1.0 - loss).collect();
        for on in devices() {
            for dtype in [DType::F32, DType::F64] {
                if (dtype == DType::F32 && case.double) || (dtype == DType::F64 && !on.double) {
                    continue;
                }
                let tolerance = match (on.name, dtype) {
                    ("wgpu", _) => 1e-4,
                    (_, DType::F64) => 1e-10,
                    _ => 1e-5,
                };
                let predictions =
                    on.tensor(&case.inputs[0].data, case.inputs[0].dims::<2>(), dtype);
                let found = box_iou(predictions, case.floats::<2>(&on, dtype), format);
                let n = expected.len();
                assert_eq!(found.dims(), [n, n], "{}", case.name);
                let own: Vec<f64> = numbers(&found).into_iter().step_by(n + 1).collect();
                let what = format!("box_iou/{} on {} {dtype:?}", case.name, on.name);
                assert_close(&what, &own, &expected, tolerance);
                compared += 1;
            }
        }
    }
    assert!(compared >= 20, "only {compared} comparisons");
}
