//! The side of a client: sweeps of tensors that a server has.

use super::call::{HELLO, SWEEP, SweepCall, computed, fingerprint};
use crate::engine::elementwise::ElementwiseSpec;
use crate::engine::ops::{AnyTensor, KernelOutput, LossOps, OverlapOutput, TensorSpec};
use crate::engine::overlap::OverlapSpec;
use crate::engine::rows::RowSpec;
use crate::engine::softmax::ClassSpec;
use crate::spec::request::Request;
use alloc::vec;
use alloc::vec::Vec;
use burn::backend::ir::{CustomOpIr, ScalarIr, TensorIr};
use burn::backend::tensor::FloatTensor;
use burn::backend::{DeviceId, DeviceOps, DispatchDevice, Remote, TensorMetadata};
use burn::remote::CustomOpClient;
use burn::tensor::{DType, Device, ExecutionError, Shape, Tensor};
use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

type RemoteDevice = <FloatTensor<Remote> as TensorMetadata>::Device;

/// The devices whose servers have sweeps.
static SWEPT: RwLock<BTreeSet<(u16, u16)>> = RwLock::new(BTreeSet::new());

fn key(id: DeviceId) -> (u16, u16) {
    (id.type_id, id.index_id)
}

/// Whether the server of the device was found to have sweeps.
pub(crate) fn is_swept(device: &Device) -> bool {
    let swept = SWEPT.read().unwrap_or_else(PoisonError::into_inner);
    !swept.is_empty() && swept.contains(&key(device.clone().without_autodiff().as_dispatch().id()))
}

/// What a server answered to the question for its sweeps.
pub(crate) enum Answer {
    /// Its sweeps are used from now on.
    Swept,
    /// It has no sweeps.
    None,
    Other,
    Lost(ExecutionError),
    NotRemote,
}

/// Asks the server of a device for its sweeps, and uses them from now on if they are those of this version.
pub(crate) fn ask(device: &Device) -> Answer {
    let device = device.clone().without_autodiff();
    let DispatchDevice::Remote(remote) = device.as_dispatch() else {
        return Answer::NotRemote;
    };
    let expected = fingerprint();
    let answer = TensorSpec {
        shape: Shape::new([expected.len() + 1]),
        dtype: DType::F32,
    };
    let mut answer = send(remote, HELLO, Vec::new(), Vec::new(), vec![answer]);
    let answer = answer.next().expect("one tensor was described");
    let answer = Tensor::<1>::from_primitive::<Remote>(answer).try_into_data();
    let numbers: Vec<f32> = match answer {
        Ok(answer) => answer.iter().collect(),
        Err(error) => return Answer::Lost(error),
    };
    match numbers[..] {
        [has_sweeps, ref found @ ..] if found == expected => {
            if has_sweeps == 0.0 {
                return Answer::None;
            }
            let mut swept = SWEPT.write().unwrap_or_else(PoisonError::into_inner);
            swept.insert(key(device.as_dispatch().id()));
            Answer::Swept
        }
        _ => Answer::Other,
    }
}

/// Sends an operation, which reads tensors and gives those that are described.
fn send(
    device: &RemoteDevice,
    name: &str,
    inputs: Vec<TensorIr>,
    scalars: Vec<ScalarIr>,
    specs: Vec<TensorSpec>,
) -> vec::IntoIter<FloatTensor<Remote>> {
    let client = CustomOpClient::new(device);
    let outputs = specs
        .into_iter()
        .map(|spec| TensorIr::uninit(client.create_empty_handle(), spec.shape, spec.dtype))
        .collect();
    let operation = CustomOpIr {
        id: name.into(),
        inputs,
        outputs,
        scalars,
    };
    client.register(operation).into_iter()
}

/// The tensors that an operation reads. What refers to them are their places in here.
#[derive(Default)]
struct SentInputs(Vec<TensorIr>);

impl SentInputs {
    fn float(&mut self, tensor: FloatTensor<Remote>) -> u8 {
        self.any(AnyTensor::Float(tensor))
    }

    fn any(&mut self, tensor: AnyTensor<Remote>) -> u8 {
        self.0.push(match tensor {
            AnyTensor::Float(tensor) | AnyTensor::Int(tensor) | AnyTensor::Bool(tensor) => {
                tensor.into_ir()
            }
        });
        u8::try_from(self.0.len() - 1).expect("a sweep reads few tensors")
    }
}

/// Sends a sweep of so many losses: `call` refers to the tensors after the inputs by their places.
fn sweep<const N: usize>(
    inputs: [FloatTensor<Remote>; N],
    count: usize,
    request: Request<FloatTensor<Remote>>,
    gradients: [bool; N],
    call: impl FnOnce(&mut SentInputs, Request<u8>) -> SweepCall,
) -> KernelOutput<FloatTensor<Remote>, N> {
    let device = inputs[0].device();
    let dtype = computed(inputs[0].dtype());
    let shapes = inputs.each_ref().map(|input| input.shape());
    let output = KernelOutput::to_come(shapes, count, &request, gradients, [dtype; 2]);
    let mut specs = Vec::new();
    let output = output.map(|spec| specs.push(spec));
    let mut sent = SentInputs::default();
    for input in inputs {
        sent.float(input);
    }
    let request = request.map(|tensor| sent.float(tensor));
    let call = call(&mut sent, request);
    let mut tensors = send(&device, SWEEP, sent.0, call.scalars(), specs);
    output.map(|()| {
        let tensor = tensors.next();
        tensor.expect("as many tensors come out as were described")
    })
}

/// Sends a sweep that gives one tensor.
fn one(
    device: &RemoteDevice,
    sent: SentInputs,
    call: &SweepCall,
    spec: TensorSpec,
) -> FloatTensor<Remote> {
    let mut tensors = send(device, SWEEP, sent.0, call.scalars(), vec![spec]);
    tensors.next().expect("one tensor was described")
}

impl LossOps for Remote {
    fn elementwise<const N: usize>(
        call: ElementwiseSpec<AnyTensor<Self>>,
        inputs: [FloatTensor<Self>; N],
        request: Request<FloatTensor<Self>>,
        gradients: [bool; N],
    ) -> KernelOutput<FloatTensor<Self>, N> {
        let count = inputs[0].shape().num_elements();
        sweep(inputs, count, request, gradients, |sent, request| {
            let call = call.map(|tensor| sent.any(tensor));
            SweepCall::Elements(call, request, gradients.to_vec())
        })
    }

    fn classes(
        call: ClassSpec<AnyTensor<Self>>,
        input: FloatTensor<Self>,
        request: Request<FloatTensor<Self>>,
        gradient: bool,
    ) -> KernelOutput<FloatTensor<Self>, 1> {
        let shape = input.shape();
        let count = shape.num_elements() / shape[call.axis];
        sweep([input], count, request, [gradient], |sent, request| {
            let call = call.map(|tensor| sent.any(tensor));
            SweepCall::Classes(call, request, gradient)
        })
    }

    fn rows<const N: usize>(
        call: RowSpec<AnyTensor<Self>, N>,
        inputs: [FloatTensor<Self>; N],
        request: Request<FloatTensor<Self>>,
        gradients: [bool; N],
    ) -> KernelOutput<FloatTensor<Self>, N> {
        let shape = inputs[0].shape();
        let count = shape.num_elements() / shape[call.axis];
        sweep(inputs, count, request, gradients, |sent, request| {
            let call = call.map(|tensor| sent.any(tensor));
            SweepCall::rows((call, request, gradients.to_vec()))
        })
    }

    fn overlap_sums(
        call: &OverlapSpec<AnyTensor<Self>>,
        input: FloatTensor<Self>,
        _: bool,
    ) -> OverlapOutput<FloatTensor<Self>> {
        let (device, classes) = (input.device(), input.shape()[call.axis]);
        let spec = TensorSpec {
            shape: Shape::new([call.sums(), call.samples, classes]),
            dtype: computed(input.dtype()),
        };
        let mut sent = SentInputs::default();
        sent.float(input);
        let call = call.clone().map(|tensor| sent.any(tensor));
        OverlapOutput {
            sums: one(&device, sent, &SweepCall::OverlapSums(call), spec),
            kept: None,
            invalid: false,
        }
    }

    fn overlap_gradient(
        call: &OverlapSpec<AnyTensor<Self>>,
        input: FloatTensor<Self>,
        _: Option<FloatTensor<Self>>,
        of_sums: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let device = input.device();
        let spec = TensorSpec {
            shape: input.shape(),
            dtype: computed(input.dtype()),
        };
        let mut sent = SentInputs::default();
        sent.float(input);
        let call = call.clone().map(|tensor| sent.any(tensor));
        sent.float(of_sums);
        one(&device, sent, &SweepCall::OverlapGradient(call), spec)
    }

    fn scaled(gradient: FloatTensor<Self>, number: &FloatTensor<Self>) -> FloatTensor<Self> {
        let device = gradient.device();
        let spec = TensorSpec {
            shape: gradient.shape(),
            dtype: gradient.dtype(),
        };
        let mut sent = SentInputs::default();
        sent.float(gradient);
        sent.float(number.clone());
        one(&device, sent, &SweepCall::Scaled, spec)
    }
}
