//! The exchange of CUDA devices.

use super::meeting::Meeting;
use super::{Exchange, ExchangeError, PATIENCE, same_for_all};
use crate::engine::device::has_collectives;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::distributed::{ReduceOperation, all_reduce};
use burn::tensor::{DType, Device, Tensor};
use core::time::Duration;

/// The exchange of threads of one process that have a CUDA device each, by Burn's `all_reduce` over NCCL: what is exchanged
/// does not leave the devices. No other backend of Burn has collectives; for any other there is
/// [`ThreadRank`](crate::distributed::ThreadRank).
///
/// A collective that a device does not take part in never ends. So the threads meet before each one, and a thread that has
/// panicked, has ended, or does not come within 60 seconds is an error on the others, as of a `ThreadRank`. A device that
/// fails in the middle of a collective is beyond that: NCCL has no limit of its own.
///
/// It is a thin layer over `all_reduce` that has been compiled, and not been run on several devices.
#[derive(Debug)]
pub struct CollectiveRank {
    rank: usize,
    devices: Arc<Vec<Device>>,
    /// What a rank is about to add up: how many numbers of which type, and whether they are on its device.
    meeting: Arc<Meeting<((usize, DType), bool)>>,
}

impl CollectiveRank {
    /// The exchanges of the threads that have these devices, by rank.
    ///
    /// # Errors
    ///
    /// Where a device is not one of CUDA, or is there twice.
    pub fn group(devices: Vec<Device>) -> Result<Vec<Self>, ExchangeError> {
        Self::group_with_timeout(devices, PATIENCE)
    }

    /// As [`group`](Self::group), of threads that wait so long for each other.
    ///
    /// # Errors
    ///
    /// As [`group`](Self::group).
    pub fn group_with_timeout(
        devices: Vec<Device>,
        timeout: Duration,
    ) -> Result<Vec<Self>, ExchangeError> {
        let devices: Vec<Device> = devices.into_iter().map(Device::without_autodiff).collect();
        for (rank, device) in devices.iter().enumerate() {
            if !has_collectives(device) {
                return Err(format!(
                    "{device:?} is no CUDA device, and Burn adds up tensors of these alone: ThreadRank is for any"
                )
                .into());
            }
            if devices[..rank].contains(device) {
                return Err(format!("{device:?} is there twice: each rank needs its own").into());
            }
        }
        let ranks = devices.len();
        let devices = Arc::new(devices);
        let meeting = Arc::new(Meeting::new(ranks, timeout));
        let of_rank = |rank| Self {
            rank,
            devices: devices.clone(),
            meeting: meeting.clone(),
        };
        Ok((0..ranks).map(of_rank).collect())
    }
}

impl Exchange for CollectiveRank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.devices.len()
    }

    fn sum(&self, tensor: Tensor<1>) -> Result<Tensor<1>, ExchangeError> {
        let at_home = tensor.device() == self.devices[self.rank];
        let own = ((tensor.dims()[0], tensor.dtype()), at_home);
        // All ranks see the same, so that none begins what another does not.
        let all = self.meeting.meet(self.rank, own)?;
        if let Some(rank) = all.iter().position(|(_, at_home)| !at_home) {
            let device = &self.devices[rank];
            return Err(format!("the tensor of rank {rank} is not on its {device:?}").into());
        }
        let kinds: Vec<(usize, DType)> = all.iter().map(|(kind, _)| *kind).collect();
        same_for_all(&kinds)?;
        let devices = self.devices.to_vec();
        Ok(all_reduce(tensor, ReduceOperation::Sum, devices).resolve())
    }
}

/// A thread that panics drops it too.
impl Drop for CollectiveRank {
    fn drop(&mut self) {
        self.meeting.leave(self.rank);
    }
}
