//! The choice of the backend, which is the choice of the device the tensors live on.

use burn::tensor::Device;
use clap::ValueEnum;

use crate::Error;

/// A backend to compute on.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Backend {
    /// The processor, with Burn's own kernels
    Flex,
    /// The processor, with the ndarray crate; needs a build with `--features ndarray`
    Ndarray,
    /// The graphics card; needs a build with `--features wgpu`
    Wgpu,
}

impl Backend {
    /// The device of this backend, if the program was built for it and the machine has one. It is to
    /// be asked for once in a program: a graphics card is set up only once.
    pub fn device(self) -> Result<Device, Error> {
        #[cfg(not(all(feature = "ndarray", feature = "wgpu")))]
        let without = |name: &str| {
            let message = "this program was built without the backend";
            Err(format!("{message} {name}: rebuild it with `--features {name}`").into())
        };
        match self {
            Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "ndarray")]
            #[allow(deprecated, reason = "ndarray is on offer for as long as Burn has it")]
            Self::Ndarray => Ok(Device::ndarray()),
            #[cfg(not(feature = "ndarray"))]
            Self::Ndarray => without("ndarray"),
            // Unlike `Device::wgpu`, the options report a machine without a graphics card here,
            // as an error, and not in the first computation, as a panic.
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu_options().init()?),
            #[cfg(not(feature = "wgpu"))]
            Self::Wgpu => without("wgpu"),
        }
    }
}
