//! Runs the operations of a formula, a block of numbers at a time.
//!
//! An operation takes its numbers from the nearest cache and puts its results there, so a formula is one pass over
//! memory. The loops over an operation are compiled here, for all formulas.

use super::numbers::Float;
use super::sums::PART;
use super::vectors::{Loop, Vectors, prefetch};
use crate::spec::expression::operations::{MOST, Operation};
use crate::spec::expression::program::{Program, ProgramId, Step, StepInput, Wanted};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;

/// How many numbers an operation goes through: its results are in the cache when the next one needs them.
pub(crate) const BLOCK: usize = 512;

/// Aligned as the cache is.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct SlotBlock<F>(pub(crate) [F; BLOCK]);

impl<F: Float> SlotBlock<F> {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self([F::default(); BLOCK]))
    }
}

/// The memory that formulas are run in.
pub(crate) struct Machine<F> {
    slots: Vec<Option<Box<SlotBlock<F>>>>,
    /// What the numbers below are those of.
    prepared: Prepared,
    constants: Vec<[F; LANES]>,
    parameters: Vec<[F; LANES]>,
    uniforms: Vec<[F; LANES]>,
    /// Operands that are filled up to a block.
    padded: Vec<Box<SlotBlock<F>>>,
    /// Numbers that are worked out before a formula is run.
    scratch: Vec<Vec<F>>,
}

/// What a machine was made ready for. A sweep asks for the same again with each block.
struct Prepared {
    program: Option<ProgramId>,
    parameters: Vec<f64>,
    /// Whether the type holds what was worked out of the parameters.
    fits: bool,
}

/// The most operands that a program is given.
pub(crate) const OPERANDS: usize = 16;

/// Writes numbers out, each as often as a loop reads it.
fn spread<F: Float>(lanes: &mut Vec<[F; LANES]>, numbers: &[f64]) {
    lanes.resize(numbers.len(), [F::default(); LANES]);
    for (lanes, &number) in lanes.iter_mut().zip(numbers) {
        lanes.fill(F::of(number));
    }
}

/// A loop goes through so many numbers, as many as a constant is written out.
const LANES: usize = PART;

/// What an operation reads: a block, or a constant for all of it.
#[derive(Clone, Copy)]
pub(crate) struct Argument<'a, F> {
    numbers: &'a [F],
    /// How far the numbers of one loop are from those of the next.
    stride: usize,
}

impl<'a, F> Argument<'a, F> {
    /// What a loop reads.
    #[inline(always)]
    pub(crate) fn lanes(&self, at: usize) -> &'a [F; LANES] {
        let numbers = self.numbers[at * self.stride..].first_chunk();
        numbers.expect("a block has whole lanes")
    }
}

impl<F: Float> Machine<F> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            prepared: Prepared {
                program: None,
                parameters: Vec::new(),
                fits: true,
            },
            constants: Vec::new(),
            parameters: Vec::new(),
            uniforms: Vec::new(),
            padded: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Gets ready for a program; says whether the type holds what is worked out of the parameters.
    pub(crate) fn prepare(&mut self, program: &Program, parameters: &[f64]) -> bool {
        let other_program = self.prepared.program != Some(program.id);
        if other_program {
            let slots = usize::from(program.list.slots);
            if self.slots.len() < slots {
                self.slots.resize_with(slots, || Some(SlotBlock::new()));
            }
            spread(&mut self.constants, &program.list.constants);
        }
        if other_program || self.prepared.parameters != parameters {
            self.prepared.program = Some(program.id);
            self.prepared.parameters.clear();
            self.prepared.parameters.extend_from_slice(parameters);
            self.prepared.fits = self.set_parameters(program, parameters);
        }
        self.prepared.fits
    }

    fn set_parameters(&mut self, program: &Program, parameters: &[f64]) -> bool {
        spread(&mut self.parameters, parameters);
        if !program.has_uniforms() {
            return true;
        }
        let uniforms = program.uniforms(parameters);
        spread(&mut self.uniforms, &uniforms);
        let one = F::of(1.0);
        let held = one.least_normal()..=one.largest();
        let holds =
            |&number: &f64| number == 0.0 || !number.is_finite() || held.contains(&number.abs());
        uniforms.iter().all(holds)
    }

    /// Runs a program on blocks, of which so many numbers are there.
    ///
    /// The loops of all operations are large, so they are not compiled into what they are called from.
    #[inline(never)]
    pub(crate) fn run(
        &mut self,
        vectors: Vectors,
        program: &Program,
        (operands, count): (&[&[F; BLOCK]], usize),
        ahead: Ahead<F>,
    ) {
        self.run_for(vectors, (program, Wanted::ALL), (operands, count), ahead);
    }

    /// As [`run`](Self::run), for some of the results.
    #[inline(never)]
    pub(crate) fn run_for(
        &mut self,
        vectors: Vectors,
        (program, wanted): (&Program, Wanted),
        (operands, count): (&[&[F; BLOCK]], usize),
        ahead: Ahead<F>,
    ) {
        vectors.run(Steps {
            machine: self,
            program,
            wanted,
            operands,
            parts: count.div_ceil(LANES),
            ahead,
        });
    }

    #[inline(always)]
    fn read<'a>(&'a self, source: StepInput, operands: &[&'a [F; BLOCK]]) -> Argument<'a, F> {
        let (numbers, stride): (&[F], usize) = match source {
            StepInput::Operand(at) => (operands[usize::from(at)], LANES),
            StepInput::Parameter(at) => (&self.parameters[usize::from(at)], 0),
            StepInput::Constant(at) => (&self.constants[usize::from(at)], 0),
            StepInput::Uniform(at) => (&self.uniforms[usize::from(at)], 0),
            StepInput::Slot(at) => match &self.slots[usize::from(at)] {
                Some(block) => (&block.0, LANES),
                None => unreachable!("no operation writes where it reads"),
            },
        };
        Argument { numbers, stride }
    }

    /// The numbers of a result of the program that was run.
    #[inline(always)]
    pub(crate) fn result<'a>(
        &'a self,
        program: &Program,
        result: usize,
        operands: &[&'a [F; BLOCK]],
    ) -> Argument<'a, F> {
        self.read(program.list.results[result], operands)
    }

    /// Room for the blocks of operands, with those that end before a block from such a place on: filled up with the last one
    /// as far as a loop goes, and behind that is anything.
    #[inline(always)]
    pub(crate) fn pad<'a>(
        padded: &'a mut Vec<Box<SlotBlock<F>>>,
        operands: &[&[F]],
        start: usize,
    ) -> &'a [Box<SlotBlock<F>>] {
        while padded.len() < operands.len() {
            padded.push(SlotBlock::new());
        }
        for (block, operand) in padded.iter_mut().zip(operands) {
            let rest = &operand[start..];
            if rest.len() < BLOCK {
                let whole = &mut block.0[..rest.len().next_multiple_of(LANES)];
                let (there, missing) = whole.split_at_mut(rest.len());
                there.copy_from_slice(rest);
                missing.fill(rest[rest.len() - 1]);
            }
        }
        padded
    }

    /// The operands from a place on as blocks: where they lie, if they are as many, else as they were padded.
    ///
    /// They are written where they are read: a processor waits where it copies what it has just written in other pieces.
    #[inline(always)]
    pub(crate) fn blocks<'a, 'b>(
        blocks: &'b mut [&'a [F; BLOCK]; OPERANDS],
        padded: &'a [Box<SlotBlock<F>>],
        operands: &[&'a [F]],
        start: usize,
    ) -> &'b [&'a [F; BLOCK]] {
        for ((to, operand), block) in blocks.iter_mut().zip(operands).zip(padded) {
            *to = operand[start..].first_chunk().unwrap_or(&block.0);
        }
        &blocks[..operands.len()]
    }

    /// So many buffers of at least such a length, with anything in them.
    pub(crate) fn take_scratch(&mut self, count: usize, length: usize) -> Vec<Vec<F>> {
        let mut scratch = core::mem::take(&mut self.scratch);
        scratch.resize_with(count.max(scratch.len()), Vec::new);
        for buffer in &mut scratch {
            if buffer.len() < length {
                buffer.resize(length, F::default());
            }
        }
        scratch
    }

    /// Takes buffers back, unless they are so large that nobody should keep them.
    pub(crate) fn give_scratch(&mut self, scratch: Vec<Vec<F>>) {
        const LARGE: usize = 64 * 1024;
        if scratch.iter().all(|buffer| buffer.len() <= LARGE) {
            self.scratch = scratch;
        }
    }

    pub(crate) fn take_padded(&mut self) -> Vec<Box<SlotBlock<F>>> {
        core::mem::take(&mut self.padded)
    }

    pub(crate) fn give_padded(&mut self, padded: Vec<Box<SlotBlock<F>>>) {
        self.padded = padded;
    }
}

/// How many blocks before they are read operands are asked for.
const AHEAD: usize = 2;

/// A later block of operands, and where the results of the next one go, which are fetched while this is worked on: a program
/// reads memory in its first operations alone, and writes it after the last. Only so many lines can be under way at a
/// time, so some are asked for with each operation.
pub(crate) struct Ahead<'a, F> {
    pub(crate) operands: &'a [&'a [F]],
    /// Where this block is.
    pub(crate) start: usize,
    /// Where the results of this block go, behind which are those of the next.
    pub(crate) outputs: &'a [*const F],
}

impl<F> Ahead<'_, F> {
    const LINE: usize = 64 / size_of::<F>();

    /// How many numbers are asked for with each of so many steps: whole lines.
    #[inline(always)]
    fn at_a_time(steps: usize) -> usize {
        BLOCK.div_ceil(steps).next_multiple_of(Self::LINE)
    }

    /// Asks for what is due at a step.
    #[inline(always)]
    #[allow(unused_variables)] // Only one kind of processor is asked.
    fn fetch(&self, step: usize, at_a_time: usize) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            use core::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
            let from = (step * at_a_time).min(BLOCK);
            let to = BLOCK.min(from + at_a_time);
            for operand in self.operands {
                let later = operand.as_ptr().wrapping_add(self.start + AHEAD * BLOCK);
                prefetch(later.wrapping_add(from), to - from);
            }
            for output in self.outputs {
                for at in (from..to).step_by(Self::LINE) {
                    // SAFETY: a prefetch of any address does nothing that can be seen.
                    #[allow(unsafe_code)]
                    unsafe {
                        _mm_prefetch::<_MM_HINT_ET0>(output.wrapping_add(BLOCK + at).cast());
                    }
                }
            }
        }
    }
}

/// The operations of a program, on so many parts of blocks.
struct Steps<'a, 'b, F> {
    machine: &'a mut Machine<F>,
    program: &'a Program,
    wanted: Wanted,
    operands: &'a [&'b [F; BLOCK]],
    parts: usize,
    ahead: Ahead<'a, F>,
}

impl<F: Float> Loop for Steps<'_, '_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let steps = &self.program.list.steps;
        let at_a_time = Ahead::<F>::at_a_time(steps.len() + 1);
        for (at, step) in steps.iter().enumerate() {
            self.ahead.fetch(at, at_a_time);
            if !step.part_of.has_any_of(self.wanted) {
                continue;
            }
            let slot = &mut self.machine.slots[usize::from(step.slot)];
            let mut taken = slot.take().expect("a slot has its block");
            let out = &mut taken.0[..self.parts * LANES];
            apply(step, self.machine, self.operands, out);
            self.machine.slots[usize::from(step.slot)] = Some(taken);
        }
        self.ahead.fetch(steps.len(), at_a_time);
    }
}

/// Writes what an operation makes of blocks.
#[inline(always)]
fn apply<F: Float>(step: &Step, machine: &Machine<F>, operands: &[&[F; BLOCK]], out: &mut [F]) {
    /// What an operation is of; then the last one again. No loop makes it: with checks for overflow that would be one in
    /// memory.
    macro_rules! inputs {
        ($a:expr) => {
            [$a; MOST]
        };
        ($a:expr, $b:expr) => {
            [$a, $b, $b, $b, $b, $b]
        };
        ($a:expr, $b:expr, $c:expr) => {
            [$a, $b, $c, $c, $c, $c]
        };
        ($a:expr, $b:expr, $c:expr, $d:expr) => {
            [$a, $b, $c, $d, $d, $d]
        };
        ($a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr) => {
            [$a, $b, $c, $d, $e, $f]
        };
    }
    /// The loops of operations, each of so many inputs; over halves where the steps of an operation wait for each other.
    macro_rules! loops {
        ($($operation:ident($($x:ident),*))*; $(halves $alone:ident)*) => {
            match step.operation {
                $(Operation::$operation => {
                    let mut at = 0..;
                    $(let $x = machine.read(step.of[at.next().expect("an input")], operands);)*
                    for (at, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                        $(let $x = $x.lanes(at);)*
                        for at in 0..LANES {
                            out[at] = Operation::$operation.of(inputs!($($x[at]),*));
                        }
                    }
                })*
                $(Operation::$alone => {
                    let a = machine.read(step.of[0], operands);
                    for (at, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                        let a = a.lanes(at);
                        for at in 0..LANES / 2 {
                            out[at] = Operation::$alone.of(inputs!(a[at]));
                            out[at + LANES / 2] = Operation::$alone.of(inputs!(a[at + LANES / 2]));
                        }
                    }
                })*
                operation => unreachable!("{operation:?} is no operation of a program"),
            }
        };
    }
    loops! {
        Add(a, b) Subtract(a, b) Difference(a, b) Times(a, b) Multiply(a, b) Chain(a, b) Divide(a, b) Max(a, b) Min(a, b)
        Above(a, b) Equal(a, b) Negate(a) Abs(a) Sign(a) Sqrt(a) Detached(a)
        TimesPlus(a, b, c) MinusTimes(a, b, c) Quadratic(a, b, c, d) Quartic(a, b, c, d, e, f)
        Select(a, b, c) SelectAbove(a, b, c, d) SelectEqual(a, b, c, d)
        AbsDifference(a, b) TimesTimes(a, b, c) SumTimes(a, b, c) DifferenceTimes(a, b, c)
        QuotientTimes(a, b, c) TimesPlusTimes(a, b, c, d) MinusTimesTimes(a, b, c, d) SignTimes(a, b) Inverse(a) SigmoidBeside(a, b) SoftplusBeside(a, b)
        HalfExpRestBeside(a, b);
        halves Exp halves Ln halves Ln1p halves Sigmoid halves Softplus halves Tanh halves Atan halves Erf halves HalfExpRest halves HalfExpM1 halves ExpOfSize
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
