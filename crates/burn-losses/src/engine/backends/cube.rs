//! The GPUs: their operations are queued, and run when Burn's fusion gets to them.

use crate::engine::cube::families::{of_classes, of_elements, of_rows};
use crate::engine::cube::launch;
use crate::engine::cube::launch::{scaled, tensor_spec};
use crate::engine::elementwise::ElementwiseSpec;
#[cfg(feature = "std")]
use crate::engine::ops::OverlapOutput;
use crate::engine::ops::{AnyTensor, KernelOutput, LossOps, TensorSpec};
#[cfg(feature = "std")]
use crate::engine::overlap::OverlapSpec;
use crate::engine::rows::RowSpec;
use crate::engine::softmax::ClassSpec;
use crate::spec::request::Request;
use alloc::vec;
use alloc::vec::Vec;
use burn::backend::Cube;
use burn::backend::fusion::FusionTensor;
use burn::backend::fusion::client::GlobalFusionClient;
use burn::backend::fusion::custom::{
    CustomOpIr, HandleContainer, OperationFn, OperationIr, StreamId, TensorIr,
};
use burn::backend::tensor::FloatTensor;
#[cfg(feature = "std")]
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::fusion::{CubeFusionHandle, FusionCubeRuntime};
use burn_cubecl::tensor::CubeTensor;

type Lazy = FusionTensor<FusionCubeRuntime>;

/// A tensor of any kind, as an input of an operation to come.
enum LazyInput {
    Float(TensorIr),
    Int(TensorIr),
    Bool(TensorIr),
}

/// The tensors that an operation reads. What refers to them are their places in here.
#[derive(Default)]
struct LazyInputs {
    tensors: Vec<LazyInput>,
}

impl LazyInputs {
    fn float(&mut self, tensor: Lazy) -> usize {
        self.tensors.push(LazyInput::Float(tensor.into_ir()));
        self.tensors.len() - 1
    }

    fn any(&mut self, tensor: AnyTensor<Cube>) -> usize {
        self.tensors.push(match tensor {
            AnyTensor::Float(tensor) => LazyInput::Float(tensor.into_ir()),
            AnyTensor::Int(tensor) => LazyInput::Int(tensor.into_ir()),
            AnyTensor::Bool(tensor) => LazyInput::Bool(tensor.into_ir()),
        });
        self.tensors.len() - 1
    }
}

/// Queues an operation: `run` is given the tensors it reads and gives those that `outlines` describe.
fn queue(
    client: &GlobalFusionClient<FusionCubeRuntime>,
    name: &str,
    inputs: LazyInputs,
    outlines: Vec<TensorSpec>,
    run: impl Fn(Vec<CubeTensor>) -> Vec<CubeTensor> + Send + Sync + 'static,
) -> vec::IntoIter<Lazy> {
    let irs = inputs.tensors.iter().map(|input| match input {
        LazyInput::Float(ir) | LazyInput::Int(ir) | LazyInput::Bool(ir) => ir.clone(),
    });
    let irs = irs.collect();
    let outputs: Vec<TensorIr> = outlines
        .into_iter()
        .map(|tensor_spec| {
            TensorIr::uninit(
                client.create_empty_handle(),
                tensor_spec.shape,
                tensor_spec.dtype,
            )
        })
        .collect();
    let ids: Vec<_> = outputs.iter().map(|output| output.id).collect();
    let operation = OperationFn(move |handles: &mut HandleContainer<CubeFusionHandle>| {
        let tensors = inputs.tensors.iter().map(|input| match input {
            LazyInput::Float(ir) => handles.get_float_tensor::<CubeBackend>(ir),
            LazyInput::Int(ir) => handles.get_int_tensor::<CubeBackend>(ir),
            LazyInput::Bool(ir) => handles.get_bool_tensor::<CubeBackend>(ir),
        });
        let tensors = tensors.collect();
        for (id, tensor) in ids.iter().zip(run(tensors)) {
            handles.register_float_tensor::<CubeBackend>(id, tensor);
        }
        Ok(())
    });
    let description = CustomOpIr {
        id: name.into(),
        inputs: irs,
        outputs,
        scalars: Vec::new(),
    };
    let description = OperationIr::Custom(description);
    client
        .register(StreamId::current(), description, operation)
        .into_iter()
}

/// Queues a sweep: `run` is given the call, which refers to the tensors after the inputs by their places,
/// these tensors, and the inputs.
fn sweep<C: Clone + Send + Sync + 'static, const N: usize>(
    name: &str,
    call: impl FnOnce(&mut LazyInputs) -> C,
    run: impl Fn(C, Read<N>, Request<CubeTensor>) -> KernelOutput<CubeTensor, N> + Send + Sync + 'static,
    inputs: [Lazy; N],
    count: usize,
    request: Request<Lazy>,
    gradients: [bool; N],
) -> KernelOutput<Lazy, N> {
    let client = inputs[0].client.clone();
    let outlines = inputs.each_ref().map(|input| TensorSpec {
        shape: input.shape.clone(),
        dtype: input.dtype,
    });
    let tensor_spec = tensor_spec(outlines, count, &request, gradients);
    let mut places = LazyInputs::default();
    for input in inputs {
        places.float(input);
    }
    let call = call(&mut places);
    let request = request.map(|tensor| places.float(tensor));
    let mut outlines = Vec::new();
    let outputs = tensor_spec.map(|tensor_spec| outlines.push(tensor_spec));
    let mut tensors = queue(&client, name, places, outlines, move |tensors| {
        let mut tensors = tensors.into_iter();
        let read = Read {
            inputs: core::array::from_fn(|_| tensors.next().expect("the inputs come first")),
            rest: tensors.collect(),
            gradients,
        };
        let request = request.clone().map(|at| read.at(at));
        let mut swept = Vec::new();
        run(call.clone(), read, request).map(|tensor| swept.push(tensor));
        swept
    });
    outputs.map(|()| {
        let tensor = tensors.next();
        tensor.expect("as many tensors come out as were described")
    })
}

/// What a sweep reads.
struct Read<const N: usize> {
    inputs: [CubeTensor; N],
    rest: Vec<CubeTensor>,
    /// Which of the inputs' gradients are wanted.
    gradients: [bool; N],
}

impl<const N: usize> Read<N> {
    fn at(&self, place: usize) -> CubeTensor {
        self.rest[place - N].clone()
    }
}

/// Queues a sweep over overlaps, that reads one more tensor or none.
#[cfg(feature = "std")]
fn overlap(
    call: &OverlapSpec<AnyTensor<Cube>>,
    input: Lazy,
    other: Option<Lazy>,
    output: TensorSpec,
    run: impl Fn(OverlapSpec<CubeTensor>, CubeTensor, Option<CubeTensor>) -> CubeTensor
    + Send
    + Sync
    + 'static,
) -> Lazy {
    let client = input.client.clone();
    let mut places = LazyInputs::default();
    places.float(input);
    let call = call.clone().map(|tensor| places.any(tensor));
    let other = other.map(|tensor| places.float(tensor));
    let mut outputs = queue(
        &client,
        "burn_losses_overlap",
        places,
        vec![output],
        move |mut tensors| {
            let call = call.clone().map(|at| tensors[at].clone());
            let other = other.map(|at| tensors[at].clone());
            // The input is given away: its gradient may take its place.
            let input = tensors.swap_remove(0);
            drop(tensors);
            vec![run(call, input, other)]
        },
    );
    outputs.next().expect("one tensor was described")
}

impl LossOps for Cube {
    fn elementwise<const N: usize>(
        call: ElementwiseSpec<AnyTensor<Self>>,
        inputs: [FloatTensor<Self>; N],
        request: Request<FloatTensor<Self>>,
        gradients: [bool; N],
    ) -> KernelOutput<FloatTensor<Self>, N> {
        let count = inputs[0].shape.num_elements();
        sweep(
            "burn_losses_elements",
            |places| call.map(|tensor| places.any(tensor)),
            |call, read, request| {
                let call = call.map(|at| read.at(at));
                launch::elements::elements(of_elements(call, read.inputs), request, read.gradients)
            },
            inputs,
            count,
            request,
            gradients,
        )
    }

    fn classes(
        call: ClassSpec<AnyTensor<Self>>,
        input: FloatTensor<Self>,
        request: Request<FloatTensor<Self>>,
        gradient: bool,
    ) -> KernelOutput<FloatTensor<Self>, 1> {
        let axis = call.axis;
        let count = input.shape.num_elements() / input.shape[axis];
        sweep(
            "burn_losses_classes",
            |places| call.map(|tensor| places.any(tensor)),
            |call, read, request| {
                let call = call.map(|at| read.at(at));
                let [input] = read.inputs;
                launch::rows::rows(of_classes(call, input), request, read.gradients)
            },
            [input],
            count,
            request,
            [gradient],
        )
    }

    fn rows<const N: usize>(
        call: RowSpec<AnyTensor<Self>, N>,
        inputs: [FloatTensor<Self>; N],
        request: Request<FloatTensor<Self>>,
        gradients: [bool; N],
    ) -> KernelOutput<FloatTensor<Self>, N> {
        let shape = &inputs[0].shape;
        let count = shape.num_elements() / shape[call.axis];
        sweep(
            "burn_losses_rows",
            |places| call.map(|tensor| places.any(tensor)),
            |call, read, request| {
                let call = call.map(|at| read.at(at));
                of_rows(call, read.inputs, request, read.gradients)
            },
            inputs,
            count,
            request,
            gradients,
        )
    }

    #[cfg(feature = "std")]
    fn overlap_sums(
        call: &OverlapSpec<AnyTensor<Self>>,
        input: FloatTensor<Self>,
        _: bool,
    ) -> OverlapOutput<FloatTensor<Self>> {
        let classes = input.shape[call.axis];
        let sums = TensorSpec {
            shape: Shape::new([call.sums(), call.samples, classes]),
            dtype: DType::F32,
        };
        let run = |call, input, _| launch::overlap::overlap_sums(call, input);
        OverlapOutput {
            sums: overlap(call, input, None, sums, run),
            kept: None,
            invalid: false,
        }
    }

    #[cfg(feature = "std")]
    fn overlap_gradient(
        call: &OverlapSpec<AnyTensor<Self>>,
        input: FloatTensor<Self>,
        _: Option<FloatTensor<Self>>,
        of_sums: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let gradient = TensorSpec {
            shape: input.shape.clone(),
            dtype: DType::F32,
        };
        overlap(
            call,
            input,
            Some(of_sums),
            gradient,
            |call, input, of_sums| {
                let of_sums = of_sums.expect("it was given");
                launch::overlap::overlap_gradient(call, input, of_sums)
            },
        )
    }

    fn scaled(gradient: FloatTensor<Self>, upstream: &FloatTensor<Self>) -> FloatTensor<Self> {
        let client = gradient.client.clone();
        let tensor_spec = TensorSpec {
            shape: gradient.shape.clone(),
            dtype: gradient.dtype,
        };
        let mut places = LazyInputs::default();
        places.float(gradient);
        places.float(upstream.clone());
        let mut outputs = queue(
            &client,
            "burn_losses_scale",
            places,
            vec![tensor_spec],
            |tensors| {
                let Ok([gradient, upstream]) = <[_; 2]>::try_from(tensors) else {
                    unreachable!("two tensors are read")
                };
                vec![scaled(gradient, upstream)]
            },
        );
        outputs.next().expect("one tensor was described")
    }
}
