//! A formula as a graph: each value once, however often it is used.

use super::operations::{MOST, Operation};
use alloc::vec::Vec;
use std::collections::HashMap;

/// A value of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Value(u32);

impl Value {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// An operation and what it is of. What it has fewer of than others is the first value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) operation: Operation,
    of: [Value; MOST],
}

impl Node {
    pub(crate) fn of(&self) -> &[Value] {
        &self.of[..self.operation.arity()]
    }
}

/// The values of a formula, each after those that it is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct FormulaGraph {
    nodes: Vec<Node>,
    known: HashMap<Node, Value>,
}

use Operation::*;

impl FormulaGraph {
    pub(crate) fn node(&self, value: Value) -> Node {
        self.nodes[value.index()]
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn values(
        &self,
    ) -> impl DoubleEndedIterator<Item = Value> + ExactSizeIterator + use<> {
        (0..self.nodes.len()).map(|at| Value(at as u32))
    }

    pub(crate) fn constant(&mut self, number: f64) -> Value {
        // There is one zero.
        self.insert(Operation::constant(number + 0.0), &[])
    }

    pub(crate) fn number(&self, value: Value) -> Option<f64> {
        match self.node(value).operation {
            Constant(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    fn is(&self, value: Value, number: f64) -> bool {
        self.number(value) == Some(number)
    }

    /// What an operation is of, if the value is one of it.
    fn of(&self, value: Value, operation: Operation) -> Option<&[Value]> {
        let node = &self.nodes[value.index()];
        (node.operation == operation).then(|| node.of())
    }

    /// The value of an operation, as it is.
    pub(crate) fn plain(&mut self, operation: Operation, of: &[Value]) -> Value {
        self.insert(operation, of)
    }

    fn insert(&mut self, operation: Operation, of: &[Value]) -> Value {
        let first = of.first().copied().unwrap_or(Value(0));
        let mut all = [first; MOST];
        all[..of.len()].copy_from_slice(of);
        let node = Node { operation, of: all };
        if let Some(&value) = self.known.get(&node) {
            return value;
        }
        let value = Value(u32::try_from(self.nodes.len()).expect("a formula that fits in memory"));
        self.nodes.push(node);
        self.known.insert(node, value);
        value
    }

    /// The value of an operation, in the simplest form that gives the same numbers.
    pub(crate) fn add(&mut self, operation: Operation, of: &[Value]) -> Value {
        let numbers = of.iter().map(|&value| self.number(value));
        let numbers: Option<Vec<f64>> = numbers.collect();
        if let Some(numbers) = numbers.filter(|numbers| !numbers.is_empty()) {
            let of = core::array::from_fn(|at| numbers[at.min(numbers.len() - 1)]);
            return self.constant(operation.of::<f64>(of));
        }
        let mut of: Vec<Value> = of.to_vec();
        if operation.commutes() {
            // Constants come first.
            of.sort_by_key(|&value| (self.number(value).is_none(), value));
        }
        self.simplified(operation, &of)
            .unwrap_or_else(|| self.insert(operation, &of))
    }

    fn simplified(&mut self, operation: Operation, of: &[Value]) -> Option<Value> {
        match (operation, of) {
            (Add, &[a, b]) => self.sum(a, b),
            (Subtract, &[a, b]) => self.difference(a, b),
            (Multiply, &[a, b]) => self.product(a, b),
            (Chain, &[a, b]) => self.link(a, b),
            (Divide, &[a, b]) => self.quotient(a, b),
            (Power, &[a, b]) => self.power(a, b),
            (Negate, &[a]) => self.negative(a),
            (Abs, &[a]) => {
                let inside = self.of(a, Negate)?[0];
                Some(self.add(Abs, &[inside]))
            }
            (Ln, &[a]) => self.logarithm(a),
            (Ln1p, &[a]) => {
                let of_exp = self.of(a, Exp)?[0];
                Some(self.add(Softplus, &[of_exp]))
            }
            (Sqrt, &[a]) => match *self.of(a, Multiply)? {
                [one, other] if one == other => Some(self.add(Abs, &[one])),
                _ => None,
            },
            (Max | Min | Greater | Lesser, &[a, b]) => (a == b).then_some(a),
            (Select, &[condition, a, b]) => match self.number(condition) {
                Some(0.0) => Some(b),
                Some(_) => Some(a),
                // A condition is 1, 0, or NaN, as what is chosen by it then is.
                None if self.is(a, 1.0) && self.is(b, 0.0) => Some(condition),
                None => (a == b).then_some(a),
            },
            _ => None,
        }
    }

    fn sum(&mut self, a: Value, b: Value) -> Option<Value> {
        if self.is(a, 0.0) {
            return Some(b);
        }
        if a == b {
            let two = self.constant(2.0);
            return Some(self.add(Multiply, &[two, a]));
        }
        if let Some(&[b]) = self.of(b, Negate) {
            return Some(self.add(Subtract, &[a, b]));
        }
        if let Some(&[a]) = self.of(a, Negate) {
            return Some(self.add(Subtract, &[b, a]));
        }
        // What is chosen by one condition is added up before.
        let [condition, yes, no] = self.choice(a)?;
        let [other, other_yes, other_no] = self.choice(b)?;
        if condition != other {
            return None;
        }
        let yes = self.add(Add, &[yes, other_yes]);
        let no = self.add(Add, &[no, other_no]);
        Some(self.add(Select, &[condition, yes, no]))
    }

    /// The condition of a choice, and what is chosen where it holds and where it does not.
    fn choice(&mut self, value: Value) -> Option<[Value; 3]> {
        if let Some(&[condition, yes, no]) = self.of(value, Select) {
            return Some([condition, yes, no]);
        }
        let (number, condition) = self.scale_of(value).unwrap_or((1.0, value));
        if !self.is_condition(condition) {
            return None;
        }
        let [yes, no] = [number, 0.0].map(|number| self.constant(number));
        Some([condition, yes, no])
    }

    fn is_condition(&self, value: Value) -> bool {
        matches!(self.node(value).operation, Above | Equal)
    }

    fn difference(&mut self, a: Value, b: Value) -> Option<Value> {
        if self.is(a, 0.0) {
            return Some(self.add(Negate, &[b]));
        }
        if let Some(number) = self.number(b) {
            let number = self.constant(-number);
            return Some(self.add(Add, &[number, a]));
        }
        // 1 - sigmoid(x), which rounds to 0, is sigmoid(-x).
        if self.is(a, 1.0)
            && let Some(&[x]) = self.of(b, Sigmoid)
        {
            let negative = self.add(Negate, &[x]);
            return Some(self.add(Sigmoid, &[negative]));
        }
        let &[b] = self.of(b, Negate)? else {
            return None;
        };
        Some(self.add(Add, &[a, b]))
    }

    fn product(&mut self, a: Value, b: Value) -> Option<Value> {
        self.scaled(Multiply, a, b).or_else(|| {
            let (one, other) = (self.opposite(a), self.opposite(b));
            self.without_signs(Multiply, [a, b], [one, other])
        })
    }

    /// A product of derivatives. Where one of them is chosen, or else 0, the choice is made last.
    fn link(&mut self, a: Value, b: Value) -> Option<Value> {
        if let Some(scaled) = self.scaled(Chain, a, b) {
            return Some(scaled);
        }
        for (chosen, other) in [(a, b), (b, a)] {
            let Some([condition, yes, no]) = self.choice(chosen) else {
                continue;
            };
            let zero = self.constant(0.0);
            if no == zero {
                let yes = self.add(Chain, &[yes, other]);
                return Some(self.add(Select, &[condition, yes, zero]));
            }
            if yes == zero {
                let no = self.add(Chain, &[no, other]);
                return Some(self.add(Select, &[condition, zero, no]));
            }
        }
        let (one, other) = (self.opposite(a), self.opposite(b));
        self.without_signs(Chain, [a, b], [one, other])
    }

    /// What it is the negative of.
    fn opposite(&self, value: Value) -> Option<Value> {
        self.of(value, Negate).map(|of| of[0])
    }

    fn without_signs(
        &mut self,
        operation: Operation,
        [a, b]: [Value; 2],
        opposites: [Option<Value>; 2],
    ) -> Option<Value> {
        match opposites {
            [Some(a), Some(b)] => Some(self.add(operation, &[a, b])),
            [Some(a), None] => {
                let product = self.add(operation, &[a, b]);
                Some(self.add(Negate, &[product]))
            }
            [None, Some(b)] => {
                let product = self.add(operation, &[a, b]);
                Some(self.add(Negate, &[product]))
            }
            [None, None] => None,
        }
    }

    /// A product of which the first factor may be a constant, or either may have one.
    fn scaled(&mut self, operation: Operation, a: Value, b: Value) -> Option<Value> {
        if let Some(number) = self.number(a) {
            if number == 0.0 {
                return Some(a);
            }
            if number == 1.0 {
                return Some(b);
            }
            if number == -1.0 {
                return Some(self.add(Negate, &[b]));
            }
            // Where one of two is chosen and the other is 0, the choice is made last.
            if let Some(&[condition, yes, no]) = self.of(b, Select)
                && (self.is(yes, 0.0) || self.is(no, 0.0))
            {
                let [yes, no] = [yes, no].map(|of| self.add(Multiply, &[a, of]));
                return Some(self.add(Select, &[condition, yes, no]));
            }
            if let Some((inner, b)) = self.scale_of(b) {
                let number = self.constant(number * inner);
                return Some(self.add(Multiply, &[number, b]));
            }
            // Both products are the same where a factor is neither zero nor infinite.
            return (operation == Chain).then(|| self.add(Multiply, &[a, b]));
        }
        for (scaled, other) in [(a, b), (b, a)] {
            if let Some((number, inside)) = self.scale_of(scaled) {
                let number = self.constant(number);
                let product = self.add(operation, &[inside, other]);
                return Some(self.add(Multiply, &[number, product]));
            }
        }
        None
    }

    /// The constant factor of a product, and the other one.
    fn scale_of(&self, value: Value) -> Option<(f64, Value)> {
        match *self.of(value, Multiply)? {
            [number, other] => Some((self.number(number)?, other)),
            _ => None,
        }
    }

    fn quotient(&mut self, a: Value, b: Value) -> Option<Value> {
        if let Some(number) = self.number(b).filter(|number| number.is_normal()) {
            let inverse = 1.0 / number;
            if inverse.is_normal() {
                let inverse = self.constant(inverse);
                return Some(self.add(Multiply, &[inverse, a]));
            }
        }
        // 1 / (1 + e^x) and e^x / (1 + e^x).
        let &[one, exp] = self.of(b, Add)? else {
            return None;
        };
        let &[x] = self.of(exp, Exp)? else {
            return None;
        };
        if !self.is(one, 1.0) {
            return None;
        }
        if a == exp {
            return Some(self.add(Sigmoid, &[x]));
        }
        let negative = self.add(Negate, &[x]);
        let sigmoid = self.add(Sigmoid, &[negative]);
        Some(self.add(Multiply, &[a, sigmoid]))
    }

    /// A power that is a root, or some products.
    fn power(&mut self, base: Value, exponent: Value) -> Option<Value> {
        /// Up to which power a whole number stands for products: they have all digits, and know negative numbers.
        const MOST: f64 = 16.0;
        let exponent = self.number(exponent)?;
        if exponent == 0.0 {
            return Some(self.constant(1.0));
        }
        if exponent < 0.0 {
            let one = self.constant(1.0);
            let positive = self.constant(-exponent);
            let power = self.add(Power, &[base, positive]);
            return Some(self.add(Divide, &[one, power]));
        }
        if exponent == 0.5 {
            return Some(self.add(Sqrt, &[base]));
        }
        if exponent > MOST || exponent % 1.0 != 0.0 {
            return None;
        }
        let mut exponent = exponent as u32;
        let (mut square, mut power) = (base, None);
        while exponent > 0 {
            if exponent % 2 == 1 {
                power = Some(match power {
                    Some(power) => self.add(Multiply, &[power, square]),
                    None => square,
                });
            }
            exponent /= 2;
            if exponent > 0 {
                square = self.add(Multiply, &[square, square]);
            }
        }
        power
    }

    fn negative(&mut self, a: Value) -> Option<Value> {
        if let Some((number, inside)) = self.scale_of(a) {
            let number = self.constant(-number);
            return Some(self.add(Multiply, &[number, inside]));
        }
        if let Some(&[condition, yes, no]) = self.of(a, Select) {
            let [yes, no] = [yes, no].map(|of| self.add(Negate, &[of]));
            return Some(self.add(Select, &[condition, yes, no]));
        }
        if let Some(&[one, other]) = self.of(a, Subtract) {
            return Some(self.add(Subtract, &[other, one]));
        }
        self.opposite(a)
    }

    fn logarithm(&mut self, a: Value) -> Option<Value> {
        if let Some(&[x]) = self.of(a, Exp) {
            return Some(x);
        }
        if let Some(&[x]) = self.of(a, Sigmoid) {
            let negative = self.add(Negate, &[x]);
            let softplus = self.add(Softplus, &[negative]);
            return Some(self.add(Negate, &[softplus]));
        }
        let &[one, exp] = self.of(a, Add)? else {
            return None;
        };
        if !self.is(one, 1.0) {
            return None;
        }
        let &[x] = self.of(exp, Exp)? else {
            return None;
        };
        Some(self.add(Softplus, &[x]))
    }
}
