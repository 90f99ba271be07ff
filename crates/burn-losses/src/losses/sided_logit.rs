//! A logit and the label of it, turned around where the logit is not positive: "yes" by a logit is "no" by its negative. One
//! sigmoid and one softplus are then all that a loss needs.

use crate::spec::expression::{Condition, Expr};

pub(crate) struct SidedLogit {
    pub(crate) is_positive: Condition,
    /// The logit without its sign, and the softplus of its negative.
    pub(crate) size: Expr,
    pub(crate) softplus: Expr,
    /// The label's shares of what the sign says, and of the other.
    right: Expr,
    wrong: Expr,
    /// The probabilities of what the sign says, and of the other: both have all their digits.
    pub(crate) likely: Expr,
    pub(crate) unlikely: Expr,
}

impl SidedLogit {
    pub(crate) fn new(logit: Expr, label: Expr) -> Self {
        let (is_positive, size) = (logit.above(0.0), logit.abs());
        let unlikely = (-size).sigmoid();
        Self {
            is_positive,
            size,
            softplus: (-size).softplus(),
            right: is_positive.select(label, 1.0 - label),
            wrong: is_positive.select(1.0 - label, label),
            // Said as `1 - unlikely` it would be another sigmoid.
            likely: 0.5 + (0.5 - unlikely),
            unlikely,
        }
    }

    /// Binary cross-entropy; `softplus(x) - x y` would lose the digits of a saturated logit.
    pub(crate) fn cross_entropy(&self) -> Expr {
        self.wrong * self.size + self.softplus
    }

    /// The slope of it with respect to the size: the probability less the label where the logit is positive, else the
    /// negative of that.
    pub(crate) fn excess(&self) -> Expr {
        self.wrong * self.likely - self.right * self.unlikely
    }

    /// How far the probability is from a label of 0 or 1; both parts are exact where they are tiny.
    pub(crate) fn miss(&self) -> Expr {
        self.wrong * self.likely + self.right * self.unlikely
    }

    /// The slope of that.
    pub(crate) fn of_miss(&self) -> Expr {
        self.bell() * (self.wrong - self.right)
    }

    /// The slope of a probability.
    pub(crate) fn bell(&self) -> Expr {
        self.likely * self.unlikely
    }

    /// A slope with respect to the logit, by that with respect to its size; or of the probability of "yes", by that of the
    /// likely one.
    pub(crate) fn back(&self, of_size: Expr) -> Expr {
        self.is_positive.select(of_size, -of_size)
    }
}
