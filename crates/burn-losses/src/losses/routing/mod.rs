//! Losses of the router of a mixture of experts, beside the loss of the task.
//!
//! | what you want | loss |
//! |---|---|
//! | experts that are used alike | [`LoadBalanceLoss`] |
//! | router logits that stay small | [`RouterZLoss`] |
//!
//! They need the feature `std`, which is on by default.
//!
//! # Input and target
//!
//! The router's **logits**, `[tokens, experts]` or `[batch, tokens, experts]`, before the softmax; for [`LoadBalanceLoss`] also
//! **the ids of the experts that each token was sent to**, `[tokens, k]` or `[batch, tokens, k]`, as `topk_with_indices` gives
//! them. Each layer of experts has its own routing: add up or average the losses of the layers, times a small number (0.01 of
//! the balance and 0.001 of the z-loss are usual), and add them to the loss of the task.
//!
//! **Padding is routed too, but should not count.** In [`LoadBalanceLoss`] mark its tokens with an ignored id; of
//! [`RouterZLoss`] give a mask of the tokens to [`forward_weighted`](crate::Loss::forward_weighted).

mod load_balance;
pub(crate) mod router_z;

pub use load_balance::{LoadBalanceLoss, LoadBalanceLossConfig, LoadShare, RouterActivation};
pub use router_z::{RouterZLoss, RouterZLossConfig};

use crate::engine::any_rank::AnyRank;
use crate::losses::classification::{looks_like_probabilities, not_normalised};
use crate::validate::check::{Check, dims};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::format;

/// The checks of what the host knows of a router's logits, with the experts last.
fn check_router(check: &Check, logits: &AnyRank) -> Result<(), LossError> {
    let shape = logits.shape();
    check.dtype(&logits.device(), logits.dtype())?;
    let experts = shape[shape.num_dims() - 1];
    if experts < 2 {
        let message = format!(
            "logits {} have {experts} expert along the last axis: there is nothing to choose.",
            dims(&shape)
        );
        return Err(check.error(LossErrorKind::Shape, message));
    }
    Ok(())
}

/// A suspicion about logits, with the experts last, that are probabilities or their logarithms.
fn is_normalized(loss: &'static str, logits: &AnyRank) -> Option<Lint> {
    let shape = logits.shape();
    let last = shape.num_dims() - 1;
    let (rule, what) = if looks_like_probabilities(logits, last) {
        (
            "probabilities-as-logits",
            "every row of the logits sums to 1, as after a softmax",
        )
    } else if !logits.is_empty() && not_normalised(loss, logits, last).is_none() {
        (
            "log-probs-as-logits",
            "the exponentials of every row of the logits sum to 1, as after a log-softmax",
        )
    } else {
        return None;
    };
    Some(Lint {
        loss,
        rule,
        message: format!("{what}: give the router's logits before it."),
    })
}
