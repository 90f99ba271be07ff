//! Losses of devices that another process serves, swept there.
//!
//! Burn's `RemoteServer` runs the tensor operations of its clients, and a loss is some dozens of them. A server of
//! `remote::server` (feature `remote-server`) has the sweeps of this crate too, so most losses with their gradients are 5 to
//! 9 messages:
//!
//! ```no_run
//! # #[cfg(feature = "remote-server")]
//! # fn serve() -> Result<(), burn::server::ServeError> {
//! use burn::tensor::Device;
//!
//! // The process that has the devices. Any transport of Burn's will do.
//! burn_losses::remote::server([Device::flex()]).serve(burn::server::IrohTransport::new(
//!     burn::server::IrohIdentity::load_or_create("server.key").expect("a file for its key"),
//! ))
//! # }
//! ```
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use burn::remote::{EndpointId, RemoteHost};
//! use burn::tensor::Device;
//!
//! // The process that trains.
//! # let id: EndpointId = "".parse()?;
//! let device = Device::remote_options(&RemoteHost::iroh(id)).init()?;
//! burn_losses::remote::use_sweeps(&device)?;
//! # Ok(())
//! # }
//! ```
//!
//! Without [`use_sweeps`] the losses are tensor operations, as on any device, and the server may be of any kind. The values
//! and gradients are the same to rounding. (With Burn's feature `fusion`, which GPU features of this crate turn on too, tensor
//! operations of several losses end the session in Burn 0.22.1; sweeps do not.)
//!
//! The sweeps are there for servers of Flex and ndarray. Losses of your own ([`custom`](crate::custom)) are sent as what
//! their closures said, so the server needs none of your code.

use crate::engine::ExecutionError;
use crate::engine::remote::catalog;
use crate::engine::remote::client::{Answer, ask};
#[cfg(feature = "remote-server")]
use crate::engine::remote::server;
use crate::losses::catalog::CATALOG;
use burn::tensor::Device;
use core::fmt::{Display, Formatter};

/// A server of devices that also has the sweeps of the losses.
///
/// The devices are of Flex or of ndarray, whose features of this crate are on: a server of another backend has no sweeps. It is
/// configured as any other `RemoteServer`, but for `with_custom_ops`, which would take the sweeps away again (`with_custom_op`
/// does not).
///
/// It trusts its clients: what they send is not looked through.
#[cfg(feature = "remote-server")]
pub fn server(devices: impl IntoIterator<Item = Device>) -> burn::server::RemoteServer {
    catalog::set(&CATALOG);
    server::of(devices.into_iter().collect())
}

/// Lets the losses of a device be swept by the process that serves it, from now on and for all of this process.
///
/// The server must be one that `remote::server` gave, of the same version of this crate. Call it before
/// there are tensors on the device: *a server without sweeps ends the session at the question for them, and with it what is
/// on the device.* (Burn has no way to ask what a server knows.)
///
/// # Errors
///
/// If the device is not remote, or its server has no sweeps or those of another version. Unless the session
/// [ended](SweepsError::Lost), the losses are computed as they were before.
pub fn use_sweeps(device: &Device) -> Result<(), SweepsError> {
    catalog::set(&CATALOG);
    match ask(device) {
        Answer::Swept => Ok(()),
        Answer::None => Err(SweepsError::NoSweeps),
        Answer::Other => Err(SweepsError::OtherVersion),
        Answer::Lost(error) => Err(SweepsError::Lost(error)),
        Answer::NotRemote => Err(SweepsError::NotRemote),
    }
}

/// Why a server's sweeps are not used.
#[derive(Debug)]
#[non_exhaustive]
pub enum SweepsError {
    /// The device is one of this process.
    NotRemote,
    /// The server computes by GPUs, or on a processor without the vectors that sweeps are written for.
    NoSweeps,
    /// The server has another version of this crate, or was compiled by another compiler.
    OtherVersion,
    /// The server did not answer: it is gone, or knows no sweeps. The device cannot be used any more.
    Lost(ExecutionError),
}

impl Display for SweepsError {
    fn fmt(&self, formatter: &mut Formatter) -> core::fmt::Result {
        match self {
            Self::NotRemote => write!(
                formatter,
                "the device is one of this process, whose losses need no server; `use_sweeps` is for those of \
                 `Device::remote_options`"
            ),
            Self::NoSweeps => write!(
                formatter,
                "the server has no sweeps: it computes by GPUs, or on a processor without the vectors that they are \
                 written for; the losses are tensor operations, as before"
            ),
            Self::OtherVersion => write!(
                formatter,
                "the server's burn-losses is not {}, or another compiler's; compile both from the same sources; until then \
                 the losses are tensor operations, as before",
                env!("CARGO_PKG_VERSION")
            ),
            Self::Lost(error) => write!(
                formatter,
                "the server does not answer ({error}): it is gone, or was not made by `burn_losses::remote::server`; \
                 connect again in a new process, without `use_sweeps` if it is another server"
            ),
        }
    }
}

impl core::error::Error for SweepsError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Lost(error) => Some(error),
            Self::NotRemote | Self::NoSweeps | Self::OtherVersion => None,
        }
    }
}
