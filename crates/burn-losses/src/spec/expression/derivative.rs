//! The derivative of a formula, as a formula.

use super::graph::{FormulaGraph, Value};
use super::operations::Operation::{self, *};
use alloc::vec;
use alloc::vec::Vec;
use core::f64::consts::FRAC_2_SQRT_PI;

impl FormulaGraph {
    /// The derivative of a value with respect to each of some others, which are operands.
    ///
    /// Where a formula has a corner its slope is 0, and what a formula does not depend on has slope 0, whatever the
    /// other factors of a chain are.
    pub(crate) fn derivatives(&mut self, of: Value, with_respect_to: &[Value]) -> Vec<Value> {
        let depends = self.depends_on(with_respect_to);
        let zero = self.constant(0.0);
        let mut slopes: Vec<Option<Value>> = vec![None; depends.len()];
        slopes[of.index()] = Some(self.constant(1.0));
        for value in self.values().take(of.index() + 1).rev() {
            let Some(slope) = slopes.get(value.index()).copied().flatten() else {
                continue;
            };
            let node = self.node(value);
            for (at, &input) in node.of().iter().enumerate() {
                if !depends[input.index()] {
                    continue;
                }
                let Some(step) = self.step(value, at, slope) else {
                    continue;
                };
                slopes[input.index()] = Some(match slopes[input.index()] {
                    Some(sum) => self.add(Add, &[sum, step]),
                    None => step,
                });
            }
        }
        let slope = |value: &Value| slopes.get(value.index()).copied().flatten().unwrap_or(zero);
        with_respect_to.iter().map(slope).collect()
    }

    fn depends_on(&self, values: &[Value]) -> Vec<bool> {
        let mut depends: Vec<bool> = vec![false; self.len()];
        for value in self.values() {
            let of = self.node(value);
            let inherited = of.of().iter().any(|input| depends[input.index()]);
            depends[value.index()] = inherited || values.contains(&value);
        }
        depends
    }

    /// What the slope of a value adds to that of one of its inputs; nothing where it does not depend on it smoothly.
    fn step(&mut self, value: Value, input: usize, slope: Value) -> Option<Value> {
        let node = self.node(value);
        let of = node.of();
        let (a, b) = (of[0], of.get(1).copied());
        let other = |at: usize| of[1 - at];
        let local = match node.operation {
            Add => return Some(slope),
            Subtract | Difference if input == 0 => return Some(slope),
            Subtract | Difference | Negate => return Some(self.add(Negate, &[slope])),
            Multiply | Chain => other(input),
            Divide => {
                let divisor = b?;
                let one = self.constant(1.0);
                let inverse = self.add(Divide, &[one, divisor]);
                if input == 0 {
                    inverse
                } else {
                    let product = self.add(Chain, &[value, inverse]);
                    self.add(Negate, &[product])
                }
            }
            Power => {
                let exponent = b?;
                if input == 0 {
                    let minus_one = self.constant(-1.0);
                    let less = self.add(Add, &[exponent, minus_one]);
                    let power = self.add(Power, &[a, less]);
                    self.add(Multiply, &[exponent, power])
                } else {
                    let ln = self.add(Ln, &[a]);
                    self.add(Chain, &[value, ln])
                }
            }
            Max | Min | Greater | Lesser => {
                let this = of[input];
                let other = other(input);
                let compared = match node.operation {
                    Max | Greater => [this, other],
                    _ => [other, this],
                };
                let is_chosen = self.add(Above, &compared);
                let chosen = self.chosen(is_chosen, slope);
                if matches!(node.operation, Max | Min) {
                    return Some(chosen);
                }
                let (same, half) = (self.add(Equal, &compared), self.constant(0.5));
                let half = self.add(Multiply, &[half, slope]);
                return Some(self.add(Select, &[same, half, chosen]));
            }
            Select => match input {
                0 => return None,
                1 => return Some(self.chosen(a, slope)),
                _ => {
                    let zero = self.constant(0.0);
                    return Some(self.add(Select, &[a, zero, slope]));
                }
            },
            Sign | Above | Equal | Detached => return None,
            function => self.of_function(function, a, value),
        };
        Some(self.add(Chain, &[slope, local]))
    }

    /// The derivative of a function of one number, `value` at `a`.
    fn of_function(&mut self, function: Operation, a: Value, value: Value) -> Value {
        match function {
            Abs => self.add(Sign, &[a]),
            Exp => value,
            Ln => {
                let one = self.constant(1.0);
                self.add(Divide, &[one, a])
            }
            Ln1p => {
                let one = self.constant(1.0);
                let sum = self.add(Add, &[one, a]);
                self.add(Divide, &[one, sum])
            }
            Sqrt => {
                let half = self.constant(0.5);
                self.add(Divide, &[half, value])
            }
            Sigmoid => self.bell(value, a),
            Softplus => self.add(Sigmoid, &[a]),
            Tanh => {
                let two = self.constant(2.0);
                let twice = self.add(Multiply, &[two, a]);
                let sigmoid = self.add(Sigmoid, &[twice]);
                let bell = self.bell(sigmoid, twice);
                let four = self.constant(4.0);
                self.add(Multiply, &[four, bell])
            }
            Atan => {
                let one = self.constant(1.0);
                let square = self.add(Multiply, &[a, a]);
                let sum = self.add(Add, &[one, square]);
                self.add(Divide, &[one, sum])
            }
            Erf => {
                let square = self.add(Multiply, &[a, a]);
                let negative = self.add(Negate, &[square]);
                let exp = self.add(Exp, &[negative]);
                let at_zero = self.constant(FRAC_2_SQRT_PI);
                self.add(Multiply, &[at_zero, exp])
            }
            HalfExpRest => self.add(HalfExpM1, &[a]),
            HalfExpM1 => {
                // Of the number itself and a half there would be no digits left where the exponential is small.
                let half = self.constant(0.5);
                let scaled = self.add(Multiply, &[half, a]);
                let root = self.add(Exp, &[scaled]);
                let square = self.add(Multiply, &[root, root]);
                self.add(Multiply, &[half, square])
            }
            _ => unreachable!("no part of a formula that is given"),
        }
    }

    /// `sigmoid(x) sigmoid(-x)`: neither factor is what is left of a difference.
    fn bell(&mut self, sigmoid: Value, x: Value) -> Value {
        let negative = self.add(Negate, &[x]);
        let other = self.add(Operation::Sigmoid, &[negative]);
        self.add(Multiply, &[sigmoid, other])
    }

    fn chosen(&mut self, condition: Value, slope: Value) -> Value {
        let zero = self.constant(0.0);
        self.add(Select, &[condition, slope, zero])
    }
}
