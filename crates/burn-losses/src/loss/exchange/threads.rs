//! The exchange of threads.

use super::meeting::Meeting;
use super::{Exchange, ExchangeError, PATIENCE, same_for_all};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::{DType, Element, Tensor, TensorData};
use core::ops::AddAssign;
use core::time::Duration;

/// The exchange of threads of one process: each thread has one.
///
/// What is exchanged goes through the memory of the process, so the devices may be any, and of several kinds. A thread that
/// panics, or ends before the others, is an error on these at once; one that does not come is after 60 seconds, or the time
/// given to [`group_with_timeout`](Self::group_with_timeout). The group is then at an end: each further call of any of its
/// threads is an error.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::distributed::{Exchange, ThreadRank};
///
/// let running: Vec<_> = ThreadRank::group(3)
///     .into_iter()
///     .map(|rank| {
///         std::thread::spawn(move || {
///             let own = Tensor::<1>::from_data([rank.rank() as f32, 1.0], &Device::flex());
///             rank.sum(own).unwrap().into_data().iter::<f32>().collect::<Vec<_>>()
///         })
///     })
///     .collect();
/// for rank in running {
///     assert_eq!(rank.join().unwrap(), [0.0 + 1.0 + 2.0, 3.0]);
/// }
/// ```
#[derive(Debug)]
pub struct ThreadRank {
    rank: usize,
    ranks: usize,
    meeting: Arc<Meeting<Result<TensorData, String>>>,
}

impl ThreadRank {
    /// The exchanges of so many threads, by rank.
    pub fn group(ranks: usize) -> Vec<Self> {
        Self::group_with_timeout(ranks, PATIENCE)
    }

    /// As [`group`](Self::group), of threads that wait so long for each other.
    pub fn group_with_timeout(ranks: usize, timeout: Duration) -> Vec<Self> {
        let meeting = Arc::new(Meeting::new(ranks, timeout));
        let of_rank = |rank| Self {
            rank,
            ranks,
            meeting: meeting.clone(),
        };
        (0..ranks).map(of_rank).collect()
    }
}

impl Exchange for ThreadRank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn sum(&self, tensor: Tensor<1>) -> Result<Tensor<1>, ExchangeError> {
        let device = tensor.device();
        let own = tensor.try_into_data().map_err(|error| {
            format!(
                "rank {} could not read its own numbers: {error:?}",
                self.rank
            )
        });
        // Also where there is none: the others are not to wait for it.
        let all = self.meeting.meet(self.rank, own)?;
        let parts: Result<Vec<&TensorData>, String> = all
            .iter()
            .map(|part| part.as_ref().map_err(String::clone))
            .collect();
        let sum = added(&parts?)?;
        let dtype = sum.dtype();
        Ok(Tensor::from_data(sum, (&device, dtype)))
    }
}

/// A thread that panics drops it too.
impl Drop for ThreadRank {
    fn drop(&mut self) {
        self.meeting.leave(self.rank);
    }
}

/// The sum of numbers of one length and type, in their order.
fn added(parts: &[&TensorData]) -> Result<TensorData, String> {
    let kinds: Vec<(usize, DType)> = parts
        .iter()
        .map(|part| (part.num_elements(), part.dtype()))
        .collect();
    same_for_all(&kinds)?;
    match parts[0].dtype() {
        DType::F64 => added_in::<f64>(parts),
        DType::F32 => added_in::<f32>(parts),
        other => Err(format!(
            "the numbers are {other:?}, but only F32 and F64 are added up"
        )),
    }
}

fn added_in<E: Element + AddAssign>(parts: &[&TensorData]) -> Result<TensorData, String> {
    let read = |part: &TensorData| -> Result<Vec<E>, String> {
        let numbers = part.as_slice::<E>().map_err(|error| format!("{error:?}"))?;
        Ok(numbers.to_vec())
    };
    let mut sum = read(parts[0])?;
    for &part in &parts[1..] {
        for (sum, number) in sum.iter_mut().zip(read(part)?) {
            *sum += number;
        }
    }
    let length = sum.len();
    Ok(TensorData::new(sum, [length]))
}
