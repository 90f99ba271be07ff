//! What there is to say about the memory that losses take on a CPU.

/// Gives back to the system the memory that is kept for the gradients to come.
///
/// On the backend `flex` the memory of a large gradient (from 1 MiB on) is kept for some seconds after the gradient
/// was dropped, since the next step of a training loop needs as much: at most eight pieces and 256 MiB. What was kept
/// for longer is given back whenever a gradient is dropped; this does it at once.
pub fn release_memory() {
    super::host::pool::release();
}

/// Asks the allocator of this process to keep freed memory, where it would give it back to the system at each step.
///
/// This is for the backend `ndarray`, whose tensors free their memory themselves. glibc's allocator returns blocks
/// from 128 KiB on to the system as they are freed, until larger ones have been; so each step of a training loop
/// gets the memory for its gradients from the system anew, zeroed, which can take longer than the loss. After this
/// call, once, at the start of a program, up to 64 MiB are kept. It concerns all of the process, so it is up to
/// you. Other allocators do not need it, and nothing happens.
pub fn keep_freed_memory() {
    super::host::output::keep_freed_memory();
}
