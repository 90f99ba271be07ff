//! The sweeps against the portable form, on random cases of every layout and type; and what a sweep
//! promises besides: the same bits for any number of threads, and memory that is not taken.

mod classes;
mod distances;
mod elementwise;
mod lovasz;
#[cfg(feature = "std")]
mod ranks;

use super::portably;
use crate::engine::dtype::largest;
use crate::spec::classes::IdsOrProbs;
use crate::{Evaluate, LossError, prelude::*};
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};
use core::ops::Range;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// How many random cases there are of each kernel, unless `BURN_LOSSES_CASES` says otherwise: a number, or `from..to`.
const CASES: u64 = 800;

/// The largest weight, and the largest number from above.
const MOST_WEIGHT: f64 = 3.0;
const MOST_ABOVE: f64 = 5.0;

/// A GPU has one case for so many of a CPU: it takes a while to compile a kernel.
#[cfg(feature = "wgpu")]
const PER_CASE_OF_GPU: usize = 100;

fn cases() -> Range<u64> {
    let number = |text: &str| text.parse().expect("a number of cases");
    match std::env::var("BURN_LOSSES_CASES") {
        Ok(cases) => match cases.split_once("..") {
            Some((from, to)) => number(from)..number(to),
            None => 0..number(&cases),
        },
        Err(_) => 0..CASES,
    }
}

fn in_random_cases(run: impl Fn(&mut Case, u64)) {
    for seed in cases() {
        run(&mut Case::new(seed, &devices()), seed);
    }
    #[cfg(feature = "wgpu")]
    if let Some(gpu) = super::gpu::device() {
        super::gpu::between_guards(|| {
            for seed in cases().step_by(PER_CASE_OF_GPU) {
                let mut case = Case::new(seed, core::slice::from_ref(&gpu));
                let _told = Told(seed, case.dtype);
                run(&mut case, seed);
            }
        });
    }
}

/// Says in which case a GPU failed: its own error may tell of none.
#[cfg(feature = "wgpu")]
struct Told(u64, DType);

#[cfg(feature = "wgpu")]
impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::eprintln!("in case {} of {:?}, on a GPU", self.0, self.1);
        }
    }
}

fn devices() -> Vec<Device> {
    vec![
        #[cfg(feature = "flex")]
        Device::flex(),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)] // Burn points ndarray's users to flex; both are tested here.
        Device::ndarray(),
    ]
}

/// What there is of a random case.
struct Case {
    random: StdRng,
    device: Device,
    dtype: DType,
    /// Whether there are numbers among the inputs that are not usual.
    odd: bool,
}

impl Case {
    fn new(seed: u64, devices: &[Device]) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let device = devices[random.random_range(0..devices.len())].clone();
        let all = [DType::F32, DType::F32, DType::F64, DType::F16, DType::BF16];
        let mut dtypes = all.to_vec();
        let shaders = crate::engine::device::computes_by_shaders(&device);
        dtypes.retain(|&dtype| device.supports_dtype(dtype) && !(shaders && dtype == DType::F64));
        let dtype = *dtypes.choose(&mut random).expect("some type");
        Self {
            odd: random.random_bool(0.5),
            random,
            device,
            dtype,
        }
    }

    fn chance(&mut self, of: f64) -> bool {
        self.random.random_bool(of)
    }

    /// A number that is usual, or now and then not; the type holds it.
    fn number(&mut self, odd: bool) -> f64 {
        const ODD: [f64; 12] = [
            0.0, -0.0, 1.0, -1.0, 20.0, -90.0, 1e4, -1e4, 3e38, -3e38, 1e-40, 6e4,
        ];
        let most = if self.dtype == DType::F16 { 6e4 } else { 3e38 };
        let number: f64 = if odd && self.odd && self.chance(0.1) {
            *ODD.choose(&mut self.random).expect("some number")
        } else {
            self.random.random_range(-3.0..3.0)
        };
        number.clamp(-most, most)
    }

    /// Sizes of a few axes, most of them small, and now and then more than a block or a chunk.
    fn shape<const D: usize>(&mut self) -> [usize; D] {
        let long = self.chance(0.05);
        let axis = self.random.random_range(0..D);
        core::array::from_fn(|at| {
            if at == axis && long {
                self.random.random_range(500..1700)
            } else {
                self.random.random_range(1..7)
            }
        })
    }

    /// A tensor of these numbers, in a layout of any kind.
    fn tensor<const D: usize>(&mut self, numbers: &[f64], shape: [usize; D]) -> Tensor<D> {
        let options = (&self.device, self.dtype);
        let data = |numbers: Vec<f64>, shape: [usize; D]| {
            TensorData::new(numbers, shape).convert_dtype(self.dtype)
        };
        let tensor = Tensor::<D>::from_data(data(numbers.to_vec(), shape), options);
        match self.random.random_range(0..4) {
            // As it was transposed.
            0 if D > 1 => {
                let turned = tensor.clone().swap_dims(0, D - 1);
                let turned = Tensor::<D>::from_data(turned.into_data(), options);
                turned.swap_dims(0, D - 1)
            }
            // A part of something larger.
            1 => {
                let mut larger = shape;
                larger[0] += 3;
                let whole = Tensor::<D>::full(larger, 7.0, options);
                let above = whole.clone().narrow(0, 0, 1);
                let below = whole.narrow(0, 0, 2);
                Tensor::cat(vec![above, tensor, below], 0).narrow(0, 1, shape[0])
            }
            _ => tensor,
        }
    }

    fn input<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let count = shape.iter().product();
        let numbers: Vec<f64> = (0..count).map(|_| self.number(true)).collect();
        self.tensor(&numbers, shape)
    }

    fn weights(&mut self, count: usize) -> Vec<f64> {
        (0..count)
            .map(|_| {
                if self.chance(0.2) {
                    0.0
                } else {
                    self.random.random_range(0.1..MOST_WEIGHT)
                }
            })
            .collect()
    }

    fn signs(&mut self, count: usize) -> Vec<f64> {
        let mut sign = || if self.chance(0.5) { 1.0 } else { -1.0 };
        (0..count).map(|_| sign()).collect()
    }

    fn reduction(&mut self) -> Reduction {
        let all = [Reduction::Mean, Reduction::Sum, Reduction::BatchMean];
        *all.choose(&mut self.random).expect("some reduction")
    }
}

/// What comes of a call: values and the gradients of the inputs, or an error's text.
type Result = core::result::Result<Vec<Vec<f64>>, String>;

/// Which of the calls.
#[derive(Clone, Copy, Debug)]
enum How {
    Reduced,
    Each,
    Weighted,
    Parts,
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter().collect()
}

/// Calls a loss on tracked inputs, and what comes from above is `scale`.
fn call<const D: usize, const N: usize>(
    inputs: &[Tensor<D>; N],
    tracked: [bool; N],
    scale: f64,
    forward: &dyn Fn([Tensor<D>; N]) -> core::result::Result<Vec<Tensor<1>>, LossError>,
) -> Result {
    let leaves = core::array::from_fn(|at| {
        let leaf = inputs[at].clone().autodiff();
        if tracked[at] {
            leaf.require_grad()
        } else {
            leaf
        }
    });
    let values = forward(leaves.clone()).map_err(|error| error.to_string())?;
    let mut found: Vec<Vec<f64>> = values.iter().cloned().map(numbers).collect();
    let value = values[0].clone();
    if tracked.contains(&true) {
        // Each loss has another weight above it.
        let count = value.dims()[0];
        let above = Tensor::<1, Int>::arange(0..count as i64, &value.device());
        let above = above
            .float()
            .cast(value.dtype())
            .remainder_scalar(MOST_ABOVE)
            + 1.0;
        let gradients = (value * above.mul_scalar(scale)).sum().backward();
        for (leaf, _) in leaves.iter().zip(tracked).filter(|(_, tracked)| *tracked) {
            found.push(numbers(leaf.grad(&gradients).expect("a gradient")));
        }
    }
    Ok(found)
}

/// Compares the sweep with the portable form: within some digits of the number, and of the largest
/// of its tensor or `size`, the largest number that was subtracted from another on the way; `scale` is what came from
/// above.
///
/// The portable form adds up rows one number after the other, so it loses digits with their length.
fn compare(
    seed: u64,
    dtype: DType,
    what: &str,
    (size, longest, scale): (f64, usize, f64),
    swept: Result,
    portable: Result,
) {
    let (swept, portable) = match (swept, portable) {
        (Ok(swept), Ok(portable)) => (swept, portable),
        (Err(swept), Err(portable)) => {
            assert_eq!(swept, portable, "case {seed}: {what}");
            return;
        }
        (swept, portable) => panic!("case {seed}: {what}: {swept:?}, portably {portable:?}"),
    };
    let digits = match dtype {
        DType::F64 => 1e-12,
        DType::F16 => 2e-3,
        DType::BF16 => 2e-2,
        _ => 4e-6,
    };
    let digits = digits * (longest as f64 / 64.0).max(1.0);
    // What exceeds the type is the largest number until it is multiplied by what comes from above.
    let limit = 0.999 * scale * largest(dtype);
    // Below the normal numbers there are fewer digits.
    let least = match dtype {
        DType::F64 => f64::MIN_POSITIVE,
        DType::F16 => 6.1e-5,
        _ => f64::from(f32::MIN_POSITIVE),
    };
    assert_eq!(swept.len(), portable.len());
    for (swept, portable) in swept.iter().zip(&portable) {
        assert_eq!(swept.len(), portable.len(), "case {seed}: {what}");
        let finite = portable.iter().filter(|number| number.is_finite());
        let greatest = finite.fold(0.0, |greatest: f64, number| greatest.max(number.abs()));
        for (at, (&found, &expected)) in swept.iter().zip(portable).enumerate() {
            let same = found == expected
                // No number is NaN to begin with: two that exceed the type on the way, of both signs, were added up. The
                // sweep adds up in `f64`.
                || expected.is_nan()
                // Of what exceeds the type on the way, only the sign is left.
                || (expected.abs() >= limit && found * expected > 0.0)
                || (found - expected).abs() <= digits * (expected.abs() + greatest + size + least);
            assert!(
                same,
                "case {seed}: {what}: {found:e} at {at}, portably {expected:e} (largest {greatest:e})"
            );
        }
    }
}

/// Calls a loss both ways and compares.
fn both_ways<const D: usize, const N: usize>(
    case: &mut Case,
    seed: u64,
    what: &str,
    size: f64,
    inputs: [Tensor<D>; N],
    forward: impl Fn([Tensor<D>; N]) -> core::result::Result<Vec<Tensor<1>>, LossError>,
) {
    let tracked = core::array::from_fn(|_| case.chance(0.8));
    let scale = if case.chance(0.5) { 1.0 } else { 0.375 };
    let swept = call(&inputs, tracked, scale, &forward);
    let portable = portably(|| call(&inputs, tracked, scale, &forward));
    let what = format!(
        "{what} of {:?} {:?} on {:?}, tracked {tracked:?}",
        case.dtype,
        inputs[0].shape().as_slice(),
        case.device
    );
    let longest = inputs[0].dims().into_iter().max().unwrap_or(1);
    let sizes = (size, longest, scale);
    compare(seed, case.dtype, &what, sizes, swept, portable);
}

/// The call of a loss with an output and a target.
fn of_two<
    const D: usize,
    T: Clone,
    L: Evaluate<(Tensor<D>, T), Unreduced = Tensor<U>>,
    const U: usize,
>(
    loss: &L,
    how: How,
    weights: &Tensor<1>,
    x: Tensor<D>,
    targets: T,
) -> core::result::Result<Vec<Tensor<1>>, LossError>
where
    Tensor<1>: crate::targets::SampleWeights<Tensor<U>>,
{
    Ok(match how {
        How::Reduced => vec![loss.try_forward(x, targets)?],
        How::Each => {
            let each = loss.try_forward_no_reduction(x, targets)?;
            let count = each.shape().num_elements();
            vec![each.reshape([count])]
        }
        How::Weighted => vec![loss.try_forward_weighted(x, targets, weights.clone())?],
        How::Parts => {
            let parts = loss.try_forward_parts(x, targets)?;
            vec![parts.sum, parts.weight]
        }
    })
}

/// The call of a loss with three inputs.
fn of_three<A, B, C, L: Evaluate<(A, B, C), Unreduced = Tensor<U>>, const U: usize>(
    loss: &L,
    how: How,
    weights: &Tensor<1>,
    (a, b, c): (A, B, C),
) -> core::result::Result<Vec<Tensor<1>>, LossError>
where
    Tensor<1>: crate::targets::SampleWeights<Tensor<U>>,
{
    Ok(match how {
        How::Reduced => vec![loss.try_forward(a, b, c)?],
        How::Each => {
            let each = loss.try_forward_no_reduction(a, b, c)?;
            let count = each.shape().num_elements();
            vec![each.reshape([count])]
        }
        How::Weighted => vec![loss.try_forward_weighted(a, b, c, weights.clone())?],
        How::Parts => {
            let parts = loss.try_forward_parts(a, b, c)?;
            vec![parts.sum, parts.weight]
        }
    })
}

fn how(case: &mut Case) -> How {
    let all = [How::Reduced, How::Each, How::Weighted, How::Parts];
    *all.choose(&mut case.random).expect("some call")
}

/// Weights of samples, of which now and then one is not valid.
fn sample_weights(case: &mut Case, count: usize) -> Tensor<1> {
    let mut weights = case.weights(count);
    if case.chance(0.03) {
        let at = case.random.random_range(0..count);
        weights[at] = -1.0;
    }
    #[cfg(feature = "wgpu")]
    if matches!(
        case.device.as_dispatch(),
        burn::backend::DispatchDevice::Cube(_)
    ) {
        // Burn's fusion multiplies by wrong elements of a slice that was repeated: so the portable form
        // would be wrong.
        return Tensor::from_data(TensorData::new(weights, [count]), &case.device);
    }
    case.tensor(&weights, [count])
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for device in devices() {
        let random =
            |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Normal(0.0, 2.0), &device);
        let (x, y) = (random([333, 501]), random([333, 501]));
        let (a, p, n) = (random([501, 111]), random([501, 111]), random([501, 111]));
        let few = random([20_011, 7]);
        // As many numbers of a sample as are worked on by columns.
        let images = Tensor::<4>::random([2, 21, 80, 80], Distribution::Normal(0.0, 2.0), &device);
        let of_images = Tensor::<1, Int>::arange(0..2 * 80 * 80, &device);
        let of_images = of_images.remainder_scalar(20).reshape([2, 80, 80]);
        let ids = |rows: usize, classes: i64| {
            let ids = Tensor::<1, Int>::arange(0..rows as i64, &device);
            ids.remainder_scalar(classes)
        };
        let labels = y.clone().greater_scalar(0.0);
        let of_rows = ids(333, 501);
        let of_few = ids(20_011, 7);
        let results = || {
            let run = |inputs: &[&Tensor<2>], loss: &dyn Fn(&[Tensor<2>]) -> Tensor<1>| {
                let leaves: Vec<_> = inputs
                    .iter()
                    .map(|&input| input.clone().autodiff().require_grad())
                    .collect();
                let value = loss(&leaves);
                let gradients = value.backward();
                let mut bits: Vec<u32> =
                    value.into_data().iter::<f32>().map(f32::to_bits).collect();
                for leaf in &leaves {
                    let gradient = leaf.grad(&gradients).expect("a gradient").into_data();
                    bits.extend(gradient.iter::<f32>().map(f32::to_bits));
                }
                bits
            };
            [
                run(&[&x, &y], &|l| {
                    MseLoss::new().forward(l[0].clone(), l[1].clone())
                }),
                run(&[&x], &|l| {
                    BceWithLogitsLoss::new().forward(l[0].clone(), labels.clone())
                }),
                run(&[&x], &|l| {
                    CrossEntropyLoss::new().forward(l[0].clone(), of_rows.clone())
                }),
                run(&[&few], &|l| {
                    CrossEntropyLoss::new().forward(l[0].clone(), of_few.clone())
                }),
                run(&[&few], &|l| {
                    LovaszLoss::new().forward(l[0].clone(), of_few.clone())
                }),
                run(&[&images.clone().reshape([2 * 21, 80 * 80])], &|l| {
                    let logits = l[0].clone().reshape([2, 21, 80, 80]);
                    let by_sample = LovaszLossConfig::new().with_per_sample(true).init();
                    LovaszLoss::new().forward(logits.clone(), of_images.clone())
                        + by_sample.forward(logits, of_images.clone())
                }),
                run(&[&few], &|l| {
                    CoralLoss::new().forward(l[0].clone(), of_few.clone())
                        + CornLoss::new().forward(l[0].clone(), of_few.clone())
                        + EarthMoverLoss::new()
                            .forward(l[0].clone(), of_few.clone().remainder_scalar(6))
                }),
                run(&[&a, &p, &n], &|l| {
                    TripletMarginLoss::new().forward(l[0].clone(), l[1].clone(), l[2].clone())
                }),
            ]
        };
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a pool of threads").install(results)
        };
        let expected = with(1);
        for threads in [2, 7] {
            assert!(with(threads) == expected, "{threads} threads on {device:?}");
        }
    }
}

/// The address of a float tensor's numbers on flex.
#[cfg(feature = "flex")]
fn address<const D: usize>(tensor: Tensor<D>) -> usize {
    let tensor = tensor.try_into_primitive::<burn::backend::Flex>();
    tensor.expect("a tensor of flex").bytes().as_ptr() as usize
}

#[test]
#[cfg(feature = "flex")]
fn the_gradient_takes_the_place_of_an_input_that_nobody_shares() {
    let device = Device::flex();
    let targets = Tensor::<1, Int>::from_data([1, 0, 2], &device);
    // The output of a layer, which nobody else holds.
    let weights = Tensor::<2>::ones([4, 4], &device).autodiff().require_grad();
    let input = Tensor::<2>::ones([3, 4], &device).autodiff();
    let logits = input.matmul(weights.clone());
    let here = address(logits.clone().inner());
    let other = logits.clone();
    assert_ne!(address(sweep_of(logits, targets.clone())), here);
    assert_eq!(address(sweep_of(other, targets)), here);
}

/// The gradient of a cross-entropy with respect to its logits, as the sweep gives it.
#[cfg(feature = "flex")]
fn sweep_of(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<2> {
    use crate::engine::ops::{AnyTensor, LossOps};
    use crate::engine::softmax::ClassSpec;
    use crate::spec::request::{Request, Returns};
    use burn::backend::{Autodiff, Flex};

    let logits = logits.try_into_primitive::<Autodiff<Flex>>();
    let (logits, _guard) = logits.expect("logits on flex").into_parts();
    let ids = targets.try_into_primitive::<Flex>().expect("ids on flex");
    let call = ClassSpec {
        axis: 1,
        target: IdsOrProbs::Ids(AnyTensor::Int(ids), Vec::new()),
        log_probs: None,
        weights: None,
        weights_count: true,
        label_smoothing: 0.0,
        adjustment: None,
        z_loss: 0.0,
        head: None,
    };
    let request = Request {
        returns: Returns::Reduced(Reduction::Mean),
        samples: None,
        batch: 3,
        terms: 1,
        total: None,
    };
    let swept = Flex::classes(call, logits, request, true);
    let [gradient] = swept.gradients;
    Tensor::from_primitive::<Flex>(gradient.expect("a gradient"))
}

/// One over the total is beyond `f32`.
#[test]
fn a_loss_of_0_over_a_tiny_total_is_0() {
    for device in devices() {
        let total = TensorData::new(vec![1e-40_f64], [1]);
        let total = Tensor::<1>::from_data(total, (&device, DType::F64));
        let y = Tensor::<1>::from_data([2.0, -3.0], &device);
        let x = y.clone().autodiff().require_grad();
        let run = || MseLoss::new().forward_over(x.clone(), y.clone(), total.clone());
        for value in [run(), portably(run)] {
            let gradient = x.grad(&value.backward()).expect("a gradient");
            assert_eq!(super::numbers(value.inner()), [0.0], "{device:?}");
            assert_eq!(super::numbers(gradient), [0.0; 2], "{device:?}");
        }
    }
}
