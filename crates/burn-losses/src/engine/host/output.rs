//! Where a sweep writes to.

use super::numbers::Float;
use super::pool;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::mem::{MaybeUninit, take};
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Numbers that are written, one after the other: in new memory, which holds nothing yet, or in the place of
/// an input.
pub(crate) struct Output<'a, F> {
    slots: &'a mut [MaybeUninit<F>],
    /// How many of them have been written.
    at: usize,
    /// All of them hold the numbers of an input.
    in_place: bool,
    /// Where the owner of new memory counts what was written.
    written: Option<&'a AtomicUsize>,
}

impl<'a, F: Copy> Output<'a, F> {
    /// In the place of these numbers.
    #[allow(unsafe_code)]
    pub(crate) fn in_place(numbers: &'a mut [F]) -> Self {
        let numbers: *mut [F] = numbers;
        Self {
            // SAFETY: it is the same memory, borrowed as long and as exclusively, and only whole numbers are
            // written to it.
            slots: unsafe { &mut *(numbers as *mut [MaybeUninit<F>]) },
            at: 0,
            in_place: true,
            written: None,
        }
    }

    /// The first numbers, and the rest.
    pub(crate) fn split(mut self, length: usize) -> (Self, Self) {
        assert_eq!(self.at, 0, "an output is cut before it is written");
        let (part, rest) = take(&mut self.slots).split_at_mut(length);
        let output = |slots| Self {
            slots,
            at: 0,
            in_place: self.in_place,
            written: self.written,
        };
        (output(part), output(rest))
    }

    /// The places of the next numbers, as an output of their own.
    pub(crate) fn part(&mut self, length: usize) -> Output<'_, F> {
        Output {
            slots: &mut self.slots[self.at..self.at + length],
            at: 0,
            in_place: self.in_place,
            written: None,
        }
    }

    /// How many numbers have been written.
    pub(crate) fn count(&self) -> usize {
        self.at
    }

    /// Goes on behind the numbers that were written as a [`part`](Self::part).
    pub(crate) fn advance(&mut self, count: usize) {
        self.at += count;
    }

    /// Where the next number goes.
    #[cfg(feature = "std")]
    #[inline(always)]
    pub(crate) fn next(&self) -> *const F {
        self.slots.as_ptr().wrapping_add(self.at).cast()
    }

    /// Writes the next numbers.
    #[inline(always)]
    pub(crate) fn write(&mut self, numbers: &[F]) {
        let slots = &mut self.slots[self.at..self.at + numbers.len()];
        slots.write_copy_of_slice(numbers);
        self.at += numbers.len();
    }

    /// Writes the next numbers, each of which is computed from its place among them.
    #[inline(always)]
    pub(crate) fn fill(&mut self, count: usize, mut number: impl FnMut(usize) -> F) {
        let slots = &mut self.slots[self.at..self.at + count];
        for (at, slot) in slots.iter_mut().enumerate() {
            slot.write(number(at));
        }
        self.at += count;
    }

    /// Writes the number again that was written so many places ago.
    #[inline(always)]
    pub(crate) fn patch(&mut self, back: usize, number: F) {
        self.slots[..self.at][self.at - back].write(number);
    }

    /// The same as a matrix of so many rows.
    pub(crate) fn columns(mut self, rows: usize) -> Columns<'a, F> {
        assert_eq!(self.at, 0, "an output is cut before it is written");
        let slots = take(&mut self.slots);
        let width = slots.len() / rows;
        assert_eq!(slots.len(), rows * width, "the rows are of one length");
        Columns {
            start: slots.as_mut_ptr(),
            rows,
            width,
            stride: width,
            row: 0,
            in_place: self.in_place,
            written: self.written,
            memory: PhantomData,
        }
    }

    /// Goes back: the last numbers are written again.
    #[cfg_attr(not(feature = "std"), allow(dead_code))] // Then nobody does.
    pub(crate) fn rewind(&mut self, count: usize) {
        self.at -= count;
    }

    /// The numbers of the input that will be overwritten.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn input(&self, at: Range<usize>) -> &[F] {
        assert!(
            self.in_place,
            "an input that is not overwritten has a source"
        );
        // SAFETY: all of it held numbers from the start.
        unsafe { self.slots[at].assume_init_ref() }
    }
}

impl<F> Drop for Output<'_, F> {
    fn drop(&mut self) {
        if let Some(written) = self.written {
            written.fetch_add(self.at, Ordering::Relaxed);
        }
    }
}

/// Some columns of a matrix that is written row by row. Others have the columns beside them.
pub(crate) struct Columns<'a, F> {
    /// The first column of the first row. The columns of all rows, `stride` apart, are this one's alone.
    start: *mut MaybeUninit<F>,
    rows: usize,
    width: usize,
    stride: usize,
    /// How many rows have been written.
    row: usize,
    in_place: bool,
    written: Option<&'a AtomicUsize>,
    memory: PhantomData<&'a mut [MaybeUninit<F>]>,
}

// SAFETY: it is a unique reference to its numbers, and a shared one to an atomic number.
#[allow(unsafe_code)]
unsafe impl<F: Send> Send for Columns<'_, F> {}

impl<F: Copy> Columns<'_, F> {
    /// The first columns, and the rest.
    #[allow(unsafe_code)]
    pub(crate) fn split(self, width: usize) -> (Self, Self) {
        assert!(
            self.row == 0 && width <= self.width,
            "cut before it is written"
        );
        let columns = |start, width| Self {
            start,
            width,
            rows: self.rows,
            stride: self.stride,
            row: 0,
            in_place: self.in_place,
            written: self.written,
            memory: PhantomData,
        };
        // SAFETY: it is a column of the first row, or what lies behind its last one.
        let rest = unsafe { self.start.add(width) };
        (
            columns(self.start, width),
            columns(rest, self.width - width),
        )
    }

    /// Writes the next row.
    pub(crate) fn write(&mut self, numbers: &[F]) {
        self.next(numbers.len()).write_copy_of_slice(numbers);
    }

    /// Writes the next row, each number of which is computed from its place in it.
    #[cfg_attr(not(feature = "std"), allow(dead_code))] // Then nobody does.
    #[inline(always)]
    pub(crate) fn fill(&mut self, count: usize, mut number: impl FnMut(usize) -> F) {
        for (at, slot) in self.next(count).iter_mut().enumerate() {
            slot.write(number(at));
        }
    }

    /// The slots of the next row, all of which are to be written.
    #[inline(always)]
    #[allow(unsafe_code)]
    fn next(&mut self, width: usize) -> &mut [MaybeUninit<F>] {
        assert!(self.row < self.rows && width == self.width, "a row of them");
        self.row += 1;
        let start = (self.row - 1) * self.stride;
        // SAFETY: the columns of that row are this one's alone, and lie within the matrix.
        unsafe { core::slice::from_raw_parts_mut(self.start.add(start), self.width) }
    }

    /// Writes a number again, of a row that has been written.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn patch(&mut self, row: usize, column: usize, number: F) {
        assert!(row < self.row && column < self.width, "it has been written");
        // SAFETY: as above.
        unsafe { (*self.start.add(row * self.stride + column)).write(number) };
    }

    /// A row of the input that will be overwritten.
    #[allow(unsafe_code)]
    pub(crate) fn input(&self, row: usize) -> &[F] {
        assert!(
            self.in_place && (self.row..self.rows).contains(&row),
            "a row of an input"
        );
        // SAFETY: as above; all of it held numbers from the start.
        unsafe {
            let start = self.start.add(row * self.stride).cast::<F>();
            core::slice::from_raw_parts(start, self.width)
        }
    }
}

impl<F: Float> Output<'_, F> {
    /// Writes numbers times a scale; says whether one is beyond what its type holds, or none.
    #[cfg(feature = "std")]
    #[inline(always)]
    pub(crate) fn write_scaled(&mut self, numbers: &[F], scale: F) -> bool {
        let slots = &mut self.slots[self.at..self.at + numbers.len()];
        let mut within = true;
        for (slot, &number) in slots.iter_mut().zip(numbers) {
            let scaled = number * scale;
            within &= scaled.abs() <= F::of(F::MAX);
            slot.write(scaled);
        }
        self.at += numbers.len();
        !within
    }

    /// Writes the products of numbers and factors, of which 0 makes anything 0.
    #[inline(always)]
    pub(crate) fn write_products(&mut self, numbers: &[F], factors: &[F]) {
        let slots = &mut self.slots[self.at..self.at + numbers.len()];
        write_products(slots, numbers, factors);
        self.at += numbers.len();
    }
}

impl<F: Float> Columns<'_, F> {
    /// As [`Output::write_products`], the next row.
    #[inline(always)]
    pub(crate) fn write_products(&mut self, numbers: &[F], factors: &[F]) {
        write_products(self.next(numbers.len()), numbers, factors);
    }
}

#[inline(always)]
fn write_products<F: Float>(slots: &mut [MaybeUninit<F>], numbers: &[F], factors: &[F]) {
    // A slot that is left out would be counted as written.
    let (numbers, factors) = (&numbers[..slots.len()], &factors[..slots.len()]);
    for ((slot, &number), &factor) in slots.iter_mut().zip(numbers).zip(factors) {
        slot.write(number.times_or_zero(factor));
    }
}

impl<F> Drop for Columns<'_, F> {
    fn drop(&mut self) {
        if let Some(written) = self.written {
            written.fetch_add(self.row * self.width, Ordering::Relaxed);
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

/// Has the system's allocator keep freed memory of up to 64 MiB, instead of giving it back at once.
///
/// glibc gives freed memory back from a threshold on, which grows with the largest block that was freed so far: one
/// of the largest size that counts is freed here, which nobody touches. Other allocators do not mind.
pub(crate) fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu", feature = "std"))]
    {
        const LARGEST: usize = (32 << 20) - (64 << 10);
        drop(core::hint::black_box(Vec::<u8>::with_capacity(LARGEST)));
    }
}

/// Memory for numbers that a sweep will write. Zeros would be written for nothing: a loss is as fast
/// as memory.
pub(crate) struct Unwritten<F> {
    numbers: Vec<F>,
    count: usize,
    /// How many of them were written. Each part of an [`Output`] is written from its start on, without a gap,
    /// so as many as there are means all.
    written: AtomicUsize,
}

impl<F: Float> Unwritten<F> {
    pub(crate) fn new(count: usize) -> Self {
        let (mut numbers, new) = pool::memory(count);
        if new {
            ask_for_large_pages(numbers.spare_capacity_mut());
        }
        Self {
            numbers,
            count,
            written: AtomicUsize::new(0),
        }
    }

    /// The place to write the numbers to.
    pub(crate) fn output(&mut self) -> Output<'_, F> {
        Output {
            slots: &mut self.numbers.spare_capacity_mut()[..self.count],
            at: 0,
            in_place: false,
            written: Some(&self.written),
        }
    }

    /// The numbers, all of which have been written.
    #[allow(unsafe_code)] // The alternative is another pass over memory.
    pub(crate) fn written(mut self) -> Vec<F> {
        let written = *self.written.get_mut();
        assert_eq!(written, self.count, "a sweep writes all of its output");
        // SAFETY: so many numbers were written, each to a place of its own within the capacity.
        unsafe { self.numbers.set_len(self.count) };
        self.numbers
    }
}
