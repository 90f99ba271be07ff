//! Formulas that users write: recorded once, on symbols.

pub(crate) mod graph;
pub(crate) mod operations;
pub(crate) mod program;
pub(crate) mod special;

mod derivative;
mod passes;

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};
use graph::{FormulaGraph, Value};
use operations::Operation;

/// A value in the formula of a loss of one's own: a symbol, not a number.
///
/// The closure of a [`Custom`](crate::custom::Custom) loss is called once, with a symbol for each operand. It
/// computes with them as it would with numbers, and with numbers beside them; what comes out is the formula, of
/// which the loss, its gradient, and the kernels for all devices are made.
///
/// ```
/// use burn_losses::custom::{Custom, Expr};
///
/// /// A helper is a function like any other.
/// fn squared(x: Expr) -> Expr {
///     x * x
/// }
///
/// let loss = Custom::elementwise("RelativeSquaredError", |prediction, target| {
///     squared(prediction - target) / (squared(target) + 1.0)
/// });
/// ```
///
/// Numbers are `f64`: write `4.0 * x`, and `f64::from(factor)` for an `f32`.
///
/// In a product zero times infinity is zero, so `x * x.ln()` is 0 at 0. [`abs`](Self::abs) has slope 0 at 0, and
/// [`max`](Self::max) has none at a tie. NaN stays NaN, also in a comparison: what is chosen by one is NaN then.
///
/// What may differ from element to element is chosen by a [`Condition`] ([`above`](Self::above), [`below`](Self::below),
/// [`equals`](Self::equals)), not by `if`; where a formula has a corner, its slope is that of the value that is chosen:
///
/// ```
/// # use burn_losses::custom::Custom;
/// let huber = Custom::elementwise("MyHuber", |prediction, target| {
///     let error = (prediction - target).abs();
///     error.below(1.0).select(0.5 * error * error, error - 0.5)
/// });
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct Expr {
    recording: u64,
    value: Value,
}

/// A comparison of values, by which one of two others is chosen.
#[derive(Clone, Copy)]
#[must_use]
pub struct Condition(Expr);

/// A formula that is being recorded.
struct Recording {
    id: u64,
    graph: FormulaGraph,
    parameters: Vec<&'static str>,
}

/// What a closure gave.
#[derive(Debug)]
pub(crate) struct RecordedFormula {
    pub(crate) graph: FormulaGraph,
    pub(crate) parameters: Vec<&'static str>,
    pub(crate) operands: Vec<Value>,
    pub(crate) results: Vec<Value>,
}

std::thread_local! {
    /// The innermost comes last: a closure may make a loss of its own.
    static RECORDINGS: RefCell<Vec<Recording>> = const { RefCell::new(Vec::new()) };
}

/// A number for each recording of the process.
fn next_id() -> u64 {
    use core::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Ends a recording, also where a closure panics.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        RECORDINGS.with_borrow_mut(|recordings| recordings.truncate(recordings.len() - 1));
    }
}

/// Runs a closure on symbols, as many as there are operands.
pub(crate) fn record<const K: usize, const N: usize>(
    closure: impl FnOnce([Expr; K]) -> [Expr; N],
) -> RecordedFormula {
    record_with(&[], closure)
}

/// As [`record`], where the parameters of another formula come first.
pub(crate) fn record_with<const K: usize, const N: usize>(
    parameters: &[&'static str],
    closure: impl FnOnce([Expr; K]) -> [Expr; N],
) -> RecordedFormula {
    let mut graph = FormulaGraph::default();
    // It stands for what an operation of fewer values does not have.
    graph.constant(0.0);
    record_into(graph, parameters.into(), closure)
}

/// Runs a closure on the operands of another one; gives the graph of both, with the results of the other one, and what
/// this one gave.
pub(crate) fn record_more<const K: usize, const N: usize>(
    recorded: &RecordedFormula,
    closure: impl FnOnce([Expr; K]) -> [Expr; N],
) -> (RecordedFormula, Vec<Value>) {
    let (graph, parameters) = (recorded.graph.clone(), recorded.parameters.clone());
    let mut more = record_into(graph, parameters, closure);
    let results = core::mem::replace(&mut more.results, recorded.results.clone());
    (more, results)
}

fn record_into<const K: usize, const N: usize>(
    mut graph: FormulaGraph,
    parameters: Vec<&'static str>,
    closure: impl FnOnce([Expr; K]) -> [Expr; N],
) -> RecordedFormula {
    let operands: [Value; K] =
        core::array::from_fn(|at| graph.add(Operation::Operand(at as u8), &[]));
    let id = next_id();
    RECORDINGS.with_borrow_mut(|recordings| {
        recordings.push(Recording {
            id,
            graph,
            parameters,
        });
    });
    let running = Running;
    let expr = |value| Expr {
        recording: id,
        value,
    };
    let results = closure(operands.map(expr)).map(Expr::own);
    let (graph, parameters) = RECORDINGS.with_borrow_mut(|recordings| {
        let recording = recordings.last_mut().expect("it is running");
        (
            core::mem::take(&mut recording.graph),
            core::mem::take(&mut recording.parameters),
        )
    });
    drop(running);
    RecordedFormula {
        graph,
        parameters,
        operands: operands.into(),
        results: results.into(),
    }
}

const OUTSIDE: &str = "an `Expr` belongs to the closure that it was made in: nothing else can compute with it. \
                       What changes from call to call is an `Expr::parameter`.";

/// In the recording that is running.
#[track_caller]
fn recorded(write: impl FnOnce(&mut Recording) -> Value) -> Expr {
    let expr = RECORDINGS.with_borrow_mut(|recordings| {
        let recording = recordings.last_mut()?;
        Some(Expr {
            recording: recording.id,
            value: write(recording),
        })
    });
    expr.expect(OUTSIDE)
}

impl Expr {
    /// A number.
    ///
    /// An `f64` is one wherever an `Expr` can be; this is for a formula that begins with one.
    #[track_caller]
    pub fn constant(number: f64) -> Self {
        recorded(|recording| recording.graph.constant(number))
    }

    /// A number that has a name, and is set from call to call by
    /// [`with_parameter`](crate::custom::CustomElementwise::with_parameter): a margin on a schedule. No
    /// kernel is compiled anew for it.
    ///
    /// A formula has up to eight of them.
    #[track_caller]
    pub fn parameter(name: &'static str) -> Self {
        recorded(|recording| {
            let known = recording.parameters.iter().position(|known| *known == name);
            let at = known.unwrap_or_else(|| {
                recording.parameters.push(name);
                recording.parameters.len() - 1
            });
            let at = u8::try_from(at).expect("a formula has fewer than 256 parameters");
            recording.graph.add(Operation::Parameter(at), &[])
        })
    }

    /// Its value, in the recording that is running.
    #[track_caller]
    fn own(self) -> Value {
        let running = recorded(|_| self.value);
        assert!(running.recording == self.recording, "{OUTSIDE}");
        self.value
    }

    #[track_caller]
    fn unary(self, operation: Operation) -> Self {
        let value = self.own();
        recorded(|recording| recording.graph.add(operation, &[value]))
    }

    #[track_caller]
    fn binary(self, operation: Operation, other: Self) -> Self {
        let of = [self.own(), other.own()];
        recorded(|recording| recording.graph.add(operation, &of))
    }

    /// The product, in which zero times anything is zero, be it no number.
    pub(crate) fn times_or_zero(self, other: Self) -> Self {
        self.binary(Operation::Chain, other)
    }

    /// The absolute value. Its derivative at 0 is 0.
    #[track_caller]
    pub fn abs(self) -> Self {
        self.unary(Operation::Abs)
    }

    /// -1, 0 or 1. Its derivative is 0.
    #[track_caller]
    pub fn sign(self) -> Self {
        self.unary(Operation::Sign)
    }

    /// `e` to the power of it.
    #[track_caller]
    pub fn exp(self) -> Self {
        self.unary(Operation::Exp)
    }

    /// The natural logarithm: `-inf` at 0, NaN below. That of a [`sigmoid`](Self::sigmoid) is computed without
    /// it, and so is `(1.0 + x.exp()).ln()`.
    #[track_caller]
    pub fn ln(self) -> Self {
        self.unary(Operation::Ln)
    }

    /// `ln(1 + self)`, accurate for tiny numbers.
    #[track_caller]
    pub fn ln_1p(self) -> Self {
        self.unary(Operation::Ln1p)
    }

    /// The root: NaN below 0. Its derivative at 0 is infinite, so the largest number of the type.
    #[track_caller]
    pub fn sqrt(self) -> Self {
        self.unary(Operation::Sqrt)
    }

    /// The number where it is above 0, else 0.
    #[track_caller]
    pub fn relu(self) -> Self {
        self.max(0.0)
    }

    /// Its square.
    #[track_caller]
    pub fn square(self) -> Self {
        self * self
    }

    /// To the power of a number or of another value.
    ///
    /// Whole powers up to 16 are products, as those of negative numbers must be; any other is that of a number
    /// that is not negative.
    #[track_caller]
    pub fn powf(self, exponent: impl Into<Expr>) -> Self {
        self.binary(Operation::Power, exponent.into())
    }

    /// `1 / (1 + e^-x)`. `1.0 - x.sigmoid()` has all its digits too.
    #[track_caller]
    pub fn sigmoid(self) -> Self {
        self.unary(Operation::Sigmoid)
    }

    /// `ln(sigmoid(x))`, finite for all finite numbers.
    #[track_caller]
    pub fn log_sigmoid(self) -> Self {
        self.sigmoid().ln()
    }

    /// `ln(1 + e^x)`, finite for all finite numbers.
    #[track_caller]
    pub fn softplus(self) -> Self {
        self.unary(Operation::Softplus)
    }

    /// The hyperbolic tangent.
    #[track_caller]
    pub fn tanh(self) -> Self {
        self.unary(Operation::Tanh)
    }

    /// The arc tangent.
    #[track_caller]
    pub fn atan(self) -> Self {
        self.unary(Operation::Atan)
    }

    /// The error function: how likely a number of the normal distribution of variance 1/2 is closer to 0, with the sign
    /// of the value.
    #[track_caller]
    pub fn erf(self) -> Self {
        self.unary(Operation::Erf)
    }

    /// `e^self - 1`, accurate for tiny numbers.
    #[track_caller]
    pub fn exp_m1(self) -> Self {
        2.0 * self.unary(Operation::HalfExpM1)
    }

    /// `(e^x - 1 - x) / 2`, accurate for tiny numbers; so is its derivative.
    #[track_caller]
    pub(crate) fn half_exp_rest(self) -> Self {
        self.unary(Operation::HalfExpRest)
    }

    /// The same number, of which a derivative sees a constant.
    #[track_caller]
    pub fn detach(self) -> Self {
        self.unary(Operation::Detached)
    }

    /// The larger one. Where both are the same neither has a derivative.
    #[track_caller]
    pub fn max(self, other: impl Into<Expr>) -> Self {
        self.binary(Operation::Max, other.into())
    }

    /// The smaller one. Where both are the same neither has a derivative.
    #[track_caller]
    pub fn min(self, other: impl Into<Expr>) -> Self {
        self.binary(Operation::Min, other.into())
    }

    /// The difference, which is 0 of the same infinite numbers.
    #[track_caller]
    pub(crate) fn difference(self, other: Self) -> Self {
        self.binary(Operation::Difference, other)
    }

    /// As [`max`](Self::max), and where both are the same each has half of the derivative.
    #[track_caller]
    pub(crate) fn greater(self, other: Self) -> Self {
        self.binary(Operation::Greater, other)
    }

    /// As [`min`](Self::min), likewise.
    #[track_caller]
    pub(crate) fn lesser(self, other: Self) -> Self {
        self.binary(Operation::Lesser, other)
    }

    /// The number, or the least that it may be: [`max`](Self::max) by another name.
    #[track_caller]
    pub fn at_least(self, least: impl Into<Expr>) -> Self {
        self.max(least)
    }

    /// The number, or the most that it may be: [`min`](Self::min) by another name.
    #[track_caller]
    pub fn at_most(self, most: impl Into<Expr>) -> Self {
        self.min(most)
    }

    /// The number between two others.
    #[track_caller]
    pub fn clamp(self, least: impl Into<Expr>, most: impl Into<Expr>) -> Self {
        self.max(least).min(most)
    }

    /// Where it is larger.
    #[track_caller]
    pub fn above(self, other: impl Into<Expr>) -> Condition {
        Condition(self.binary(Operation::Above, other.into()))
    }

    /// Where it is smaller.
    #[track_caller]
    pub fn below(self, other: impl Into<Expr>) -> Condition {
        other.into().above(self)
    }

    /// Where it is the same.
    #[track_caller]
    pub fn equals(self, other: impl Into<Expr>) -> Condition {
        Condition(self.binary(Operation::Equal, other.into()))
    }
}

impl Condition {
    /// One value where it holds, another elsewhere. The one that is not chosen has no part in the derivative,
    /// whatever it is.
    #[track_caller]
    pub fn select(self, then: impl Into<Expr>, otherwise: impl Into<Expr>) -> Expr {
        let of = [self.0, then.into(), otherwise.into()].map(Expr::own);
        recorded(|recording| recording.graph.add(Operation::Select, &of))
    }

    /// Where both hold.
    #[track_caller]
    pub fn and(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// Where one of them holds, or both.
    #[track_caller]
    pub fn or(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }

    /// Where it does not hold.
    #[allow(clippy::should_implement_trait)] // A word between `and` and `or`.
    #[track_caller]
    pub fn not(self) -> Self {
        Self(1.0 - self.0)
    }
}

impl From<f64> for Expr {
    #[track_caller]
    fn from(number: f64) -> Self {
        Self::constant(number)
    }
}

/// 1 where it holds, 0 elsewhere.
impl From<Condition> for Expr {
    fn from(condition: Condition) -> Self {
        condition.0
    }
}

impl core::fmt::Debug for Expr {
    fn fmt(&self, formatter: &mut core::fmt::Formatter) -> core::fmt::Result {
        write!(formatter, "Expr({})", self.value.index())
    }
}

impl core::fmt::Debug for Condition {
    fn fmt(&self, formatter: &mut core::fmt::Formatter) -> core::fmt::Result {
        write!(formatter, "Condition({})", self.0.value.index())
    }
}

impl Neg for Expr {
    type Output = Expr;
    #[track_caller]
    fn neg(self) -> Expr {
        self.unary(Operation::Negate)
    }
}

/// Stamps an operator of two values, one of which may be a number.
macro_rules! operator {
    ($trait:ident, $method:ident, $operation:ident) => {
        impl $trait for Expr {
            type Output = Expr;
            #[track_caller]
            fn $method(self, other: Expr) -> Expr {
                self.binary(Operation::$operation, other)
            }
        }

        impl $trait<f64> for Expr {
            type Output = Expr;
            #[track_caller]
            fn $method(self, other: f64) -> Expr {
                self.binary(Operation::$operation, other.into())
            }
        }

        impl $trait<Expr> for f64 {
            type Output = Expr;
            #[track_caller]
            fn $method(self, other: Expr) -> Expr {
                Expr::from(self).binary(Operation::$operation, other)
            }
        }
    };
}

/// Stamps an operator that changes a value.
macro_rules! assignment {
    ($trait:ident, $method:ident, $operator:tt) => {
        impl<T: Into<Expr>> $trait<T> for Expr {
            #[track_caller]
            fn $method(&mut self, other: T) {
                *self = *self $operator other.into();
            }
        }
    };
}

assignment!(AddAssign, add_assign, +);
assignment!(SubAssign, sub_assign, -);
assignment!(MulAssign, mul_assign, *);
assignment!(DivAssign, div_assign, /);

operator!(Add, add, Add);
operator!(Sub, sub, Subtract);
operator!(Mul, mul, Multiply);
operator!(Div, div, Divide);

impl RecordedFormula {
    /// The constants that a formula has in any of its values.
    pub(crate) fn constants(&self) -> impl Iterator<Item = f64> + '_ {
        let numbers = self.graph.values().map(|value| self.graph.number(value));
        numbers.flatten()
    }

    /// Which operands the results depend on.
    pub(crate) fn reads(&self) -> Vec<bool> {
        let live = self.graph.live(&self.results);
        self.operands
            .iter()
            .map(|value| live[value.index()])
            .collect()
    }
}

/// A list of names, for a message.
pub(crate) fn names(names: &[&str]) -> String {
    let quoted: Vec<String> = names
        .iter()
        .map(|name| alloc::format!("`{name}`"))
        .collect();
    quoted.join(", ")
}
