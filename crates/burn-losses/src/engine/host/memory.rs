//! The sweeps on the tensors of a backend.

use super::classes::SweptTarget;
use super::head::HeadFloat;
use super::kernel::KernelFloat;
#[cfg(feature = "std")]
use super::lovasz::SortedFloat;
use super::numbers::Source;
use super::output::{Output, Unwritten};
#[cfg(feature = "std")]
use super::overlap;
use super::row_kernel::RowFloat;
use super::samples::Layout;
use super::scale::{Power, Scale, power_of_two};
use super::tasks::ChunkSum;
use super::weights::{counted_sum, weight_sum};
use super::{classes, elementwise, rows};
use crate::engine::elementwise::ElementwiseSpec;
#[cfg(feature = "std")]
use crate::engine::ops::OverlapOutput;
use crate::engine::ops::{Invalid, KernelOutput};
#[cfg(feature = "std")]
use crate::engine::overlap::OverlapSpec;
use crate::engine::rows::RowSpec;
use crate::engine::softmax::{AnySoftmaxHead, ClassSpec};
use crate::spec::classes::IdsOrProbs;
use crate::spec::operand::PerClass;
use crate::spec::reduction::Reduction;
use crate::spec::request::{Request, Returns};
use crate::spec::row::RowTarget;
use alloc::vec;
use alloc::vec::Vec;
use burn::backend::TensorMetadata;
use burn::tensor::{DType, Shape};

/// A tensor whose numbers are in the memory of this process.
pub(crate) trait Memory: TensorMetadata + Sized {
    /// The numbers in row-major order, if they lie so.
    fn source(&self) -> Option<Source<'_>>;
    /// The same numbers, in row-major order.
    fn contiguous(self) -> Self;
    /// The numbers to write to, if nobody else has them and they lie in row-major order.
    fn own_f32(&mut self) -> Option<&mut [f32]>;
    /// As [`own_f32`](Self::own_f32).
    fn own_f64(&mut self) -> Option<&mut [f64]>;
    /// A tensor of these numbers.
    fn from_f32(numbers: Vec<f32>, shape: Shape) -> Self;
    /// As [`from_f32`](Self::from_f32).
    fn from_f64(numbers: Vec<f64>, shape: Shape) -> Self;
}

/// A float type that tensors hold.
pub(crate) trait Held: KernelFloat + HeadFloat + RowFloat {
    const DTYPE: DType;
    fn own<P: Memory>(tensor: &mut P) -> Option<&mut [Self]>;
    fn tensor<P: Memory>(numbers: Vec<Self>, shape: Shape) -> P;
}

impl Held for f32 {
    const DTYPE: DType = DType::F32;
    fn own<P: Memory>(tensor: &mut P) -> Option<&mut [f32]> {
        tensor.own_f32()
    }
    fn tensor<P: Memory>(numbers: Vec<f32>, shape: Shape) -> P {
        P::from_f32(numbers, shape)
    }
}

impl Held for f64 {
    const DTYPE: DType = DType::F64;
    fn own<P: Memory>(tensor: &mut P) -> Option<&mut [f64]> {
        tensor.own_f64()
    }
    fn tensor<P: Memory>(numbers: Vec<f64>, shape: Shape) -> P {
        P::from_f64(numbers, shape)
    }
}

/// An input of a sweep, and where its gradient is written.
enum Buffer<P, F> {
    /// The input, in whose place the gradient is written.
    Overwritten(P),
    /// The input, and the gradient if it is wanted.
    Beside(P, Option<Unwritten<F>>),
}

impl<P: Memory, F: Held> Buffer<P, F> {
    fn new(input: P, wanted: bool) -> Self {
        let mut input = match input.source() {
            Some(_) => input,
            None => input.contiguous(),
        };
        if wanted && F::own(&mut input).is_some() {
            return Self::Overwritten(input);
        }
        Self::beside(input, wanted)
    }

    fn beside(input: P, wanted: bool) -> Self {
        let count = input.shape().num_elements();
        Self::Beside(contiguous(input), wanted.then(|| Unwritten::new(count)))
    }

    /// Where the input is read, if it is not what is overwritten; and what is written.
    fn split(&mut self) -> (Option<Source<'_>>, Option<Output<'_, F>>) {
        match self {
            Self::Overwritten(input) => (None, F::own(input).map(Output::in_place)),
            Self::Beside(input, gradient) => {
                (Some(read(input)), gradient.as_mut().map(Unwritten::output))
            }
        }
    }

    /// The gradient, which has been written.
    fn gradient(self) -> Option<P> {
        match self {
            Self::Overwritten(input) => Some(input),
            Self::Beside(input, gradient) => {
                let shape = input.shape();
                gradient.map(|gradient| F::tensor(gradient.written(), shape))
            }
        }
    }
}

fn read<P: Memory>(tensor: &P) -> Source<'_> {
    tensor.source().expect("a tensor was made contiguous")
}

fn contiguous<P: Memory>(tensor: P) -> P {
    match tensor.source() {
        Some(_) => tensor,
        None => tensor.contiguous(),
    }
}

/// How the sums of a sweep become what is wanted.
struct Plan {
    scale: Scale,
    /// What the sum is multiplied by.
    value: f64,
    /// There is nothing to average.
    nothing: bool,
    /// The sum of the weights, if it is wanted.
    weight: Option<f64>,
}

/// What all losses count together.
enum Counted<W> {
    /// Each counts as one.
    Alike,
    /// Each counts as one, and is multiplied by a weight nevertheless: that of its class.
    Multiplied,
    /// For the sum of their weights, each times a number that keeps the sum in range.
    Weighted(W),
}

impl Plan {
    /// `count` losses, computed in `F`.
    fn new<F: Held, P: Memory>(
        request: &Request<P>,
        count: usize,
        counted: Counted<impl Fn(f64) -> f64>,
    ) -> Self {
        const SHIFT: i32 = 64;
        let (sum, shift) = match &counted {
            _ if !request.weighs() => (0.0, 0),
            Counted::Alike | Counted::Multiplied => (count as f64, 0),
            Counted::Weighted(sum) => {
                let shifted = |shift: i32| (sum(power_of_two(-shift)), shift);
                match shifted(0) {
                    (plain, _) if plain.is_infinite() => shifted(SHIFT),
                    // Unless all are 0, their products are below what `f64` holds.
                    (0.0, _) => shifted(-SHIFT),
                    plain => plain,
                }
            }
        };
        let terms = request.terms as f64;
        let weighted = !matches!(counted, Counted::Alike);
        // What the losses are divided by is scaled as the weights are, to between 1/2 and 1: so neither
        // they nor its inverse leave the range.
        let (weights, divisor) = match request.returns {
            Returns::Reduced(Reduction::Mean) if weighted && sum > 0.0 => {
                let scaled = Power::over(sum, 0).times(sum);
                (Power::over(sum, shift), request.divisor(scaled / terms))
            }
            Returns::Reduced(Reduction::BatchMean) if weighted => {
                let power = Power::over(request.batch as f64, 0);
                (power, power.times(request.divisor(0.0)))
            }
            Returns::SumAndWeight if weighted && request.total.is_some_and(|total| total > 0.0) => {
                // A total may be less than any weight, which must not leave the range.
                let power = Power::over(request.divisor(0.0).max(power_of_two(-64)), 0);
                (power, power.times(request.divisor(0.0)))
            }
            _ => (Power::ONE, request.divisor(sum / terms)),
        };
        let nothing = divisor == 0.0;
        let factor = if nothing { 0.0 } else { 1.0 / divisor };
        // A slope of 0 times an infinite factor would be NaN: a total may be less than any sum of weights. (Parts of
        // losses are not below 1/256.)
        let largest = F::MAX / 256.0;
        let gradient = if factor > largest { largest } else { factor };
        // Dividing by a power of two is exact; done before adding up, it keeps the sum in range.
        let power = match F::DTYPE {
            DType::F64 => count.next_power_of_two() as f64,
            _ => 1.0,
        };
        Self {
            scale: Scale {
                losses: 1.0 / power,
                weights,
                gradient,
            },
            value: factor * power,
            nothing,
            weight: matches!(request.returns, Returns::SumAndWeight)
                .then(|| sum * power_of_two(shift) / terms),
        }
    }

    /// As [`new`](Self::new), where each loss counts for the weight of its sample; it may be `multiplied` by another.
    fn of_samples<F: Held, P: Memory>(
        request: &Request<P>,
        count: usize,
        multiplied: bool,
    ) -> Self {
        let sum = |samples| move |scale| weight_sum::<F>(read(samples), count, scale);
        let counted = match &request.samples {
            Some(samples) => Counted::Weighted(sum(samples)),
            None if multiplied => Counted::Multiplied,
            None => Counted::Alike,
        };
        Self::new::<F, P>(request, count, counted)
    }

    /// What is wanted, when the sweep has written the losses it was given room for, and the gradients.
    fn finish<F: Held, P: Memory, const N: usize>(
        self,
        found: ChunkSum,
        losses: Option<Unwritten<F>>,
        buffers: [Buffer<P, F>; N],
    ) -> KernelOutput<P, N> {
        let gradients = buffers.map(Buffer::gradient);
        let one = |number: f64| F::tensor(vec![F::of(number)], Shape::new([1]));
        let value = match losses {
            Some(losses) => {
                let losses = losses.written();
                let count = losses.len();
                F::tensor(losses, Shape::new([count]))
            }
            None if self.nothing && !found.sum.is_nan() => one(0.0),
            None => one(found.sum * self.value),
        };
        KernelOutput {
            value,
            weight: self.weight.map(one),
            gradients,
            invalid: Invalid::Known(found.invalid),
        }
    }
}

/// Room for the losses, if each of them is wanted.
fn each<F: Held, P>(request: &Request<P>, count: usize) -> Option<Unwritten<F>> {
    matches!(request.returns, Returns::Unreduced).then(|| Unwritten::new(count))
}

/// Where the losses are written.
fn output<F: Held>(losses: &mut Option<Unwritten<F>>) -> Option<Output<'_, F>> {
    losses.as_mut().map(Unwritten::output)
}

pub(crate) fn elementwise<P: Memory, const N: usize>(
    call: ElementwiseSpec<P>,
    inputs: [P; N],
    request: Request<P>,
    gradients: [bool; N],
) -> KernelOutput<P, N> {
    match inputs[0].dtype() {
        DType::F64 => elementwise_in::<f64, _, N>(call, inputs, request, gradients),
        _ => elementwise_in::<f32, _, N>(call, inputs, request, gradients),
    }
}

fn elementwise_in<F: Held, P: Memory, const N: usize>(
    call: ElementwiseSpec<P>,
    inputs: [P; N],
    request: Request<P>,
    gradients: [bool; N],
) -> KernelOutput<P, N> {
    assert!(
        N <= call.definition.derivatives().len(),
        "each input has a derivative"
    );
    let count = inputs[0].shape().num_elements();
    let request = request.map(contiguous);
    let flat = call.flat.map(contiguous);
    let samples = request.samples.as_ref().map(read);
    let plan = Plan::of_samples::<F, P>(&request, count, call.weights.is_some());

    let mut at = 0;
    let mut buffers = inputs.map(|input| {
        // Only the first is overwritten: the others' gradients are made of it, or written after it.
        let wanted = gradients[at];
        at += 1;
        match at {
            1 => Buffer::<P, F>::new(input, wanted),
            _ => Buffer::beside(input, wanted),
        }
    });
    let mut losses = each::<F, P>(&request, count);
    let found = {
        let mut outputs = [const { None }; elementwise::OPERANDS];
        let mut operands = vec![None; call.rules.len()];
        for (at, buffer) in buffers.iter_mut().enumerate() {
            (operands[at], outputs[at]) = buffer.split();
        }
        let flat = flat.as_ref().map(read);
        let rest = flat
            .into_iter()
            .chain(call.along.as_ref().map(PerClass::source));
        for (operand, source) in operands[N..].iter_mut().zip(rest) {
            *operand = Some(source);
        }
        let reads = elementwise::ElementwiseInputs {
            operands,
            rules: &call.rules,
            rows: call.rows,
            weights: call.weights.as_ref().map(PerClass::source),
            samples,
        };
        let writes = elementwise::Writes {
            losses: output(&mut losses),
            gradients: outputs,
        };
        elementwise::sweep(call.definition.kernel(), count, &reads, writes, plan.scale)
    };
    plan.finish(found, losses, buffers)
}

impl PerClass {
    fn source(&self) -> Source<'_> {
        Source::Along {
            numbers: &self.numbers,
            inner: self.inner,
        }
    }
}

pub(crate) fn classes<P: Memory>(
    call: ClassSpec<P>,
    input: P,
    request: Request<P>,
    gradient: bool,
) -> KernelOutput<P, 1> {
    match input.dtype() {
        DType::F64 => classes_in::<f64, _>(call, input, request, gradient),
        _ => classes_in::<f32, _>(call, input, request, gradient),
    }
}

fn classes_in<F: Held, P: Memory>(
    call: ClassSpec<P>,
    input: P,
    request: Request<P>,
    gradient: bool,
) -> KernelOutput<P, 1> {
    let layout = layout(&input.shape(), call.axis);
    let count = layout.samples();
    let request = request.map(contiguous);
    let target = match call.target {
        IdsOrProbs::Ids(ids, ignored) => IdsOrProbs::Ids(contiguous(ids), ignored),
        IdsOrProbs::Probs(probs, rule, tolerance) => {
            IdsOrProbs::Probs(contiguous(probs), rule, tolerance)
        }
    };
    let mut buffer = Buffer::<P, F>::new(input, gradient);
    let mut losses = each::<F, P>(&request, count);
    let (plan, found) = {
        let (input, gradient) = buffer.split();
        let reads = classes::ClassInputs {
            input,
            layout,
            target: match &target {
                IdsOrProbs::Ids(ids, ignored) => SweptTarget::Ids {
                    ids: read(ids),
                    ignored,
                },
                IdsOrProbs::Probs(probs, rule, tolerance) => SweptTarget::Probs {
                    probs: read(probs),
                    rule: *rule,
                    tolerance: *tolerance,
                },
            },
            log_probs: call.log_probs,
            weights: call.weights.as_deref(),
            weights_count: call.weights_count,
            label_smoothing: call.label_smoothing,
            adjustment: call.adjustment.as_deref(),
            z_loss: call.z_loss,
            head: call.head.as_deref().map(AnySoftmaxHead::on_host),
            samples: request.samples.as_ref().map(read),
        };
        let counted = if !reads.count_alike() {
            Counted::Weighted(|scale| reads.weight_sum::<F>(scale))
        } else if reads.weights.is_some() {
            Counted::Multiplied
        } else {
            Counted::Alike
        };
        let plan = Plan::new::<F, P>(&request, count, counted);
        let mut scale = plan.scale;
        scale.gradient *= call.adjustment.as_ref().map_or(1.0, |of| of.scale);
        let found = classes::sweep(&reads, output(&mut losses), gradient, scale);
        (plan, found)
    };
    plan.finish(found, losses, [buffer])
}

#[cfg(feature = "std")]
pub(crate) fn overlap_sums<P: Memory>(
    call: OverlapSpec<P>,
    input: P,
    tracked: bool,
) -> OverlapOutput<P> {
    match input.dtype() {
        DType::F64 => overlap_sums_in::<f64, P>(call, input, tracked),
        _ => overlap_sums_in::<f32, P>(call, input, tracked),
    }
}

#[cfg(feature = "std")]
fn overlap_sums_in<F: Held + SortedFloat, P: Memory>(
    call: OverlapSpec<P>,
    input: P,
    tracked: bool,
) -> OverlapOutput<P> {
    let input = contiguous(input);
    let layout = layout(&input.shape(), call.axis);
    let shape = [call.sums(), call.samples, layout.classes];
    let call = call.map(contiguous);
    let reads = overlap_reads(&call, layout, Some(read(&input)));
    let (sums, kept, invalid) = if call.lovasz {
        let found = overlap::extension::losses::<F>(&reads, tracked);
        // It becomes a tensor in any case: a backend may keep the memory of one.
        let slopes: P = F::tensor(found.slopes, Shape::new([layout.elements()]));
        (found.sums, tracked.then_some(slopes), found.invalid)
    } else {
        let (sums, invalid) = overlap::sums::<F>(&reads);
        (sums, None, invalid)
    };
    let sums = sums.into_iter().map(F::of).collect();
    OverlapOutput {
        sums: F::tensor(sums, Shape::new(shape)),
        kept,
        invalid,
    }
}

#[cfg(feature = "std")]
pub(crate) fn overlap_gradient<P: Memory>(
    call: OverlapSpec<P>,
    input: P,
    kept: Option<P>,
    of_sums: P,
) -> P {
    match input.dtype() {
        DType::F64 => overlap_gradient_in::<f64, P>(call, input, kept, of_sums),
        _ => overlap_gradient_in::<f32, P>(call, input, kept, of_sums),
    }
}

#[cfg(feature = "std")]
fn overlap_gradient_in<F: Held, P: Memory>(
    call: OverlapSpec<P>,
    input: P,
    kept: Option<P>,
    of_sums: P,
) -> P {
    let layout = layout(&input.shape(), call.axis);
    let call = call.map(contiguous);
    let of_sums = contiguous(of_sums);
    let mut numbers = vec![0.0; of_sums.shape().num_elements()];
    read(&of_sums).read::<f64>(0, &mut numbers);
    let mut buffer = Buffer::<P, F>::new(input, true);
    let (input, gradient) = buffer.split();
    let gradient = gradient.expect("it is wanted");
    let reads = overlap_reads(&call, layout, input);
    match &kept {
        Some(slopes) => {
            let slopes =
                F::direct(&read(slopes)).expect("they are of the type that is computed in");
            overlap::extension::gradient(&reads, slopes, &numbers, gradient);
        }
        None => overlap::gradient(&reads, &numbers, gradient),
    }
    buffer.gradient().expect("it is wanted")
}

/// What a sweep reads.
#[cfg(feature = "std")]
fn overlap_reads<'a, P: Memory>(
    call: &'a OverlapSpec<P>,
    layout: Layout,
    input: Option<Source<'a>>,
) -> overlap::OverlapInputs<'a> {
    overlap::OverlapInputs {
        input,
        layout,
        samples: call.samples,
        activation: call.activation,
        overlap: call.overlap,
        target: call.target.as_ref().map(read),
        beside: call.beside.as_ref(),
    }
}

pub(crate) fn rows<P: Memory, const N: usize>(
    call: RowSpec<P, N>,
    inputs: [P; N],
    request: Request<P>,
    gradients: [bool; N],
) -> KernelOutput<P, N> {
    match inputs[0].dtype() {
        DType::F64 => rows_in::<f64, _, N>(call, inputs, request, gradients),
        _ => rows_in::<f32, _, N>(call, inputs, request, gradients),
    }
}

fn rows_in<F: Held, P: Memory, const N: usize>(
    call: RowSpec<P, N>,
    inputs: [P; N],
    request: Request<P>,
    gradients: [bool; N],
) -> KernelOutput<P, N> {
    let layout = layout(&inputs[0].shape(), call.axis);
    let count = layout.samples();
    let request = request.map(contiguous);
    let call = call.map(contiguous);
    let plan = match &call.target {
        RowTarget::Rank(ids, Some(counts)) => {
            let samples = request.samples.as_ref().map(read);
            let ids = (read(ids), counts.as_slice());
            let sum = |scale| counted_sum::<F>(samples, ids, count, scale);
            Plan::new::<F, P>(&request, count, Counted::Weighted(sum))
        }
        target => {
            let multiplied = matches!(target, RowTarget::Class(_, Some(_)));
            Plan::of_samples::<F, P>(&request, count, multiplied)
        }
    };
    let mut wanted = gradients.into_iter();
    let mut buffers =
        inputs.map(|input| Buffer::<P, F>::new(input, wanted.next().unwrap_or(false)));
    let mut losses = each::<F, P>(&request, count);
    let found = {
        let mut inputs = [None; N];
        let mut outputs = [const { None }; N];
        for (at, buffer) in buffers.iter_mut().enumerate() {
            (inputs[at], outputs[at]) = buffer.split();
        }
        let target = &call.target;
        let reads = rows::RowInputs {
            inputs,
            layout,
            target: target.as_ref().map(read),
            samples: request.samples.as_ref().map(read),
        };
        let loss = call.loss.on_host();
        rows::sweep(loss, &reads, output(&mut losses), outputs, plan.scale)
    };
    plan.finish(found, losses, buffers)
}

/// How the samples of a tensor with classes along an axis lie in memory.
fn layout(shape: &Shape, axis: usize) -> Layout {
    let dims = shape.as_slice();
    Layout {
        outer: dims[..axis].iter().product(),
        classes: dims[axis],
        inner: dims[axis + 1..].iter().product(),
    }
}

/// The number in a tensor of one.
pub(crate) fn number<P: Memory>(tensor: &P) -> Option<f64> {
    if tensor.shape().num_elements() != 1 {
        return None;
    }
    let mut number = [0.0];
    tensor.source()?.read::<f64>(0, &mut number);
    Some(number[0])
}
