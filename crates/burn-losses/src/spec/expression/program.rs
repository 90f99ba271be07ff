//! A formula as a list of operations, to be run in order.

use super::graph::{FormulaGraph, Node, Value};
use super::operations::MOST;
use super::operations::Operation::{self, *};
use crate::real::Real;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

/// Where an operation finds a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepInput {
    Operand(u8),
    Parameter(u8),
    Constant(u16),
    /// What was worked out of parameters before.
    Uniform(u8),
    /// What an operation put there.
    Slot(u16),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) operation: Operation,
    /// As many as the operation is of; then the last one again.
    pub(crate) of: [StepInput; MOST],
    pub(crate) slot: u16,
}

/// Operations that give some values of a graph.
///
/// What an operation gives stays in its slot until nobody needs it; then another has the slot. No operation writes
/// to a slot that it reads.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) steps: Vec<Step>,
    pub(crate) constants: Vec<f64>,
    pub(crate) slots: usize,
    pub(crate) results: Vec<StepInput>,
    /// What gives the uniform values.
    uniforms: Option<Box<Program>>,
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
                Abs | Exp | Sqrt | Sigmoid | Softplus | Above | Equal => Sign::NotNegative,
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
                    Add | Subtract | Negate | Abs | Operation::Sign | Max | Min | Select => true,
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
        Self::new(&graph, &results)
    }

    /// With the products of the processor: where a number left the range of its type and met a zero, there is NaN where
    /// the exact one has a number. Only what is infinite by itself, such as the logarithm of a target of 0, is no reason
    /// to compute an element again.
    pub(crate) fn fast(graph: &FormulaGraph, results: &[Value]) -> Self {
        let (singular, tame) = (graph.singular(), graph.tame());
        let (graph, results) = with(graph, results, |node, operation| match operation {
            Multiply | Chain if !node.of().iter().any(|of| singular[of.index()]) => Times,
            Multiply | Chain if !node.of().iter().all(|of| tame[of.index()]) => Times,
            operation => plain_products(graph, node, operation),
        });
        let (graph, results) = by_uniforms(&graph, &results);
        let (mut graph, mut results) = chosen(&graph, &results);
        for joint in [sums, steps, steps, others] {
            (graph, results) = joined(&graph, &results, joint);
        }
        let (graph, results, uniforms) = apart(&graph, &results);
        Self {
            uniforms,
            ..Self::new(&graph, &results)
        }
    }

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
        let mut program = Self {
            steps: Vec::new(),
            constants: Vec::new(),
            slots: 0,
            results: Vec::new(),
            uniforms: None,
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
                    program.constants.push(f64::from_bits(bits));
                    StepInput::Constant(program.constants.len() as u16 - 1)
                }
                operation => {
                    let of = node.of();
                    let source = |value: &Value| sources[value.index()].expect("it came before");
                    let of_step = core::array::from_fn(|at| source(&of[at.min(of.len() - 1)]));
                    let slot = free.pop().unwrap_or_else(|| {
                        program.slots += 1;
                        program.slots as u16 - 1
                    });
                    program.steps.push(Step {
                        operation,
                        of: of_step,
                        slot,
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
        program.results = results.iter().map(result).collect();
        program
    }

    /// The uniform values, of such parameters.
    pub(crate) fn uniforms(&self, parameters: &[f64]) -> Vec<f64> {
        match &self.uniforms {
            Some(program) => program.run(&[0.0], parameters),
            None => Vec::new(),
        }
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
        let mut slots: Vec<Option<R>> = vec![None; self.slots];
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

/// What became of the values of a graph.
struct Became(Vec<Value>);

impl Became {
    fn of(&self, values: &[Value]) -> Vec<Value> {
        values.iter().map(|value| self.0[value.index()]).collect()
    }
}

/// The live values of a graph, each made anew.
fn rebuilt(
    graph: &FormulaGraph,
    results: &[Value],
    mut make: impl FnMut(&mut FormulaGraph, Value, &Became) -> Value,
) -> (FormulaGraph, Vec<Value>) {
    let live = graph.live(results);
    let mut new = FormulaGraph::default();
    let first = new.constant(0.0);
    let mut became = Became(vec![first; graph.len()]);
    for value in graph.values().filter(|value| live[value.index()]) {
        became.0[value.index()] = make(&mut new, value, &became);
    }
    let results = became.of(results);
    (new, results)
}

/// Powers taken apart, operations replaced.
fn with(
    graph: &FormulaGraph,
    results: &[Value],
    replace: impl Fn(&Node, Operation) -> Operation,
) -> (FormulaGraph, Vec<Value>) {
    rebuilt(graph, results, |new, value, became| {
        let node = graph.node(value);
        let of = became.of(node.of());
        match node.operation {
            Power => {
                let ln = new.plain(Ln, &[of[0]]);
                let product = new.plain(Multiply, &[of[1], ln]);
                new.plain(Exp, &[product])
            }
            operation => new.plain(replace(&node, operation), &of),
        }
    })
}

impl FormulaGraph {
    /// Which values no operand has a part in.
    fn uniform(&self) -> Vec<bool> {
        let mut uniform = vec![true; self.len()];
        for value in self.values() {
            let node = self.node(value);
            let of_uniform = node.of().iter().all(|of| uniform[of.index()]);
            uniform[value.index()] = of_uniform && !matches!(node.operation, Operand(_));
        }
        uniform
    }

    /// How often each value is used.
    fn uses(&self, results: &[Value]) -> Vec<usize> {
        let live = self.live(results);
        let mut uses = vec![0; self.len()];
        for value in self.values().filter(|value| live[value.index()]) {
            for input in self.node(value).of() {
                uses[input.index()] += 1;
            }
        }
        for result in results {
            uses[result.index()] += 1;
        }
        uses
    }
}

/// What is divided by a uniform value is multiplied by its inverse; uniform factors come together.
fn by_uniforms(graph: &FormulaGraph, results: &[Value]) -> (FormulaGraph, Vec<Value>) {
    let (uniform, uses) = (graph.uniform(), graph.uses(results));
    // The uniform factor of a product, and the other one.
    let scaled = |value: Value| {
        let node = graph.node(value);
        let &[a, b] = node.of() else { return None };
        match (node.operation, uniform[a.index()], uniform[b.index()]) {
            (Times, true, false) => Some([a, b]),
            (Times, false, true) => Some([b, a]),
            _ => None,
        }
    };
    rebuilt(graph, results, |new, value, became| {
        let node = graph.node(value);
        let of = became.of(node.of());
        if let Some([factor, other]) = scaled(value)
            && uses[other.index()] == 1
            && let Some([inner, other]) = scaled(other)
        {
            let factors = new.plain(Times, &became.of(&[factor, inner]));
            return new.plain(Times, &[factors, became.of(&[other])[0]]);
        }
        match (node.operation, node.of()) {
            (Divide, &[a, b]) if uniform[b.index()] && !uniform[a.index()] => {
                let one = new.constant(1.0);
                let inverse = new.plain(Divide, &[one, of[1]]);
                new.plain(Times, &[of[0], inverse])
            }
            (operation, _) => new.plain(operation, &of),
        }
    })
}

/// A comparison that something is chosen by, as one operation with that.
fn chosen(graph: &FormulaGraph, results: &[Value]) -> (FormulaGraph, Vec<Value>) {
    let uniform = graph.uniform();
    rebuilt(graph, results, |new, value, became| {
        let node = graph.node(value);
        if let (Select, &[condition, yes, no]) = (node.operation, node.of())
            && !uniform[condition.index()]
        {
            let comparison = graph.node(condition);
            let operation = match comparison.operation {
                Above => Some(SelectAbove),
                Equal => Some(SelectEqual),
                _ => None,
            };
            if let (Some(operation), &[a, b]) = (operation, comparison.of()) {
                return new.plain(operation, &became.of(&[a, b, yes, no]));
            }
        }
        new.plain(node.operation, &became.of(node.of()))
    })
}

/// Two operations as one: the second, the place of its input that the first gives, and the first.
type Joint = fn(&Node, usize, &Node) -> Option<(Operation, Vec<Value>)>;

/// Operations of which one is only there for the next, as one.
fn joined(graph: &FormulaGraph, results: &[Value], joint: Joint) -> (FormulaGraph, Vec<Value>) {
    let (uses, uniform) = (graph.uses(results), graph.uniform());
    let mut is_joint = vec![false; graph.len()];
    rebuilt(graph, results, |new, value, became| {
        let node = graph.node(value);
        for (at, &input) in node.of().iter().enumerate() {
            let input = input.index();
            if uses[input] > 1 || uniform[input] || is_joint[input] {
                continue;
            }
            if let Some((operation, of)) = joint(&node, at, &graph.node(node.of()[at])) {
                is_joint[value.index()] = true;
                return new.plain(operation, &became.of(&of));
            }
        }
        new.plain(node.operation, &became.of(node.of()))
    })
}

/// Products that are added to something.
fn sums(second: &Node, at: usize, first: &Node) -> Option<(Operation, Vec<Value>)> {
    let (of, first_of) = (second.of(), first.of());
    match (second.operation, at, first.operation) {
        (Add, _, Times) => Some((TimesPlus, vec![first_of[0], first_of[1], of[1 - at]])),
        (Subtract, 1, Times) => Some((MinusTimes, vec![first_of[0], first_of[1], of[0]])),
        _ => None,
    }
}

/// Steps of a polynomial.
fn steps(second: &Node, at: usize, first: &Node) -> Option<(Operation, Vec<Value>)> {
    let (of, first_of) = (second.of(), first.of());
    match (second.operation, at, first.operation) {
        (TimesPlus, 0 | 1, TimesPlus) => {
            let x = of[1 - at];
            let before = (0..2).find(|&at| first_of[1 - at] == x)?;
            Some((Quadratic, vec![x, first_of[before], first_of[2], of[2]]))
        }
        (Quadratic, 1, Quadratic) if of[0] == first_of[0] => {
            let of = [first_of, &of[2..]].concat();
            Some((Quartic, of))
        }
        _ => None,
    }
}

/// What else is often seen.
fn others(second: &Node, at: usize, first: &Node) -> Option<(Operation, Vec<Value>)> {
    let operation = match (second.operation, first.operation) {
        (Abs, Subtract) => AbsDifference,
        (Times, Times) => TimesTimes,
        (Times, Add) => SumTimes,
        (Times, Subtract) => DifferenceTimes,
        (Times, Divide) => QuotientTimes,
        (Times, TimesPlus) => TimesPlusTimes,
        (Times, MinusTimes) => MinusTimesTimes,
        (Times, Operation::Sign) => SignTimes,
        _ => return None,
    };
    let of = second.of().iter().enumerate();
    let rest = of.filter(|&(place, _)| place != at).map(|(_, of)| of);
    Some((operation, first.of().iter().chain(rest).copied().collect()))
}

/// What is worked out of parameters alone, apart from the rest.
fn apart(
    graph: &FormulaGraph,
    results: &[Value],
) -> (FormulaGraph, Vec<Value>, Option<Box<Program>>) {
    let (uniform, live) = (graph.uniform(), graph.live(results));
    let computed = |value: &Value| graph.node(*value).operation.arity() > 0;
    let mut is_read = vec![false; graph.len()];
    let of_others = graph
        .values()
        .filter(|value| live[value.index()] && !uniform[value.index()]);
    for input in of_others.flat_map(|value| graph.node(value).of().to_vec()) {
        is_read[input.index()] = true;
    }
    for result in results {
        is_read[result.index()] = true;
    }
    let known = graph
        .values()
        .filter(|value| is_read[value.index()] && uniform[value.index()] && computed(value));
    let known: Vec<Value> = known.collect();
    let (new, results) = rebuilt(graph, results, |new, value, became| {
        match known.iter().position(|known| *known == value) {
            Some(at) => {
                let at = u8::try_from(at).expect("a formula has fewer than 256 uniform values");
                new.plain(Uniform(at), &[])
            }
            None => new.plain(
                graph.node(value).operation,
                &became.of(graph.node(value).of()),
            ),
        }
    });
    let uniforms = (!known.is_empty()).then(|| Box::new(Program::new(graph, &known)));
    (new, results, uniforms)
}

/// A formula in both ways of running it.
#[derive(Debug)]
pub(crate) struct Formula {
    pub(crate) fast: Program,
    pub(crate) exact: Program,
    /// The first result is a loss, and what comes after it are derivatives of that. One that there is none of, beside a
    /// loss, is 0, as at a corner.
    pub(crate) of_loss: bool,
    key: String,
}

impl Formula {
    pub(crate) fn new(graph: &FormulaGraph, results: &[Value], of_loss: bool) -> Self {
        let exact = Program::exact(graph, results);
        Self {
            fast: Program::fast(graph, results),
            key: exact.key(),
            exact,
            of_loss,
        }
    }

    /// The results, of numbers.
    pub(crate) fn run<R: Real>(&self, operands: &[R], parameters: &[f64]) -> Vec<R> {
        let results = self.exact.run(operands, parameters);
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
