//! What ranks exchange, and how.

mod collective;
mod meeting;
mod threads;

pub use collective::CollectiveRank;
pub use threads::ThreadRank;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use burn::tensor::{DType, Tensor};
use core::error::Error;
use core::fmt::{Debug, Formatter, Result as FmtResult};
use core::time::Duration;

/// What went wrong in an exchange: any error, so that `?` makes one of it, or a text, by `.into()`.
pub type ExchangeError = Box<dyn Error + Send + Sync>;

/// How ranks that each have a part of something come to know the whole: by a sum of what each has.
///
/// A rank is a thread with a device of its own, or a process, perhaps on another machine. [`ThreadRank`] is the exchange of
/// threads, [`CollectiveRank`] that of CUDA devices, and the [module](crate::distributed) has one over TCP. What an
/// implementation owes:
///
/// * **The same bits on all ranks**, so it adds up in the order of the ranks, or once for all of them. The losses fill in
///   zeros for what other ranks have, so each of their sums is exact in any order, and numbers that are infinite or NaN
///   come out as they went in.
/// * **An end.** A rank that is dead, or never comes, is an error on the others after a time that is bounded: nothing waits
///   for ever. After such an error the ranks are no longer in step, and every call should give an error.
/// * An error where the tensors of the ranks differ in length.
pub trait Exchange {
    /// Which of the ranks this is, from 0 on.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn ranks(&self) -> usize;

    /// The sum of the tensors of all ranks, which each call this with one of the same length and type: on the device and of
    /// the type of this rank's own. The tensor is not tracked by autodiff.
    ///
    /// # Errors
    ///
    /// What kept the ranks from it.
    fn sum(&self, tensor: Tensor<1>) -> Result<Tensor<1>, ExchangeError>;
}

/// The classes that this rank has the logits of, and how it meets the ranks that have the others.
///
/// The ranks have one part after the other: rank 0 begins with class 0, each other one where the rank before it ends, and the
/// last one has the last class. The parts may be of any sizes, but none is empty.
#[derive(Clone, Copy)]
pub struct Shard<'a> {
    /// The first of the classes of this rank. How many it has is the length of its logits along the class axis.
    pub start: usize,
    /// How many classes all ranks have together.
    pub classes: usize,
    /// How the ranks exchange what each has.
    pub exchange: &'a dyn Exchange,
}

impl Debug for Shard<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> FmtResult {
        formatter
            .debug_struct("Shard")
            .field("start", &self.start)
            .field("classes", &self.classes)
            .field("rank", &self.exchange.rank())
            .field("ranks", &self.exchange.ranks())
            .finish()
    }
}

/// How long a rank waits for the others, unless it is told.
const PATIENCE: Duration = Duration::from_secs(60);

/// Each rank has as many numbers as the others, of the same type.
fn same_for_all(kinds: &[(usize, DType)]) -> Result<(), String> {
    let Some(rank) = kinds.iter().position(|kind| *kind != kinds[0]) else {
        return Ok(());
    };
    let shown = |(length, dtype): (usize, DType)| format!("{length} numbers of {dtype:?}");
    Err(format!(
        "rank 0 brought {} and rank {rank} {}: these are not of the same call, or of batches of different sizes",
        shown(kinds[0]),
        shown(kinds[rank])
    ))
}
