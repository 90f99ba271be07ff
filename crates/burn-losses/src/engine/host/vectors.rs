//! The vectors of the processor.

use super::sums::PART;

/// A loop that is compiled once for each kind of vectors, and run for those that the processor has.
///
/// It is a trait, not a closure, so that an implementation can say that it is inlined: only what is inlined
/// into [`Vectors::run`] is compiled for these vectors.
pub(crate) trait Loop {
    type Output;

    /// Whether it is compiled for the widest vectors too. Loops over operands of `f64` are not, nor are rare ones: few use
    /// them, and each program that has a loss would carry them.
    #[cfg_attr(not(feature = "std"), allow(dead_code))] // Then the processor is not asked.
    const WIDEST: bool = true;

    fn run(self) -> Self::Output;
}

#[cfg(all(feature = "std", not(miri)))]
mod detected {
    use super::Loop;

    use pulp::{Arch, Simd, WithSimd};

    /// The widest vectors that the processor has.
    #[derive(Clone, Copy)]
    pub(crate) struct Vectors(Arch);

    struct Inlined<L>(L);

    impl<L: Loop> WithSimd for Inlined<L> {
        type Output = L::Output;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> L::Output {
            self.0.run()
        }
    }

    impl Vectors {
        pub(crate) fn detect() -> Self {
            Self(Arch::new())
        }

        /// Whether they are those, with a fused multiply-add, that the sweeps are written for. On a processor
        /// without them (x86 before 2013, or WebAssembly) tensor operations are faster, and no loop is run.
        pub(crate) fn are_fast(self) -> bool {
            match self.0 {
                #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
                Arch::V3(_) | Arch::V4(_) => true,
                #[cfg(target_arch = "aarch64")]
                Arch::Neon(_) => true,
                _ => false,
            }
        }

        /// It is not inlined: each part of the crate that it were inlined into would have the loop once more.
        #[inline(never)]
        pub(crate) fn run<L: Loop>(self, inlined: L) -> L::Output {
            match self.0 {
                #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
                Arch::V4(vectors) if L::WIDEST => Simd::vectorize(vectors, Inlined(inlined)),
                #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
                Arch::V4(vectors) => Simd::vectorize(*vectors, Inlined(inlined)),
                #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
                Arch::V3(vectors) => Simd::vectorize(vectors, Inlined(inlined)),
                #[cfg(target_arch = "aarch64")]
                Arch::Neon(vectors) => Simd::vectorize(vectors, Inlined(inlined)),
                _ => unreachable!("a processor without these vectors takes the portable form"),
            }
        }
    }
}

/// Where the processor cannot be asked: no `std`, or an interpreter.
#[cfg(not(all(feature = "std", not(miri))))]
mod detected {
    use super::Loop;

    #[derive(Clone, Copy)]
    pub(crate) struct Vectors;

    impl Vectors {
        pub(crate) fn detect() -> Self {
            Self
        }

        pub(crate) fn are_fast(self) -> bool {
            false
        }

        #[inline]
        pub(crate) fn run<L: Loop>(self, inlined: L) -> L::Output {
            inlined.run()
        }
    }
}

pub(crate) use detected::Vectors;

/// Asks for the memory of so many numbers from an address on, which will be read soon.
#[inline(always)]
#[allow(unused_variables)] // Only one kind of processor is asked.
pub(crate) fn prefetch<T>(address: *const T, count: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 64;
        for at in (0..count).step_by(LINE / size_of::<T>()) {
            // SAFETY: a prefetch of any address does nothing that can be seen.
            #[allow(unsafe_code)]
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(address.wrapping_add(at).cast());
            }
        }
    }
}

/// Asks for what is read some time after the part of the operands that begins at a place.
///
/// What computes little is otherwise slower than what computes more: it waits at each page of memory.
#[inline(always)]
pub(crate) fn fetch_ahead<F, const K: usize>(operands: &[&[F]; K], start: usize) {
    const AHEAD: usize = 12 * PART;
    for operand in operands {
        prefetch(operand.as_ptr().wrapping_add(start + AHEAD), PART);
    }
}
