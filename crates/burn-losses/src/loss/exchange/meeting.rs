//! Where the threads of a process meet.

use super::ExchangeError;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A barrier at which each rank leaves something for all, again and again.
///
/// Rounds cannot mix: one is complete when every rank has come to it, and a rank comes to the next one with what it took from
/// the last in its hands: another thread of it is turned away until then. So what all brought is kept for the last round alone.
#[derive(Debug)]
pub(super) struct Meeting<T> {
    round: Mutex<MeetingRound<T>>,
    is_complete: Condvar,
    patience: Duration,
}

#[derive(Debug)]
struct MeetingRound<T> {
    number: u64,
    /// By rank.
    brought: Vec<Option<T>>,
    /// Which ranks are here, be it to take what all brought.
    is_here: Vec<bool>,
    /// What all brought to the round before.
    last: Arc<Vec<T>>,
    /// Why no round will be complete any more.
    broken: Option<String>,
}

impl<T> Meeting<T> {
    pub(super) fn new(ranks: usize, patience: Duration) -> Self {
        let round = MeetingRound {
            number: 0,
            brought: (0..ranks).map(|_| None).collect(),
            is_here: alloc::vec![false; ranks],
            last: Arc::new(Vec::new()),
            broken: None,
        };
        Self {
            round: Mutex::new(round),
            is_complete: Condvar::new(),
            patience,
        }
    }

    fn round(&self) -> MutexGuard<'_, MeetingRound<T>> {
        // Nobody panics while the lock is held; if anybody did, what it guards is whole.
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all ranks brought, by rank. It waits for them.
    pub(super) fn meet(&self, rank: usize, brought: T) -> Result<Arc<Vec<T>>, ExchangeError> {
        let since = Instant::now();
        let mut round = self.round();
        if let Some(why) = &round.broken {
            return Err(why.clone().into());
        }
        if round.is_here[rank] {
            return Err(
                format!("rank {rank} is at the exchange already, by another thread").into(),
            );
        }
        round.is_here[rank] = true;
        round.brought[rank] = Some(brought);
        if round.brought.iter().all(Option::is_some) {
            let all: Vec<T> = round.brought.iter_mut().filter_map(Option::take).collect();
            round.last = Arc::new(all);
            round.number += 1;
            round.is_here[rank] = false;
            self.is_complete.notify_all();
            return Ok(round.last.clone());
        }
        let number = round.number;
        loop {
            let left = self.patience.saturating_sub(since.elapsed());
            if left.is_zero() {
                let why = round.gave_up(rank, self.patience);
                self.is_complete.notify_all();
                return Err(why.into());
            }
            let waited = self.is_complete.wait_timeout(round, left);
            round = waited.unwrap_or_else(PoisonError::into_inner).0;
            // Before anything else: a rank may leave as soon as it has what it came for.
            if round.number != number {
                round.is_here[rank] = false;
                return Ok(round.last.clone());
            }
            if let Some(why) = &round.broken {
                return Err(why.clone().into());
            }
        }
    }

    /// Says that a rank will not come again.
    pub(super) fn leave(&self, rank: usize) {
        let mut round = self.round();
        if round.broken.is_none() {
            round.broken = Some(format!(
                "rank {rank} is gone: its thread has ended, by a panic or before the others"
            ));
        }
        self.is_complete.notify_all();
    }
}

impl<T> MeetingRound<T> {
    /// Ends all rounds: who comes late would meet others at another one.
    fn gave_up(&mut self, rank: usize, patience: Duration) -> String {
        let ranks = 0..self.brought.len();
        let missing: Vec<usize> = ranks.filter(|&at| self.brought[at].is_none()).collect();
        let why = format!(
            "rank {rank} gave up after {patience:?} in which ranks {missing:?} did not come: they hang, or made fewer calls"
        );
        self.broken = Some(why.clone());
        why
    }
}
