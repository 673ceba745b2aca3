//! What a model can do, measured on files of one's own: loss on texts, multiple choice by likelihood,
//! answers in its own words. Whoever measures knows the model as a [`Learner`](crate::learner::Learner)
//! alone.
//!
//! Tokens, likelihoods and figures are those of lm-evaluation-harness 0.4
//! (<https://github.com/EleutherAI/lm-evaluation-harness>), so that a figure of one may stand beside a
//! figure of the other.

mod question;
mod share;

mod prompter;

mod answers;
mod choices;
mod loss;

pub use answers::{Answered, Answers, Matching, answers};
pub use choices::{Choices, Chosen, choices};
pub use loss::{Loss, loss};
pub use prompter::{Asking, Prompter};
pub use question::{ChoiceQuestion, OpenQuestion, Prompt};
pub use share::{CONFIDENCE, Share};
