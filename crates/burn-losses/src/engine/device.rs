//! What a device is, as far as that matters here.

use burn::backend::{DeviceId, DeviceOps, DispatchDeviceId};
use burn::tensor::Device;

/// Whether the device's tensors are in the memory of this process.
pub(crate) fn is_cpu(device: &Device) -> bool {
    kind(device) == Kind::Cpu
}

/// Whether a device computes by shaders of Vulkan, Metal or WebGPU. These know no exponential and no logarithm
/// in `F64`, even where they have that type; and a driver that is given one may take the device with it.
pub(crate) fn computes_by_shaders(device: &Device) -> bool {
    by_shaders(device.as_dispatch().id())
}

fn by_shaders(id: DeviceId) -> bool {
    const CUBE: u16 = DispatchDeviceId::Cube as u16;
    const METAL: u16 = 2;
    const WGPU: u16 = 3;
    id.type_id >> 8 == CUBE && matches!((id.type_id & 0xFF) >> 5, METAL | WGPU)
}

/// Whether Burn can add up tensors of such devices: of CubeCL's runtimes CUDA's can.
#[cfg(feature = "std")]
pub(crate) fn has_collectives(device: &Device) -> bool {
    collects(device.as_dispatch().id())
}

#[cfg(feature = "std")]
fn collects(id: DeviceId) -> bool {
    const CUBE: u16 = DispatchDeviceId::Cube as u16;
    const CUDA: u16 = 0;
    id.type_id >> 8 == CUBE && (id.type_id & 0xFF) >> 5 == CUDA
}

/// What kind of device it is, as far as that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Cpu,
    Capture,
    /// An accelerator, or a machine elsewhere: to read from it is to wait for it.
    Apart,
}

pub(crate) fn kind(device: &Device) -> Kind {
    kind_of(device.as_dispatch().id())
}

/// The kind of the device with that id.
///
/// Which variants a device's type has depends on Burn's features, which may be more than this crate was
/// compiled for. Its id does not: the upper byte says which backend, and the lower one which of the
/// devices or runtimes of that.
fn kind_of(id: DeviceId) -> Kind {
    const FLEX: u16 = DispatchDeviceId::Flex as u16;
    const NDARRAY: u16 = DispatchDeviceId::NdArray as u16;
    const LIBTORCH: u16 = DispatchDeviceId::LibTorch as u16;
    const CUBE: u16 = DispatchDeviceId::Cube as u16;
    const CAPTURE: u16 = DispatchDeviceId::Capture as u16;
    const CPU_OF_LIBTORCH: u16 = 2;
    const CPU_OF_CUBE: u16 = 4;
    let (backend, device) = (id.type_id >> 8, id.type_id & 0xFF);
    match (backend, device) {
        (FLEX | NDARRAY, _) | (LIBTORCH, CPU_OF_LIBTORCH) => Kind::Cpu,
        (CUBE, device) if device >> 5 == CPU_OF_CUBE => Kind::Cpu,
        (CAPTURE, _) => Kind::Capture,
        _ => Kind::Apart,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_a_cpu_whatever_runs_on_it() {
        let kind = |backend: DispatchDeviceId, device: u16| {
            kind_of(DeviceId::new(((backend as u16) << 8) | device, 0))
        };
        assert_eq!(kind(DispatchDeviceId::Flex, 0), Kind::Cpu);
        assert_eq!(kind(DispatchDeviceId::NdArray, 0), Kind::Cpu);
        assert_eq!(kind(DispatchDeviceId::Capture, 0), Kind::Capture);
        assert_eq!(kind(DispatchDeviceId::Remote, 0), Kind::Apart);
        // LibTorch's devices: CUDA, MPS, the CPU, Vulkan.
        let of_libtorch = [0, 1, 2, 3].map(|device| kind(DispatchDeviceId::LibTorch, device));
        let apart = Kind::Apart;
        assert_eq!(of_libtorch, [apart, apart, Kind::Cpu, apart]);
        // CubeCL's runtimes: CUDA, HIP, Metal, wgpu, the CPU; and any device type of each.
        for device in [0, 3, 31] {
            let of_cube = [0, 1, 2, 3, 4].map(|runtime| runtime << 5 | device);
            let of_cube = of_cube.map(|device| kind(DispatchDeviceId::Cube, device));
            assert_eq!(of_cube, [apart, apart, apart, apart, Kind::Cpu]);
        }
    }

    #[test]
    fn the_devices_of_this_build_are_what_they_are() {
        assert!(is_cpu(&Device::flex()) && is_cpu(&Device::flex().autodiff()));
        #[cfg(feature = "std")]
        assert!(!has_collectives(&Device::flex()));
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)] // Burn points ndarray's users to flex; both are served here.
        let ndarray = Device::ndarray();
        #[cfg(feature = "ndarray")]
        assert!(is_cpu(&ndarray));
        #[cfg(feature = "wgpu")]
        assert!(!is_cpu(&Device::wgpu(
            burn::tensor::DeviceKind::DefaultDevice
        )));
    }

    /// The numbers above are CubeCL's own.
    #[cfg(feature = "cube")]
    #[test]
    fn cubecl_numbers_its_runtimes_so() {
        use burn::backend::RuntimeId;
        for (runtime, is_cpu) in [
            (RuntimeId::Cuda, false),
            (RuntimeId::Hip, false),
            (RuntimeId::Metal, false),
            (RuntimeId::Wgpu, false),
            (RuntimeId::Cpu, true),
        ] {
            let found = kind_of(runtime.stamp(DeviceId::new(3, 1)));
            assert_eq!(found == Kind::Cpu, is_cpu, "{runtime:?}");
            let shaders = matches!(runtime, RuntimeId::Metal | RuntimeId::Wgpu);
            let id = DispatchDeviceId::Cube as u16;
            let stamped = runtime.stamp(DeviceId::new(3, 1));
            assert_eq!(stamped.type_id >> 8, id, "{runtime:?}");
            assert_eq!(by_shaders(stamped), shaders, "{runtime:?}");
            let is_cuda = matches!(runtime, RuntimeId::Cuda);
            assert_eq!(collects(stamped), is_cuda, "{runtime:?}");
        }
    }
}
