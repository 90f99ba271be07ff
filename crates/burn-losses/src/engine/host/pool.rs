//! Memory of gradients that were dropped, kept for those to come.
//!
//! A gradient is as large as the logits, and the system gives such memory zeroed, page by page, which can take
//! longer than the loss. So a few pieces are kept for a few seconds, where a backend's tensors can say when they
//! are dropped.

use alloc::vec::Vec;

/// From how many numbers on memory is worth being kept.
#[cfg(feature = "std")]
pub(crate) const LARGE: usize = 1 << 18;

#[cfg(feature = "std")]
mod kept {
    use super::LARGE;

    use alloc::vec::Vec;
    use std::sync::{Mutex, PoisonError};
    use std::time::{Duration, Instant};

    /// How many pieces are kept at most, how many bytes together, and for how long.
    const PIECES: usize = 8;
    const BYTES: usize = 256 << 20;
    const TIME: Duration = Duration::from_secs(5);

    /// The pieces that hold nothing at present, the latest last.
    pub(crate) struct Pool<F>(Mutex<Vec<(Instant, Vec<F>)>>);

    impl<F> Pool<F> {
        pub(crate) const fn new() -> Self {
            Self(Mutex::new(Vec::new()))
        }

        /// Memory for so many numbers, if there is a piece of about that size.
        pub(crate) fn take(&self, count: usize) -> Option<Vec<F>> {
            let fits = |capacity: usize| (count..=count + count / 4).contains(&capacity);
            let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let at = pieces
                .iter()
                .rposition(|(_, piece)| fits(piece.capacity()))?;
            Some(pieces.remove(at).1)
        }

        /// Keeps memory that is no longer in use.
        pub(crate) fn give(&self, mut piece: Vec<F>) {
            let bytes = |piece: &Vec<F>| piece.capacity() * size_of::<F>();
            if piece.capacity() < LARGE || bytes(&piece) > BYTES {
                return;
            }
            piece.clear();
            let now = Instant::now();
            let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            pieces.retain(|(since, _)| now.duration_since(*since) < TIME);
            pieces.push((now, piece));
            while pieces.len() > PIECES
                || pieces.iter().map(|(_, it)| bytes(it)).sum::<usize>() > BYTES
            {
                pieces.remove(0);
            }
        }

        pub(crate) fn clear(&self) {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
        }
    }

    pub(super) static SINGLES: Pool<f32> = Pool::new();
    pub(super) static DOUBLES: Pool<f64> = Pool::new();
}

#[cfg(feature = "std")]
pub(crate) use kept::Pool;

/// A type whose memory is kept.
pub(crate) trait Pooled: Sized + 'static {
    /// Where it is.
    #[cfg(feature = "std")]
    fn pool() -> &'static Pool<Self>;
}

impl Pooled for f32 {
    #[cfg(feature = "std")]
    fn pool() -> &'static Pool<f32> {
        &kept::SINGLES
    }
}

impl Pooled for f64 {
    #[cfg(feature = "std")]
    fn pool() -> &'static Pool<f64> {
        &kept::DOUBLES
    }
}

/// Memory for so many numbers, which holds none yet; and whether the system has just given it.
pub(crate) fn memory<F: Pooled>(count: usize) -> (Vec<F>, bool) {
    #[cfg(feature = "std")]
    if let Some(memory) = F::pool().take(count) {
        return (memory, false);
    }
    (Vec::with_capacity(count), true)
}

/// Gives back to the system what is kept.
pub(crate) fn release() {
    #[cfg(feature = "std")]
    {
        f32::pool().clear();
        f64::pool().clear();
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::{LARGE, Pool};

    #[test]
    fn what_is_kept_is_bounded() {
        let pool = Pool::<f32>::new();
        pool.give(Vec::with_capacity(LARGE - 1));
        assert!(pool.take(LARGE - 1).is_none());
        pool.give(Vec::with_capacity(LARGE));
        assert!(pool.take(LARGE * 2).is_none() && pool.take(LARGE / 2).is_none());
        let piece = pool.take(LARGE).expect("a piece of that size");
        assert!(piece.is_empty() && pool.take(LARGE).is_none());
        for _ in 0..20 {
            pool.give(Vec::with_capacity(LARGE));
        }
        let kept = core::iter::from_fn(|| pool.take(LARGE)).count();
        assert_eq!(kept, 8);
        pool.give(Vec::with_capacity(LARGE));
        pool.clear();
        assert!(pool.take(LARGE).is_none());
    }
}
