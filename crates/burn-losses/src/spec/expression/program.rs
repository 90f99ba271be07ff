//! A formula as a list of operations, to be run in order.

use super::graph::{FormulaGraph, Node, Value};
use super::operations::MOST;
use super::operations::Operation::{self, *};
use super::passes::{shorter, with};
use crate::real::Real;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Where an operation finds a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum StepInput {
    Operand(u8),
    Parameter(u8),
    Constant(u16),
    /// What was worked out of parameters before.
    Uniform(u16),
    /// What an operation put there.
    Slot(u16),
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Step {
    pub(crate) operation: Operation,
    /// As many as the operation is of; then the last one again.
    pub(crate) of: [StepInput; MOST],
    pub(crate) slot: u16,
    /// Which results are made of it.
    pub(crate) part_of: Wanted,
}

/// Some of the results of a program, a bit for each; those beyond the last bit have that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Wanted(u32);

impl Wanted {
    pub(crate) const ALL: Self = Self(u32::MAX);
    const NONE: Self = Self(0);

    /// Those of which it is said that they are.
    pub(crate) fn of(results: impl IntoIterator<Item = bool>) -> Self {
        let mut wanted = 0;
        for (at, is_wanted) in results.into_iter().enumerate() {
            wanted |= u32::from(is_wanted) << at.min(31);
        }
        Self(wanted)
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn has_any_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Operations that give some values of a graph.
///
/// What an operation gives stays in its slot until nobody needs it; then another has the slot. No operation writes
/// to a slot that it reads.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct StepList {
    pub(crate) steps: Vec<Step>,
    pub(crate) constants: Vec<f64>,
    pub(crate) slots: u16,
    pub(crate) results: Vec<StepInput>,
}

/// Operations, and those that are done before them, once.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Program {
    #[cfg_attr(feature = "remote", serde(skip, default = "ProgramId::new"))]
    pub(crate) id: ProgramId,
    pub(crate) list: StepList,
    /// What gives the uniform values.
    uniforms: Option<StepList>,
}

/// Tells a program of this process from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProgramId(usize);

impl ProgramId {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl FormulaGraph {
    /// Which values some others are made of, themselves included.
    pub(crate) fn live(&self, results: &[Value]) -> Vec<bool> {
        let mut live = vec![false; self.len()];
        for result in results {
            live[result.index()] = true;
        }
        for value in self.values().rev() {
            if live[value.index()] {
                for input in self.node(value).of() {
                    live[input.index()] = true;
                }
            }
        }
        live
    }

    /// Which results each value has a part in.
    fn part_of(&self, results: &[Value]) -> Vec<Wanted> {
        let mut part_of = vec![Wanted::NONE; self.len()];
        for (at, result) in results.iter().enumerate() {
            let alone = Wanted::of((0..=at).map(|other| other == at));
            part_of[result.index()] = part_of[result.index()].and(alone);
        }
        for value in self.values().rev() {
            for input in self.node(value).of() {
                part_of[input.index()] = part_of[input.index()].and(part_of[value.index()]);
            }
        }
        part_of
    }

    /// Which values may be infinite, or no numbers at all, where all that they are made of is finite; but for numbers
    /// that leave the range of the type. What is made of parameters alone is taken for finite.
    fn singular(&self) -> Vec<bool> {
        let uniform = self.uniform();
        let mut singular = vec![false; self.len()];
        let mut positive: Vec<Sign> = vec![Sign::Any; self.len()];
        for value in self.values() {
            let Node { operation, .. } = self.node(value);
            let of = self.node(value);
            let of = of.of();
            let inherited = of.iter().any(|input| singular[input.index()]);
            let sign = |at: usize| positive[of[at].index()];
            let of_value = match operation {
                Constant(bits) => Sign::of(f64::from_bits(bits)),
                // An exponential may be rounded to 0.
                Abs | Exp | Sqrt | Sigmoid | Softplus | HalfExpRest | Above | Equal => {
                    Sign::NotNegative
                }
                Add => sign(0).plus(sign(1)),
                Multiply if of[0] == of[1] => Sign::NotNegative,
                Multiply => sign(0).times(sign(1)),
                Max if sign(0) == Sign::Positive || sign(1) == Sign::Positive => Sign::Positive,
                Max if sign(0) == Sign::NotNegative || sign(1) == Sign::NotNegative => {
                    Sign::NotNegative
                }
                _ => Sign::Any,
            };
            let by_uniform = operation == Divide && uniform[of[1].index()];
            let divides = operation == Divide && sign(1) != Sign::Positive && !by_uniform;
            positive[value.index()] = of_value;
            singular[value.index()] = match operation {
                Constant(bits) => !f64::from_bits(bits).is_finite(),
                _ if uniform[value.index()] => false,
                Ln | Ln1p | Power => true,
                Divide => inherited || divides,
                Sigmoid | Tanh | Atan | Erf | Operation::Sign | Above | Equal => false,
                _ => inherited,
            };
        }
        singular
    }
}

impl FormulaGraph {
    /// Which values are infinite, or 0, only where their exact values are: nothing that they are made of leaves the range
    /// of its type for finite operands, but for sums of its largest numbers.
    fn tame(&self) -> Vec<bool> {
        let mut tame = vec![false; self.len()];
        for value in self.values() {
            let node = self.node(value);
            let of_tame = node.of().iter().all(|of| tame[of.index()]);
            let is_number = |value: &Value| self.number(*value).is_some();
            tame[value.index()] = of_tame
                && match node.operation {
                    Operand(_) | Parameter(_) | Constant(_) => true,
                    Add | Subtract | Difference | Negate | Abs | Operation::Sign | Select => true,
                    Max | Min | Greater | Lesser => true,
                    Above | Equal | Ln | Ln1p | Divide => true,
                    Multiply => node.of().iter().any(is_number),
                    _ => false,
                };
        }
        tame
    }
}

/// What is known of a value's sign: that it is above 0 by what a constant is, that it is not below.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Positive,
    NotNegative,
    Any,
}

impl Sign {
    fn of(number: f64) -> Self {
        if number >= f64::from(f32::MIN_POSITIVE) {
            Self::Positive
        } else if number >= 0.0 {
            Self::NotNegative
        } else {
            Self::Any
        }
    }

    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::NotNegative, Self::NotNegative) => Self::NotNegative,
            _ => Self::Positive,
        }
    }

    fn times(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            _ => Self::NotNegative,
        }
    }
}

impl Program {
    /// With the products that a formula has: those in which zero makes zero.
    pub(crate) fn exact(graph: &FormulaGraph, results: &[Value]) -> Self {
        let (graph, results) = with(graph, results, |node, operation| {
            plain_products(graph, node, operation)
        });
        Self {
            id: ProgramId::new(),
            list: StepList::new(&graph, &results),
            uniforms: None,
        }
    }

    /// With the products of the processor: where a number left the range of its type and met a zero, there is NaN where
    /// the exact one has a number. Only what is infinite by itself, such as the logarithm of a target of 0, is no reason
    /// to compute an element again.
    pub(crate) fn fast(graph: &FormulaGraph, results: &[Value]) -> Self {
        let (singular, tame) = (graph.singular(), graph.tame());
        let uniform = graph.uniform();
        let (graph, results) = with(graph, results, |node, operation| match operation {
            // It is made once.
            Multiply | Chain if node.of().iter().all(|of| uniform[of.index()]) => operation,
            Multiply | Chain if !node.of().iter().any(|of| singular[of.index()]) => Times,
            Multiply | Chain if !node.of().iter().all(|of| tame[of.index()]) => Times,
            operation => plain_products(graph, node, operation),
        });
        let shorter = shorter(&graph, &results);
        let (graph, uniforms) = &shorter.uniforms;
        Self {
            id: ProgramId::new(),
            list: StepList::new(&shorter.graph, &shorter.results),
            uniforms: (!uniforms.is_empty()).then(|| StepList::new(graph, uniforms)),
        }
    }

    /// Whether there are values that are worked out of parameters.
    pub(crate) fn has_uniforms(&self) -> bool {
        self.uniforms.is_some()
    }

    /// The uniform values, of such parameters.
    pub(crate) fn uniforms(&self, parameters: &[f64]) -> Vec<f64> {
        match &self.uniforms {
            Some(list) => list.run(&[0.0], parameters),
            None => Vec::new(),
        }
    }
}

impl StepList {
    fn new(graph: &FormulaGraph, results: &[Value]) -> Self {
        let live = graph.live(results);
        // The last value that needs another.
        let mut last: Vec<usize> = graph.values().map(Value::index).collect();
        for value in graph.values().filter(|value| live[value.index()]) {
            for input in graph.node(value).of() {
                last[input.index()] = value.index();
            }
        }
        for result in results {
            last[result.index()] = usize::MAX;
        }
        let part_of = graph.part_of(results);
        let mut list = Self {
            steps: Vec::new(),
            constants: Vec::new(),
            slots: 0,
            results: Vec::new(),
        };
        let mut sources: Vec<Option<StepInput>> = vec![None; graph.len()];
        let mut free: Vec<u16> = Vec::new();
        for value in graph.values().filter(|value| live[value.index()]) {
            let node = graph.node(value);
            let source = match node.operation {
                Operand(at) => StepInput::Operand(at),
                Parameter(at) => StepInput::Parameter(at),
                Uniform(at) => StepInput::Uniform(at),
                Constant(bits) => {
                    list.constants.push(f64::from_bits(bits));
                    StepInput::Constant(list.constants.len() as u16 - 1)
                }
                operation => {
                    let of = node.of();
                    let source = |value: &Value| sources[value.index()].expect("it came before");
                    let of_step = core::array::from_fn(|at| source(&of[at.min(of.len() - 1)]));
                    let slot = free.pop().unwrap_or_else(|| {
                        list.slots += 1;
                        list.slots - 1
                    });
                    list.steps.push(Step {
                        operation,
                        of: of_step,
                        slot,
                        part_of: part_of[value.index()],
                    });
                    for (at, input) in of.iter().enumerate() {
                        let again = of[..at].contains(input);
                        if last[input.index()] == value.index()
                            && !again
                            && let StepInput::Slot(slot) = source(input)
                        {
                            free.push(slot);
                        }
                    }
                    StepInput::Slot(slot)
                }
            };
            sources[value.index()] = Some(source);
        }
        let result = |value: &Value| sources[value.index()].expect("a result is live");
        list.results = results.iter().map(result).collect();
        list
    }

    /// The results, of numbers.
    fn run<R: Real>(&self, operands: &[R], parameters: &[f64]) -> Vec<R> {
        self.run_watched(operands, parameters, |_| ())
    }

    /// As [`run`](Self::run); what each step gives is shown.
    pub(crate) fn run_watched<R: Real>(
        &self,
        operands: &[R],
        parameters: &[f64],
        mut watch: impl FnMut(&R),
    ) -> Vec<R> {
        let mut slots: Vec<Option<R>> = vec![None; usize::from(self.slots)];
        let read = |source: StepInput, slots: &[Option<R>]| match source {
            StepInput::Operand(at) => operands[usize::from(at)].clone(),
            StepInput::Parameter(at) => {
                let at = usize::from(at);
                operands[0].parameter(at, parameters[at])
            }
            StepInput::Constant(at) => operands[0].like(self.constants[usize::from(at)]),
            StepInput::Uniform(_) => unreachable!("numbers are run through the exact program"),
            StepInput::Slot(at) => slots[usize::from(at)].clone().expect("it was written"),
        };
        for step in &self.steps {
            let of = step.of.map(|source| read(source, &slots));
            let value = step.operation.of(of);
            watch(&value);
            slots[usize::from(step.slot)] = Some(value);
        }
        let results = self.results.iter();
        results.map(|&result| read(result, &slots)).collect()
    }

    /// What tells it from others.
    pub(crate) fn key(&self) -> String {
        let mut key = String::new();
        for Step {
            operation,
            of,
            slot,
            ..
        } in &self.steps
        {
            let of = &of[..operation.arity()];
            write!(key, "{slot}={operation:?}{of:?};").expect("a string takes all");
        }
        for constant in &self.constants {
            write!(key, "{:x},", constant.to_bits()).expect("a string takes all");
        }
        write!(key, "{:?}", self.results).expect("a string takes all");
        key
    }
}

/// The product with a constant that is neither zero nor infinite is that of the processor.
fn plain_products(graph: &FormulaGraph, node: &Node, operation: Operation) -> Operation {
    let plain = |value: &Value| {
        let number = graph.number(*value);
        number.is_some_and(|number| number != 0.0 && number.is_finite())
    };
    match operation {
        Multiply if node.of().iter().any(plain) => Times,
        operation => operation,
    }
}

/// A formula in both ways of running it.
#[derive(Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Formula {
    pub(crate) fast: Program,
    pub(crate) exact: Program,
    /// The first result is a loss, and what comes after it are derivatives of that. One that there is none of, beside a
    /// loss, is 0, as at a corner.
    pub(crate) of_loss: bool,
    /// What tells kernels apart; a server runs none.
    #[cfg_attr(feature = "remote", serde(skip))]
    key: String,
}

impl Formula {
    pub(crate) fn new(graph: &FormulaGraph, results: &[Value], of_loss: bool) -> Self {
        let exact = Program::exact(graph, results);
        Self {
            fast: Program::fast(graph, results),
            key: exact.list.key(),
            exact,
            of_loss,
        }
    }

    /// The results, of numbers.
    pub(crate) fn run<R: Real>(&self, operands: &[R], parameters: &[f64]) -> Vec<R> {
        let results = self.exact.list.run(operands, parameters);
        if !self.of_loss {
            return results;
        }
        let loss = results[0].clone();
        let slopes = results.into_iter().skip(1).map(|slope| {
            let undefined = slope.is_nan();
            let shown = loss.like(0.0).replace(loss.is_nan(), loss.clone());
            slope.replace(undefined, shown)
        });
        core::iter::once(loss.clone()).chain(slopes).collect()
    }

    /// What tells it from others.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}
