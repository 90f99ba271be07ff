//! Over pixels.

use super::{Destinations, LaunchContext, TensorSpec, address, buffer, elem, number};
use crate::engine::cube::kernel_key::KernelKey;
use crate::engine::cube::overlap::{
    OverlapDefinition, OverlapPlan, PIXELS, PixelLayoutLaunch, overlap_gradient_kernel,
    overlap_kernel, overlap_total_kernel,
};
use crate::engine::cube::samples::Samples;
use crate::engine::cube::sums::UNITS;
use crate::engine::cube::traced::NonFiniteLaunch;
use crate::engine::overlap::{Beside, OverlapSpec};
use crate::engine::shape::layers;
use crate::spec::overlap::OverlapTarget;
use alloc::vec::Vec;
use burn::backend::TensorMetadata;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::{cast, into_contiguous};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::CubeDim;

/// What kernels over pixels read, and how.
struct PixelLaunch {
    place: LaunchContext,
    input: CubeTensor,
    ids: Option<CubeTensor>,
    masks: Option<CubeTensor>,
    plan: OverlapPlan,
    parameters: Vec<f64>,
    layers: [usize; 3],
    samples: usize,
    kinds: usize,
}

impl PixelLaunch {
    fn new(call: OverlapSpec<CubeTensor>, input: CubeTensor) -> Self {
        let layers = layers(&input.shape(), call.axis);
        let kinds = call.sums();
        let (ids, masks, ignored) = match call.target {
            OverlapTarget::Ids(ids, ignored) => (Some(into_contiguous(ids)), None, ignored),
            OverlapTarget::Masks(masks, ignored) => {
                let masks = match masks.dtype {
                    DType::F32 | DType::F16 | DType::BF16 | DType::Bool(_) => number(masks),
                    _ => into_contiguous(cast(masks, DType::F32)),
                };
                (None, Some(masks), ignored)
            }
        };
        let parameters = match &call.beside {
            Some(Beside::OfClass(head)) => head.kernel_parameters().to_vec(),
            _ => Vec::new(),
        };
        let samples = match &ids {
            Some(ids) => Samples::of_ids(ids.dtype, layers[1], ignored.clone()),
            None => Samples::without_ids(),
        };
        Self {
            place: LaunchContext::from(&input),
            input: into_contiguous(input),
            plan: OverlapPlan {
                of_pixel: KernelKey::of_overlap(OverlapDefinition {
                    activation: call.activation,
                    overlap: call.overlap,
                    beside: call.beside,
                    of_ids: ids.is_some(),
                    ignored: if ids.is_some() { Vec::new() } else { ignored },
                    limit: f32::MAX.into(),
                }),
                samples,
            },
            ids,
            masks,
            parameters,
            layers,
            samples: call.samples,
            kinds,
        }
    }

    /// How many workgroups a sample has, of which each has so many pixels.
    fn groups(&self, pixels: usize) -> usize {
        self.pixels().div_ceil(pixels)
    }

    fn pixels(&self) -> usize {
        let [outer, _, inner] = self.layers;
        outer * inner / self.samples
    }

    fn layout(&self, groups: usize) -> PixelLayoutLaunch {
        let [_, classes, inner] = self.layers;
        PixelLayoutLaunch::new(classes, inner, self.samples, self.pixels(), groups)
    }

    fn special(&self) -> NonFiniteLaunch {
        NonFiniteLaunch::given(&self.parameters)
    }

    fn dtypes(&self) -> [ElemType; 3] {
        let of = |tensor: &Option<CubeTensor>, other| {
            elem(tensor.as_ref().map_or(other, |tensor| tensor.dtype))
        };
        [
            elem(self.input.dtype),
            of(&self.ids, DType::I32),
            of(&self.masks, DType::F32),
        ]
    }

    fn tensors(&self) -> impl Iterator<Item = &CubeTensor> {
        [&self.input]
            .into_iter()
            .chain(&self.ids)
            .chain(&self.masks)
    }
}

/// The sums `[sum, sample, class]`; NaN where a value of a sample broke a rule.
pub(crate) fn overlap_sums(call: OverlapSpec<CubeTensor>, input: CubeTensor) -> CubeTensor {
    let launch = PixelLaunch::new(call, input);
    let (place, kinds, classes) = (&launch.place, launch.kinds, launch.layers[1]);
    let of_sample = launch.groups(PIXELS);
    let groups = launch.samples * of_sample;
    let partials = place.numbers(groups * (kinds * classes + 1));
    let sums = place.empty(TensorSpec {
        shape: Shape::new([kinds, launch.samples, classes]),
        dtype: DType::F32,
    });
    overlap_kernel::launch(
        &place.client,
        place.groups(groups).0,
        CubeDim::new_1d(UNITS),
        address(launch.tensors().chain([&partials])),
        buffer(&launch.input),
        launch.ids.as_ref().map(buffer).into(),
        launch.masks.as_ref().map(buffer).into(),
        buffer(&partials),
        launch.layout(of_sample),
        launch.special(),
        launch.plan.clone(),
        launch.dtypes(),
    );
    let count = sums.shape().num_elements();
    overlap_total_kernel::launch(
        &place.client,
        place.groups(count).0,
        CubeDim::new_1d(UNITS),
        address([&partials, &sums]),
        buffer(&partials),
        buffer(&sums),
        launch.layout(of_sample),
        kinds,
    );
    sums
}

/// The gradient of the input, from the derivatives with respect to the sums.
pub(crate) fn overlap_gradient(
    call: OverlapSpec<CubeTensor>,
    input: CubeTensor,
    of_sums: CubeTensor,
) -> CubeTensor {
    let launch = PixelLaunch::new(call, input);
    let place = &launch.place;
    let of_sample = launch.groups(UNITS as usize);
    let count = launch.input.shape().num_elements();
    let gradient = TensorSpec {
        shape: launch.input.shape(),
        dtype: DType::F32,
    };
    let inputs = core::array::from_ref(&launch.input);
    let targets = Destinations::new(place, inputs, [Some(gradient)]);
    let [target, ..] = targets.arguments(count);
    let of_sums = into_contiguous(of_sums);
    overlap_gradient_kernel::launch(
        &place.client,
        place.groups(launch.samples * of_sample).0,
        CubeDim::new_1d(UNITS),
        address(launch.tensors().chain(targets.new_tensors())),
        buffer(&launch.input),
        launch.ids.as_ref().map(buffer).into(),
        launch.masks.as_ref().map(buffer).into(),
        buffer(&of_sums),
        target.expect("it is wanted"),
        launch.layout(of_sample),
        launch.special(),
        launch.plan.clone(),
        launch.dtypes(),
    );
    let [gradient] = targets.tensors([launch.input]);
    gradient.expect("it is wanted")
}
