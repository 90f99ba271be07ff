//! How the graph of a program becomes one of fewer operations, which give the same numbers but for their last digits.

use super::graph::{FormulaGraph, Node, Value};
use super::operations::Operation::{self, *};
use alloc::vec;
use alloc::vec::Vec;

/// A graph of fewer operations.
pub(super) struct ShorterGraph {
    pub(super) graph: FormulaGraph,
    pub(super) results: Vec<Value>,
    /// Where its uniform values are made, and which they are.
    pub(super) uniforms: (FormulaGraph, Vec<Value>),
}

pub(super) fn shorter(graph: &FormulaGraph, results: &[Value]) -> ShorterGraph {
    let (graph, results) = by_uniforms(graph, results);
    let (graph, results) = by_inverses(&graph, &results);
    let (graph, results) = by_exponentials(&graph, &results);
    let (mut graph, mut results) = chosen(&graph, &results);
    for joint in [sums, steps, steps, others] {
        (graph, results) = joined(&graph, &results, joint);
    }
    apart(graph, &results)
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

/// Powers taken apart, operations replaced; ties are of derivatives alone.
pub(super) fn with(
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
            Greater => new.plain(Max, &of),
            Lesser => new.plain(Min, &of),
            operation => new.plain(replace(&node, operation), &of),
        }
    })
}

impl FormulaGraph {
    /// Which values no operand has a part in.
    pub(super) fn uniform(&self) -> Vec<bool> {
        let mut uniform = vec![true; self.len()];
        for value in self.values() {
            let node = self.node(value);
            let of_uniform = node.of().iter().all(|of| uniform[of.index()]);
            uniform[value.index()] = of_uniform && !matches!(node.operation, Operand(_));
        }
        uniform
    }

    /// Which values a comparison rests on. A quotient that does must be exact: it may be at a corner.
    fn compared(&self) -> Vec<bool> {
        let mut compared = vec![false; self.len()];
        // What is made of a value comes after it.
        for value in self.values().rev() {
            let node = self.node(value);
            let compares = matches!(node.operation, Max | Min | Above | Equal | Sign);
            if compared[value.index()] || compares {
                for of in node.of() {
                    compared[of.index()] = true;
                }
            }
        }
        compared
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

/// Several operations on the same number, each as one on something that is made of that number once.
///
/// Of an operation, `shares` says which of the values it is of that number is, if any.
fn shared(
    graph: &FormulaGraph,
    results: &[Value],
    shares: impl Fn(Value, &Node) -> Option<usize>,
    replace: impl Fn(&mut FormulaGraph, Operation, &[Value]) -> Value,
) -> (FormulaGraph, Vec<Value>) {
    let live = graph.live(results);
    let number = |value: Value| {
        let node = graph.node(value);
        shares(value, &node).map(|at| node.of()[at])
    };
    let mut uses = vec![0; graph.len()];
    for number in graph
        .values()
        .filter(|value| live[value.index()])
        .filter_map(number)
    {
        uses[number.index()] += 1;
    }
    rebuilt(graph, results, |new, value, became| {
        let node = graph.node(value);
        let of = became.of(node.of());
        match number(value) {
            Some(number) if uses[number.index()] > 1 => replace(new, node.operation, &of),
            _ => new.plain(node.operation, &of),
        }
    })
}

/// Several quotients by the same number are products with its inverse.
fn by_inverses(graph: &FormulaGraph, results: &[Value]) -> (FormulaGraph, Vec<Value>) {
    let compared = graph.compared();
    let divides = |value: Value, node: &Node| {
        (node.operation == Divide && !compared[value.index()]).then_some(1)
    };
    shared(graph, results, divides, |new, _, of| {
        let inverse = new.plain(Inverse, &of[1..]);
        new.plain(Times, &[of[0], inverse])
    })
}

/// A sigmoid and a softplus of the same number have one exponential, and what is left of one has that of its derivative.
fn by_exponentials(graph: &FormulaGraph, results: &[Value]) -> (FormulaGraph, Vec<Value>) {
    let of_size = |_, node: &Node| matches!(node.operation, Sigmoid | Softplus).then_some(0);
    let (graph, results) = shared(graph, results, of_size, |new, operation, of| {
        let exp = new.plain(ExpOfSize, of);
        let beside = match operation {
            Sigmoid => SigmoidBeside,
            _ => SoftplusBeside,
        };
        new.plain(beside, &[of[0], exp])
    });
    let of_m1 = |_, node: &Node| matches!(node.operation, HalfExpRest | HalfExpM1).then_some(0);
    shared(&graph, &results, of_m1, |new, operation, of| {
        let m1 = new.plain(HalfExpM1, of);
        if operation == HalfExpRest {
            new.plain(HalfExpRestBeside, &[of[0], m1])
        } else {
            m1
        }
    })
}

/// What is divided by a uniform value is multiplied by its inverse; uniform factors come together.
fn by_uniforms(graph: &FormulaGraph, results: &[Value]) -> (FormulaGraph, Vec<Value>) {
    let (uniform, uses) = (graph.uniform(), graph.uses(results));
    let compared = graph.compared();
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
            (Divide, &[a, b])
                if uniform[b.index()] && !uniform[a.index()] && !compared[value.index()] =>
            {
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
fn apart(graph: FormulaGraph, results: &[Value]) -> ShorterGraph {
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
    let (new, results) = rebuilt(&graph, results, |new, value, became| {
        match known.iter().position(|known| *known == value) {
            Some(at) => {
                let at =
                    u16::try_from(at).expect("a formula has fewer values than constants may be");
                new.plain(Uniform(at), &[])
            }
            None => new.plain(
                graph.node(value).operation,
                &became.of(graph.node(value).of()),
            ),
        }
    });
    ShorterGraph {
        graph: new,
        results,
        uniforms: (graph, known),
    }
}
