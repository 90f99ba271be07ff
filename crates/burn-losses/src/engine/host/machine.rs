//! Runs the operations of a formula, a block of numbers at a time.
//!
//! An operation takes its numbers from the nearest cache and puts its results there, so a formula is one pass over
//! memory. The loops over an operation are compiled here, for all formulas.

use super::numbers::Float;
use crate::real::Real;
use crate::spec::expression::operations as op;
use crate::spec::expression::operations::Operation;
use crate::spec::expression::program::{Program, Source};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;

/// How many numbers an operation goes through: its results are in the cache when the next one needs them.
pub(crate) const BLOCK: usize = 512;

/// Aligned as the cache is.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Block<F>(pub(crate) [F; BLOCK]);

impl<F: Float> Block<F> {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self([F::default(); BLOCK]))
    }
}

/// The memory that formulas are run in.
pub(crate) struct Machine<F> {
    slots: Vec<Option<Box<Block<F>>>>,
    constants: Vec<Box<Block<F>>>,
    parameters: Vec<Box<Block<F>>>,
    /// Operands that are filled up to a block.
    padded: Vec<Box<Block<F>>>,
    pub(crate) scaled: Option<Box<Block<F>>>,
}

/// The most operands that a program is given.
pub(crate) const OPERANDS: usize = 16;

impl<F: Float> Machine<F> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            constants: Vec::new(),
            parameters: Vec::new(),
            padded: Vec::new(),
            scaled: None,
        }
    }

    /// Gets ready for a program.
    pub(crate) fn prepare(&mut self, program: &Program, parameters: &[f64]) {
        if self.slots.len() < program.slots {
            self.slots.resize_with(program.slots, || Some(Block::new()));
        }
        fill(&mut self.constants, &program.constants);
        fill(&mut self.parameters, parameters);
        self.scaled.get_or_insert_with(Block::new);
    }

    /// Runs a program on blocks.
    #[inline(always)]
    pub(crate) fn run(&mut self, program: &Program, operands: &[&[F; BLOCK]]) {
        for step in &program.steps {
            let slot = usize::from(step.slot);
            let mut taken = self.slots[slot].take().expect("a slot has its block");
            let a = self.read(step.of[0], operands);
            let b = self.read(step.of[1], operands);
            let c = self.read(step.of[2], operands);
            apply(step.operation, a, b, c, &mut taken.0);
            self.slots[slot] = Some(taken);
        }
    }

    #[inline(always)]
    fn read<'a>(&'a self, source: Source, operands: &[&'a [F; BLOCK]]) -> &'a [F; BLOCK] {
        match source {
            Source::Operand(at) => operands[usize::from(at)],
            Source::Parameter(at) => &self.parameters[usize::from(at)].0,
            Source::Constant(at) => &self.constants[usize::from(at)].0,
            Source::Slot(at) => match &self.slots[usize::from(at)] {
                Some(block) => &block.0,
                None => unreachable!("no operation writes where it reads"),
            },
        }
    }

    /// A result of the program that was run.
    #[inline(always)]
    pub(crate) fn result<'a>(
        &'a self,
        program: &Program,
        at: usize,
        operands: &[&'a [F; BLOCK]],
    ) -> &'a [F; BLOCK] {
        self.read(program.results[at], operands)
    }

    /// The operands from a place on as blocks: where they lie, if they are as many, or else filled up with the last.
    #[inline(always)]
    pub(crate) fn blocks<'a>(
        padded: &'a mut Vec<Box<Block<F>>>,
        operands: &[&'a [F]],
        start: usize,
    ) -> [&'a [F; BLOCK]; OPERANDS]
    where
        F: 'a,
    {
        while padded.len() < operands.len() {
            padded.push(Block::new());
        }
        for (block, operand) in padded.iter_mut().zip(operands) {
            let rest = &operand[start..];
            if rest.len() < BLOCK {
                let (there, missing) = block.0.split_at_mut(rest.len());
                there.copy_from_slice(rest);
                missing.fill(rest[rest.len() - 1]);
            }
        }
        let padded = &*padded;
        let mut blocks = [&padded[0].0; OPERANDS];
        for ((to, operand), block) in blocks.iter_mut().zip(operands).zip(padded) {
            *to = operand[start..].first_chunk().unwrap_or(&block.0);
        }
        blocks
    }

    pub(crate) fn take_padded(&mut self) -> Vec<Box<Block<F>>> {
        core::mem::take(&mut self.padded)
    }

    pub(crate) fn give_padded(&mut self, padded: Vec<Box<Block<F>>>) {
        self.padded = padded;
    }
}

fn fill<F: Float>(blocks: &mut Vec<Box<Block<F>>>, numbers: &[f64]) {
    while blocks.len() < numbers.len() {
        blocks.push(Block::new());
    }
    for (block, &number) in blocks.iter_mut().zip(numbers) {
        let number = F::of(number);
        // What was a constant of the last block mostly is one of this.
        let is_same = block.0[0] == number;
        if !is_same {
            block.0.fill(number);
        }
    }
}

/// Writes what an operation makes of blocks.
#[inline(always)]
fn apply<F: Float>(
    operation: Operation,
    a: &[F; BLOCK],
    b: &[F; BLOCK],
    c: &[F; BLOCK],
    out: &mut [F; BLOCK],
) {
    /// A plain loop; one over halves where the steps of an operation wait for each other.
    macro_rules! each {
        ($function:path, $($x:ident),*) => {
            for at in 0..BLOCK {
                out[at] = $function($($x[at]),*);
            }
        };
        (halves $function:path, $($x:ident),*) => {
            for at in 0..BLOCK / 2 {
                out[at] = $function($($x[at]),*);
                out[at + BLOCK / 2] = $function($($x[at + BLOCK / 2]),*);
            }
        };
    }
    match operation {
        Operation::Add => each!(core::ops::Add::add, a, b),
        Operation::Subtract => each!(core::ops::Sub::sub, a, b),
        Operation::Times => each!(core::ops::Mul::mul, a, b),
        Operation::Multiply => each!(op::multiply, a, b),
        Operation::Chain => each!(op::chain, a, b),
        Operation::Divide => each!(core::ops::Div::div, a, b),
        Operation::TimesPlus => each!(op::times_plus, a, b, c),
        Operation::MinusTimes => each!(op::minus_times, a, b, c),
        Operation::Negate => each!(core::ops::Neg::neg, a),
        Operation::Abs => each!(Real::abs, a),
        Operation::Sign => each!(Real::sign, a),
        Operation::Exp => each!(halves Real::exp, a),
        Operation::Ln => each!(halves Real::ln, a),
        Operation::Ln1p => each!(halves op::ln_1p, a),
        Operation::Sqrt => each!(Real::sqrt, a),
        Operation::Sigmoid => each!(halves op::sigmoid, a),
        Operation::Softplus => each!(halves op::softplus, a),
        Operation::Tanh => each!(halves op::tanh, a),
        Operation::Max => each!(op::max, a, b),
        Operation::Min => each!(op::min, a, b),
        Operation::Above => each!(op::above, a, b),
        Operation::Equal => each!(op::equal, a, b),
        Operation::Select => each!(op::select, a, b, c),
        Operation::Power
        | Operation::Operand(_)
        | Operation::Parameter(_)
        | Operation::Constant(_) => unreachable!("no operation of a program"),
    }
}

/// A float type that formulas are computed in.
pub(crate) trait MachineFloat: Float {
    /// The memory of this thread, which is given back afterwards.
    fn machine<T>(run: impl FnOnce(&mut Machine<Self>) -> T) -> T;
}

/// Stamps the memory of each thread for a type.
macro_rules! machine {
    ($float:ident) => {
        impl MachineFloat for $float {
            fn machine<T>(run: impl FnOnce(&mut Machine<$float>) -> T) -> T {
                std::thread_local! {
                    static MACHINE: Cell<Machine<$float>> = const { Cell::new(Machine::new()) };
                }
                let mut machine = MACHINE.replace(Machine::new());
                let result = run(&mut machine);
                MACHINE.set(machine);
                result
            }
        }
    };
}

machine!(f32);
machine!(f64);
