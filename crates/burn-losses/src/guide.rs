//! What to know before choosing a loss, and when coming from elsewhere.
//!
//! | page | the question |
//! |---|---|
//! | [`choosing`] | Which loss is it for my task, and what else changes when I change it? |
//! | [`targets`] | How is the target of each loss set, and what is checked? |
//! | [`reductions`] | What is averaged over what, with weights, masks and several batches? Which metrics? What is in a checkpoint? |
//! | [`devices`] | What becomes of a mean on more than one device, or in accumulation by Burn's training loop? |
//! | [`custom`] | How do I write a loss of my own? |
//! | [`from_pytorch`] | I know `torch.nn`. What is different here? |
//! | [`from_burn`] | I use `burn::nn::loss`. What do I write instead? |

#[doc = include_str!("../docs/guide/choosing.md")]
pub mod choosing {}

#[doc = include_str!("../docs/guide/targets.md")]
pub mod targets {}

#[doc = include_str!("../docs/guide/reductions.md")]
pub mod reductions {}

#[doc = include_str!("../docs/guide/devices.md")]
pub mod devices {}

#[doc = include_str!("../docs/guide/custom.md")]
pub mod custom {}

#[doc = include_str!("../docs/guide/from_pytorch.md")]
pub mod from_pytorch {}

#[doc = include_str!("../docs/guide/from_burn.md")]
pub mod from_burn {}
