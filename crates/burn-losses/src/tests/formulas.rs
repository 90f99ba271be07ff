//! Random formulas: the loops over blocks, tensors and scalars give the same, and a slope is what the loss changes by.

use crate::engine::elementwise::AnyElementwise;
use crate::engine::host::formula::FormulaKernel;
use crate::engine::host::kernel::{Gradient, Kernel, Must, Terms};
use crate::engine::host::output::Output;
use crate::engine::host::vectors::Vectors;
use crate::spec::elementwise::Derivative;
use crate::spec::expression::program::Formula;
use crate::spec::expression::{Expr, RecordedFormula, record};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use burn::tensor::{DType, Device, Tensor, TensorData};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// How many formulas there are, unless `BURN_LOSSES_CASES` says otherwise.
const CASES: u32 = 1000;

/// How many instructions there are.
const CODES: u8 = 36;

const PARAMETERS: [(&str, f64); 2] = [("margin", 0.75), ("width", -3.0)];

/// The formulas record all of them, in this order.
fn parameters() -> Vec<f64> {
    PARAMETERS.map(|(_, number)| number).to_vec()
}

/// How many points a formula is computed at: the last ones do not fill a block.
const POINTS: usize = 24;

/// A formula of two operands, as its instructions say; at a tie the larger is the second, nothing is equal, and
/// what is equal is above, if that is `told`.
fn formula([x, y]: [Expr; 2], instructions: &[u8], told: bool) -> Expr {
    let max = |a: Expr, b: Expr| {
        if told {
            a.above(b).select(a, b)
        } else {
            a.max(b)
        }
    };
    let min = |a: Expr, b: Expr| {
        if told {
            a.below(b).select(a, b)
        } else {
            a.min(b)
        }
    };
    const NUMBERS: [f64; 6] = [0.5, -1.0, 2.0, 3.25, -0.125, 10.0];
    let numbers = NUMBERS.map(Expr::constant).into_iter();
    let parameters = PARAMETERS.map(|(name, _)| Expr::parameter(name));
    let numbers: Vec<Expr> = numbers.chain(parameters).collect();
    let above = |a: Expr, b: Expr| {
        if told { b.above(a).not() } else { a.above(b) }
    };
    let equals = |a: Expr, b: Expr| {
        if told {
            a.above(b).and(a.below(b))
        } else {
            a.equals(b)
        }
    };
    let mut stack = vec![x, y];
    for &instruction in instructions {
        let code = instruction % CODES;
        let number = numbers[usize::from(instruction / CODES) % numbers.len()];
        let top = stack.pop().expect("it is never empty");
        let below = stack.last().copied().unwrap_or(x);
        let value = match code {
            0 => top + below,
            1 => top - below,
            2 => top * below,
            3 => top / below,
            4 => max(top, below),
            5 => min(top, below),
            6 => above(top, below).select(top * below, number),
            7 => above(number, top).select(below, top),
            8 => top.abs(),
            9 => -top,
            10 => top.exp(),
            11 => top.ln(),
            12 => top.abs().ln_1p(),
            13 => top.abs().sqrt(),
            14 => top.sigmoid(),
            15 => top.softplus(),
            16 => top.tanh(),
            17 => top.square(),
            18 => top * number,
            19 => top + number,
            20 => number - top,
            21 => number / top,
            22 => top.abs().powf(1.5),
            23 => top.powf(3.0),
            24 => max(top, number),
            25 => min(max(top, (-3.0).into()), number.abs()),
            26 => top.sign() * below,
            27 => top.sqrt(),
            28 => equals(top, below)
                .or(above(top, 1.0.into()).not())
                .select(below, top),
            29 => 1.0 - top.sigmoid(),
            30 => top.erf(),
            32 => top / number,
            33 => top.half_exp_rest(),
            // Of the number itself it undoes `ln_1p`, but for rounding: a comparison with that number is a coin toss.
            34 => (0.3 * top).exp_m1(),
            31 => {
                stack.push(top);
                x
            }
            _ => {
                stack.push(top);
                y
            }
        };
        stack.push(value);
    }
    let all = stack.into_iter();
    all.reduce(|a, b| a + b).expect("it is never empty")
}

/// A formula with its slopes.
fn kernel(instructions: &[u8], told: bool) -> FormulaKernel {
    let recorded: RecordedFormula = record(|operands| [formula(operands, instructions, told)]);
    let mut graph = recorded.graph.clone();
    let loss = recorded.results[0];
    let slopes = graph.derivatives(loss, &recorded.operands);
    FormulaKernel {
        value: Arc::new(Formula::new(&graph, &[loss], true)),
        // With a slope that is no number where the rules say 0, if ties are told.
        all: Arc::new(Formula::new(&graph, &[loss, slopes[0], slopes[1]], !told)),
        derivatives: vec![Derivative::Slope(0), Derivative::Slope(1)],
        slopes: 2,
        parameters: parameters(),
    }
}

/// How far two computations of a number may be apart, where a small change of the operands changes it by `moved`.
fn allowed(number: f64, moved: f64, digits: f64) -> f64 {
    digits * (number.abs() + 1.0) + moved
}

struct Case {
    kernel: FormulaKernel,
    /// The same, but for ties.
    told: FormulaKernel,
    points: Vec<[f64; 2]>,
    /// The loss and its slopes at each point, and how much they change with the operands' last digits.
    exact: Vec<[f64; 3]>,
    moved: Vec<[f64; 3]>,
}

impl Case {
    fn new(instructions: &[u8], points: Vec<[f64; 2]>) -> Self {
        let told = kernel(instructions, true);
        let kernel = kernel(instructions, false);
        let at = |point: &[f64; 2]| -> [f64; 3] {
            let results = kernel.all.run(point, &parameters());
            results.try_into().expect("a loss and two slopes")
        };
        let exact: Vec<_> = points.iter().map(at).collect();
        let moved = points.iter().zip(&exact).map(|(point, exact)| {
            let mut moved = [0.0; 3];
            for step in [[1e-9, 0.0], [-1e-9, 0.0], [0.0, 1e-9], [0.0, -1e-9]] {
                let near =
                    core::array::from_fn(|at| point[at] + step[at] * point[at].abs().max(1.0));
                for ((moved, near), exact) in moved.iter_mut().zip(at(&near)).zip(exact) {
                    let apart = (near - exact).abs();
                    *moved = if apart.is_nan() {
                        f64::INFINITY
                    } else {
                        apart.max(*moved)
                    };
                }
            }
            moved
        });
        Self {
            moved: moved.collect(),
            kernel,
            told,
            points,
            exact,
        }
    }

    /// The size of the largest number on the way: what is rounded is rounded beside it.
    fn largest(&self, point: &[f64; 2]) -> f64 {
        let mut largest: f64 = 0.0;
        let watch = |value: &f64| largest = largest.max(value.abs());
        self.kernel
            .all
            .exact
            .list
            .run_watched(point, &parameters(), watch);
        largest
    }

    fn columns(&self) -> [Vec<f64>; 2] {
        [0, 1].map(|at: usize| self.points.iter().map(|point| point[at]).collect())
    }

    /// Compares each number with that of scalars in `f64`.
    fn compare(
        &self,
        what: &str,
        found: [&[f64]; 3],
        digits: f64,
        times: f64,
    ) -> Result<(), TestCaseError> {
        for (at, (exact, moved)) in self.exact.iter().zip(&self.moved).enumerate() {
            for result in 0..3 {
                let (found, exact, moved) = (found[result][at], exact[result], moved[result]);
                let finite = self.exact[at][0].is_finite();
                prop_assert!(
                    !(finite && found.is_nan()),
                    "{what} result {result} at {:?}: NaN, where the loss is {}",
                    self.points[at],
                    self.exact[at][0]
                );
                // Whose exponential is rounded another way has another side of a tie.
                let tie = result > 0
                    && self.told.all.run(&self.points[at], &parameters())[result] != exact;
                if !exact.is_finite() || exact.abs() > 1e30 || tie {
                    continue;
                }
                let beside = 1e-14 * self.largest(&self.points[at]);
                let close = (found - exact).abs() <= allowed(exact, times * moved, digits) + beside;
                prop_assert!(
                    close || moved > 1e-3 * (exact.abs() + 1.0),
                    "{what} result {result} at {:?}: {found:e} instead of {exact:e} (moved {moved:e})",
                    self.points[at]
                );
            }
        }
        Ok(())
    }

    fn in_f64(&self) -> Result<(), TestCaseError> {
        let columns = self.columns();
        let operands = columns.each_ref().map(|column| &column[..]);
        let mut losses = vec![0.0; POINTS];
        let mut slopes = vec![vec![0.0; POINTS]; 2];
        let terms = Terms {
            losses: &mut losses,
            slopes: &mut slopes,
        };
        self.kernel.each_f64(Vectors::detect(), &operands, terms);
        self.compare("f64", [&losses, &slopes[0], &slopes[1]], 1e-9, 10.0)
    }

    /// What the loops in `f32` give: as near as scalars in `f32` are, and finite where the loss is, in its range.
    fn in_f32(&self) -> Result<(), TestCaseError> {
        let columns = self
            .columns()
            .map(|column| column.iter().map(|&x| x as f32).collect::<Vec<_>>());
        let operands = columns.each_ref().map(|column| &column[..]);
        let mut losses = vec![0.0; POINTS];
        let mut slopes = vec![vec![0.0; POINTS]; 2];
        let terms = Terms {
            losses: &mut losses,
            slopes: &mut slopes,
        };
        self.kernel.each_f32(Vectors::detect(), &operands, terms);
        let all = [&losses, &slopes[0], &slopes[1]];
        for (at, exact) in self.exact.iter().enumerate() {
            let point = self.points[at].map(|x| x as f32);
            let plain = self.kernel.all.run(&point, &parameters());
            for result in 0..3 {
                prop_assert!(
                    !(self.exact[at][0].is_finite() && all[result][at].is_nan()),
                    "f32 result {result} at {point:?}: NaN, where the loss is {}",
                    self.exact[at][0]
                );
                self.near_in_f32(at, result, (all[result][at], plain[result]), exact[result])?;
            }
        }
        self.sums_up(&operands, all)
    }

    /// As near to the result in `f64` as that of scalars in `f32` is.
    fn near_in_f32(
        &self,
        at: usize,
        result: usize,
        (found, plain): (f32, f32),
        exact: f64,
    ) -> Result<(), TestCaseError> {
        let (found, plain) = (f64::from(found), f64::from(plain));
        if !exact.is_finite() || !plain.is_finite() || exact.abs() >= 1e30 {
            return Ok(());
        }
        let rounded = 1e-5 * self.largest(&self.points[at]);
        let allowed = allowed(exact, 1e3 * self.moved[at][result] + rounded, 1e-3);
        prop_assert!(
            (found - exact).abs() <= allowed + 100.0 * (plain - exact).abs(),
            "f32 result {result} at {:?}: {found:e}, exact {exact:e}, plain {plain:e}",
            self.points[at]
        );
        Ok(())
    }

    /// The one pass gives the same as the long way, or says that it did not. Of some slopes alone it gives the same
    /// but for rounding where others left the range of `f32`: the long way then begins again in `f64`.
    fn sums_up(&self, operands: &[&[f32]], each: [&Vec<f32>; 3]) -> Result<(), TestCaseError> {
        let mut all_stay_within = true;
        for wanted in [[true, true], [false, true]] {
            let mut slopes = [(); 2].map(|()| vec![0.0; POINTS]);
            let mut outputs = slopes
                .each_mut()
                .map(|slopes| Some(Output::in_place(slopes)));
            for (output, wanted) in outputs.iter_mut().zip(wanted) {
                output.take_if(|_| !wanted);
            }
            let sum = self.kernel.sum(
                Vectors::detect(),
                operands,
                Must {
                    rules: &[None, None],
                    rows: None,
                },
                Some(Gradient {
                    outputs: &mut outputs,
                    scale: 1.0,
                }),
            );
            drop(outputs);
            let sum = sum.expect("a formula is added up in one pass");
            if !sum.losses.is_finite() || sum.beyond {
                all_stay_within = false;
                continue;
            }
            if all_stay_within {
                let total: f64 = each[0].iter().map(|&loss| f64::from(loss)).sum();
                let sizes: f64 = each[0].iter().map(|&loss| f64::from(loss.abs())).sum();
                prop_assert!((sum.losses - total).abs() <= 1e-5 * sizes);
            }
            for (slope, _) in wanted.iter().enumerate().filter(|(_, wanted)| **wanted) {
                let (found, result) = (&slopes[slope], 1 + slope);
                if all_stay_within {
                    prop_assert_eq!(found, each[result]);
                    continue;
                }
                for (at, (&found, exact)) in found.iter().zip(&self.exact).enumerate() {
                    let point = self.points[at].map(|x| x as f32);
                    let plain = self.kernel.all.run(&point, &parameters())[result];
                    self.near_in_f32(at, result, (found, plain), exact[result])?;
                }
            }
        }
        Ok(())
    }

    fn on_tensors(&self) -> Result<(), TestCaseError> {
        let operands = self.columns().map(|column| {
            let data = TensorData::new(column, [1, POINTS, 1]);
            Tensor::<3>::from_data(data, (&Device::flex(), DType::F64))
        });
        let terms = self.kernel.on_tensors(&operands, None, 2);
        let read =
            |tensor: &Tensor<3>| tensor.clone().into_data().iter::<f64>().collect::<Vec<_>>();
        let found = [&terms.value, &terms.slopes[0], &terms.slopes[1]].map(read);
        let found = found.each_ref().map(|found| &found[..]);
        self.compare("tensors", found, 1e-9, 10.0)
    }

    /// Where the difference quotients from both sides, with two steps, are the same, so is the slope.
    fn slopes(&self) -> Result<(), TestCaseError> {
        for ((point, exact), moved) in self.points.iter().zip(&self.exact).zip(&self.moved) {
            // `x.abs() * x.sign()` has no corner at 0, and both factors have; nor has the larger of two that are the
            // same, nor a root whose slope is infinite and then taken away again.
            if self.told.all.run(point, &parameters()) != exact {
                continue;
            }
            for operand in 0..2 {
                if moved[1 + operand] > 1e-3 {
                    continue;
                }
                let loss = |step: f64| {
                    let mut point = *point;
                    point[operand] += step;
                    self.kernel.value.run(&point, &parameters())[0]
                };
                let here = loss(0.0);
                let size = point[operand].abs().max(1.0);
                let quotients = [1e-5, -1e-5, 1e-6, -1e-6]
                    .map(|step| (loss(step * size) - here) / (step * size));
                let scale = quotients[0].abs().max(1.0);
                let middle = (quotients[0] + quotients[1]) / 2.0;
                let largest = self.largest(point);
                let smooth = quotients
                    .iter()
                    .all(|quotient| (quotient - middle).abs() <= 1e-3 * scale);
                if !smooth || largest > 1e6 * scale {
                    continue;
                }
                let slope = exact[1 + operand];
                prop_assert!(
                    (slope - middle).abs() <= 1e-2 * scale,
                    "slope {operand} at {point:?}: {slope:e} instead of {middle:e}"
                );
            }
        }
        Ok(())
    }
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -4.0..4.0_f64,
        2 => prop::sample::select(vec![0.0, 1.0, -1.0, 0.5, 2.0]),
        1 => -200.0..200.0_f64,
    ]
    // Exact in `f32`.
    .prop_map(|x| f64::from(x as f32))
}

#[test]
fn random_formulas_are_the_same_everywhere_and_so_are_their_slopes() {
    let cases = std::env::var("BURN_LOSSES_CASES").ok();
    let cases = cases.map_or(CASES, |cases| cases.parse().expect("a number"));
    let mut config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    // The same formulas each time, unless `PROPTEST_RNG_SEED` says otherwise.
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0);
    }
    let mut runner = TestRunner::new(config);
    let points = prop::collection::vec([number(), number()], POINTS);
    let instructions = prop::collection::vec(any::<u8>(), 1..12);
    let tested = runner.run(&(instructions, points), |(instructions, points)| {
        let case = Case::new(&instructions, points);
        case.in_f64()?;
        case.in_f32()?;
        // What holds at a single point alone chooses a value there that its neighbours do not have.
        if instructions
            .iter()
            .all(|instruction| instruction % CODES != 28)
        {
            case.slopes()?;
        }
        case.on_tensors()
    });
    if let Err(error) = tested {
        let proptest::test_runner::TestError::Fail(why, (instructions, _)) = error else {
            panic!("{error}");
        };
        let show = kernel(&instructions, false);
        panic!("{why}\n{instructions:?}\n{show:?}");
    }
}

/// What a GPU compiles is told apart by the formula, not by its parameters.
#[cfg(feature = "cube")]
#[test]
fn a_parameter_is_no_part_of_a_kernel() {
    let key = |constant: f64, parameter: f64| {
        let recorded =
            record(|[x, y]: [Expr; 2]| [(x - y).abs() * constant + Expr::parameter("margin")]);
        let formula = Formula::new(&recorded.graph, &recorded.results, true);
        let kernel = FormulaKernel {
            value: Arc::new(formula),
            all: kernel(&[0], false).all,
            derivatives: vec![Derivative::Slope(0); 2],
            slopes: 0,
            parameters: vec![parameter],
        };
        kernel.on_gpu(vec![None, None], 2, 1.0)
    };
    assert!(key(2.0, 1.0) == key(2.0, 3.0));
    assert!(key(2.0, 1.0) != key(4.0, 1.0));
    let told = key(2.0, 3.0);
    assert_eq!(told.parameters(), [3.0]);
}
