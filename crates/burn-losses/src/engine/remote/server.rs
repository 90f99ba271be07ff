//! The side of a server: the sweeps it is asked for, over its memory.

use super::call::{HELLO, RowsCall, SWEEP, SweepCall, fingerprint};
use crate::engine::host::tasks::is_fast;
use crate::engine::ops::{AnyTensor, Invalid, KernelOutput, LossOps};
use crate::spec::request::Request;
use alloc::vec;
use alloc::vec::Vec;
use burn::backend::ir::{BackendIr, CustomOpIr, HandleContainer};
use burn::backend::tensor::FloatTensor;
use burn::backend::{DispatchDevice, TensorMetadata};
use burn::server::RemoteServer;
use burn::tensor::{Device, TensorData};

/// Says what it knows, and whether it has sweeps.
fn hello<B: BackendIr, const SWEEPS: bool>(
    handles: &mut HandleContainer<B::Handle>,
    operation: &CustomOpIr,
    device: &B::Device,
) {
    let has_sweeps = f32::from(u8::from(SWEEPS && is_fast()));
    let answer: Vec<f32> = core::iter::once(has_sweeps).chain(fingerprint()).collect();
    let shape = [answer.len()];
    let answer = B::float_from_data(TensorData::new(answer, shape), device);
    handles.register_float_tensor::<B>(&operation.outputs[0].id, answer);
}

/// Runs a sweep. A client of this version asks for none that cannot be run. What another sends is not looked through, beyond what
/// ends its session by a panic: a server is for clients it trusts.
fn sweep<B: LossOps + BackendIr>(
    handles: &mut HandleContainer<B::Handle>,
    operation: &CustomOpIr,
    device: &B::Device,
) {
    let call = SweepCall::read(&operation.scalars).expect("a call of a sweep of this version");
    let mut read = Vec::new();
    for ir in &operation.inputs {
        read.push(Some(if ir.dtype.is_float() {
            AnyTensor::Float(handles.get_float_tensor::<B>(ir))
        } else if ir.dtype.is_bool() {
            AnyTensor::Bool(handles.get_bool_tensor::<B>(ir))
        } else {
            AnyTensor::Int(handles.get_int_tensor::<B>(ir))
        }));
    }
    let given = run::<B>(call, ReadInputs(read), device);
    assert_eq!(
        given.len(),
        operation.outputs.len(),
        "the tensors a client described"
    );
    for (ir, tensor) in operation.outputs.iter().zip(given) {
        let is_it = tensor.shape() == ir.shape && tensor.dtype() == ir.dtype;
        assert!(is_it, "{ir:?} was described, and is {:?}", tensor.shape());
        handles.register_float_tensor::<B>(&ir.id, tensor);
    }
}

/// The tensors of an operation. Each is given away, so that nobody shares what a gradient may take the place of.
struct ReadInputs<B: LossOps>(Vec<Option<AnyTensor<B>>>);

impl<B: LossOps> ReadInputs<B> {
    fn any(&mut self, at: u8) -> AnyTensor<B> {
        let tensor = self.0[usize::from(at)].take();
        tensor.expect("each tensor is read in one place")
    }

    fn float(&mut self, at: u8) -> FloatTensor<B> {
        match self.any(at) {
            AnyTensor::Float(tensor) => tensor,
            _ => panic!("tensor {at} is of floats"),
        }
    }

    fn inputs<const N: usize>(&mut self) -> [FloatTensor<B>; N] {
        core::array::from_fn(|at| self.float(at as u8))
    }

    fn request(&mut self, request: Request<u8>) -> Request<FloatTensor<B>> {
        request.map(|at| self.float(at))
    }
}

/// Does the same for each of some numbers of inputs.
macro_rules! of_inputs {
    ($inputs:expr; $($count:literal)* => |$name:ident| $run:block) => {
        match $inputs {
            $($count => {
                const $name: usize = $count;
                $run
            })*
            count => panic!("no loss that is sent has {count} inputs"),
        }
    };
}

/// Which of the inputs' gradients are wanted.
fn each<const N: usize>(gradients: Vec<bool>) -> [bool; N] {
    gradients.try_into().expect("one for each input")
}

/// What a call gives, in the order in which a client describes it.
fn run<B: LossOps>(
    call: SweepCall,
    mut read: ReadInputs<B>,
    device: &B::Device,
) -> Vec<FloatTensor<B>> {
    match call {
        SweepCall::Elements(call, request, gradients) => {
            let request = read.request(request);
            let call = call.map(|at| read.any(at));
            of_inputs!(gradients.len(); 1 2 3 4 => |N| {
                let inputs = read.inputs::<N>();
                given::<B, N>(B::elementwise(call, inputs, request, each(gradients)), device)
            })
        }
        SweepCall::Classes(call, request, gradient) => {
            let request = read.request(request);
            let call = call.map(|at| read.any(at));
            let [input] = read.inputs();
            given::<B, 1>(B::classes(call, input, request, gradient), device)
        }
        SweepCall::Rows(inputs, call) => of_inputs!(inputs; 1 2 3 => |N| {
            let (call, request, gradients): RowsCall<N> =
                postcard::from_bytes(&call).expect("a call of rows of this version");
            let request = read.request(request);
            let call = call.map(|at| read.any(at));
            given::<B, N>(B::rows(call, read.inputs(), request, each(gradients)), device)
        }),
        SweepCall::OverlapSums(call) => {
            let call = call.map(|at| read.any(at));
            let [input] = read.inputs();
            vec![B::overlap_sums(&call, input, false).sums]
        }
        SweepCall::OverlapGradient(call) => {
            let call = call.map(|at| read.any(at));
            let of_sums = read.float((read.0.len() - 1) as u8);
            let [input] = read.inputs();
            vec![B::overlap_gradient(&call, input, None, of_sums)]
        }
        SweepCall::Scaled => {
            let [gradient, number] = read.inputs();
            vec![B::scaled(gradient, &number)]
        }
    }
}

fn given<B: LossOps, const N: usize>(
    output: KernelOutput<FloatTensor<B>, N>,
    device: &B::Device,
) -> Vec<FloatTensor<B>> {
    let invalid = match output.invalid {
        Invalid::Known(invalid) => {
            let invalid = TensorData::from([f32::from(u8::from(invalid))]);
            B::float_from_data(invalid, device)
        }
        Invalid::OnDevice(rows) => rows,
    };
    let mut given = Vec::new();
    let output = KernelOutput {
        invalid: Invalid::OnDevice(invalid),
        ..output
    };
    output.map(|tensor| given.push(tensor));
    given
}

/// A server of devices, with sweeps where they are of a backend that has them.
pub(crate) fn of(devices: Vec<Device>) -> RemoteServer {
    let first = devices.first().cloned().map(Device::without_autodiff);
    let server = RemoteServer::new(devices);
    match first.as_ref().map(Device::as_dispatch) {
        #[cfg(feature = "flex")]
        Some(DispatchDevice::Flex(_)) => with_sweeps::<burn::backend::Flex>(server),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)] // Burn points ndarray's users to flex; both are served here.
        Some(DispatchDevice::NdArray(_)) => with_sweeps::<burn::backend::NdArray>(server),
        #[cfg(feature = "cube")]
        Some(DispatchDevice::Cube(_)) => {
            use burn::backend::Cube;
            server.with_custom_op::<Cube, _>(HELLO, hello::<Cube, false>)
        }
        #[allow(unreachable_patterns)] // Which backends exist is up to Burn's features.
        _ => {
            log::warn!(
                "burn-losses: a server of {first:?} has no sweeps, as the feature of burn-losses for its backend is off; the \
                 session of a client that asks for them ends"
            );
            server
        }
    }
}

fn with_sweeps<B: LossOps + BackendIr>(server: RemoteServer) -> RemoteServer {
    server
        .with_custom_op::<B, _>(HELLO, hello::<B, true>)
        .with_custom_op::<B, _>(SWEEP, sweep::<B>)
}
