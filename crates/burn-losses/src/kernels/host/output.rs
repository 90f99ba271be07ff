//! Where a sweep writes to.

use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::ops::Range;

/// Numbers that are written: in new memory, which holds nothing yet, or in the place of an input.
pub(crate) enum Output<'a, F> {
    New(&'a mut [MaybeUninit<F>]),
    InPlace(&'a mut [F]),
}

impl<'a, F: Copy> Output<'a, F> {
    /// The first numbers, and the rest.
    pub(crate) fn split(self, length: usize) -> (Self, Self) {
        match self {
            Self::New(numbers) => {
                let (part, rest) = numbers.split_at_mut(length);
                (Self::New(part), Self::New(rest))
            }
            Self::InPlace(numbers) => {
                let (part, rest) = numbers.split_at_mut(length);
                (Self::InPlace(part), Self::InPlace(rest))
            }
        }
    }

    /// Writes numbers from `start` on.
    #[inline(always)]
    pub(crate) fn write(&mut self, start: usize, numbers: &[F]) {
        let at = start..start + numbers.len();
        match self {
            Self::New(all) => {
                all[at].write_copy_of_slice(numbers);
            }
            Self::InPlace(all) => all[at].copy_from_slice(numbers),
        }
    }

    /// The numbers of the input that will be overwritten.
    #[inline(always)]
    pub(crate) fn input(&self, at: Range<usize>) -> &[F] {
        match self {
            Self::New(_) => unreachable!("an input that is not overwritten has a source"),
            Self::InPlace(numbers) => &numbers[at],
        }
    }
}

/// Asks for large pages for memory that is about to be touched for the first time.
///
/// A gradient is as large as the logits, so its memory often comes fresh from the system at every
/// step, and a thousand page faults can take longer than the loss. It is only advice: where the
/// system does not follow it, nothing changes.
#[allow(unused_variables)] // Only Linux is asked.
fn ask_for_large_pages<T>(memory: &mut [MaybeUninit<T>]) {
    #[cfg(all(target_os = "linux", feature = "std"))]
    {
        const LARGE: usize = 2 << 20;
        let range = memory.as_mut_ptr_range();
        let start = (range.start as usize).next_multiple_of(LARGE);
        let length = (range.end as usize).saturating_sub(start) / LARGE * LARGE;
        if length > 0 {
            let start = range.start.wrapping_byte_add(start - range.start as usize);
            // SAFETY: the pages are within memory that this function borrows alone, and the advice
            // changes nothing that can be read of them.
            #[allow(unsafe_code)]
            unsafe {
                libc::madvise(start.cast(), length, libc::MADV_HUGEPAGE);
            }
        }
    }
}

/// Lets the system's allocator keep what is freed for the next step.
///
/// glibc gives freed memory back from a threshold on, which grows with the largest block that was freed
/// so far. With gradients of some megabytes each step would get all of its memory from the system again,
/// zeroed, which can take longer than the loss. Freeing one block of the largest size that counts, which
/// nobody touches, has the threshold where it is for a program with large tensors (64 MiB). Other
/// allocators do not mind.
fn let_memory_stay() {
    #[cfg(all(target_os = "linux", target_env = "gnu", feature = "std"))]
    {
        const LARGEST: usize = (32 << 20) - (64 << 10);
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| drop(core::hint::black_box(Vec::<u8>::with_capacity(LARGEST))));
    }
}

/// From how many numbers on new memory is worth a thought.
const LARGE: usize = 1 << 18;

/// Memory for numbers that a sweep will write. Zeros would be written for nothing: a loss is as fast
/// as memory.
pub(crate) struct Unwritten<F>(Vec<F>);

impl<F: Copy> Unwritten<F> {
    pub(crate) fn new(count: usize) -> Self {
        if count >= LARGE {
            let_memory_stay();
        }
        let mut numbers = Vec::with_capacity(count);
        ask_for_large_pages(numbers.spare_capacity_mut());
        Self(numbers)
    }

    /// The place to write the given number of numbers to.
    pub(crate) fn output(&mut self, count: usize) -> Output<'_, F> {
        Output::New(&mut self.0.spare_capacity_mut()[..count])
    }

    /// The numbers.
    ///
    /// # Safety
    ///
    /// As many numbers must have been written, all of them, to the [output](Self::output).
    #[allow(unsafe_code)] // The one place; the alternative is another pass over memory.
    pub(crate) unsafe fn written(mut self, count: usize) -> Vec<F> {
        // SAFETY: the caller promises that they were written, so they are within the capacity too.
        unsafe { self.0.set_len(count) };
        self.0
    }
}
