//! How much is run at a time, and less of it where a device's memory is too small: micro-batches of a
//! step, batches and logits of a question. Answers do not depend on it beyond the last bits.

use crate::batches::{self, Layout, Limit};
use crate::nll::Budget;
use crate::options::LearnerOptions;
use iterit_core::config::MicroBatch;
use iterit_core::learner::Sequence;
use std::num::NonZeroUsize;
use tch::Device;

/// What suits a CPU: small enough to stay near the caches; and as many logits as a large vocabulary needs for its
/// matrix to be read once for some hundred rows.
const CPU_ASKING: Budget = Budget { tokens: 1024, logits: 1 << 24 };
const CPU_TRAINING_TOKENS: usize = 2048;

/// What suits a GPU: large enough to keep it busy.
const CUDA_ASKING: Budget = Budget { tokens: 32_768, logits: 1 << 27 };
const CUDA_TRAINING_TOKENS: usize = 16_384;

/// Below so many tokens of a batch that is asked about nothing is gained.
const FEWEST_ASKED: usize = 64;

/// The limits in force.
pub(super) struct Fitting {
    pub(super) asking: Budget,
    pub(super) training: Limit,
    /// Whether a long question may have matrices a second time: the first thing to go where memory is short.
    pub(super) lays_out: bool,
    /// What was in force when news were told last.
    told: (Budget, Limit),
}

impl Fitting {
    /// What suits a device, or what was asked for.
    pub(super) fn new(options: &LearnerOptions, device: Device) -> Self {
        let (budget, most_trained) = match device.is_cuda() {
            true => (CUDA_ASKING, CUDA_TRAINING_TOKENS),
            false => (CPU_ASKING, CPU_TRAINING_TOKENS),
        };
        let tokens = options.scoring_tokens.map_or(budget.tokens, NonZeroUsize::get);
        let asking = Budget { tokens, ..budget };
        let training = match options.micro_batch {
            MicroBatch::Samples(count) => Limit::Sequences(count.get()),
            MicroBatch::Auto => Limit::Tokens(most_trained),
        };
        let lays_out = !device.is_cuda();
        Self { asking, training, lays_out, told: (asking, training) }
    }

    /// Does without laid-out matrices, and then halves what is asked at a time; whether there was anything to do.
    pub(super) fn ask_less(&mut self) -> bool {
        if std::mem::take(&mut self.lays_out) {
            return true;
        }
        let Budget { tokens, logits } = self.asking;
        let is_less = tokens > FEWEST_ASKED;
        if is_less {
            self.asking = Budget { tokens: tokens / 2, logits: (logits / 2).max(1) };
        }
        is_less
    }

    /// Halves the largest micro-batch of a step; whether there is one of several sequences, and the limit
    /// is ours to choose.
    pub(super) fn train_on_less(&mut self, samples: &[&[Sequence]], layout: Layout) -> bool {
        let Limit::Tokens(most) = self.training else { return false };
        let sequences = samples.iter().copied().flatten().filter(|it| !it.scored.is_empty());
        let lengths: Vec<usize> = sequences.map(|it| it.input().len()).collect();
        let batches = batches::cut(&lengths, self.training, layout).into_iter();
        let several = batches.filter(|batch| batch.len() > 1);
        let tokens = |batch: Vec<usize>| layout.tokens(batch.iter().map(|&index| lengths[index]));
        let Some(largest) = several.map(tokens).max() else {
            return false;
        };
        self.training = Limit::Tokens((largest.min(most) / 2).max(1));
        true
    }

    /// Tokens of a micro-batch, where they are what limits it.
    pub(super) fn trained_tokens(&self) -> Option<usize> {
        match self.training {
            Limit::Tokens(most) => Some(most),
            Limit::Sequences(_) => None,
        }
    }

    /// A quarter less in micro-batches of steps that have so many tokens, the longest sequence so many; whether there
    /// can be less, and the limit is ours to choose.
    pub(super) fn plan_on_less(&mut self, all: usize, longest: usize) -> bool {
        let Limit::Tokens(most) = self.training else { return false };
        let most = most.min(all);
        let is_less = most > longest.max(1);
        if is_less {
            self.training = Limit::Tokens((most * 3 / 4).max(longest));
        }
        is_less
    }

    /// What has become less up to now is known, and no news.
    pub(super) fn settle(&mut self) {
        self.told = (self.asking, self.training);
    }

    /// What has become less since this was asked last.
    pub(super) fn news(&mut self) -> Vec<String> {
        let (asked, trained) = self.told;
        self.told = (self.asking, self.training);
        let mut news = Vec::new();
        if let (Limit::Tokens(before), Limit::Tokens(now)) = (trained, self.training)
            && now < before
        {
            news.push(format!(
                "the device was out of memory: micro-batches have at most {now} tokens from here on, not \
                 {before}; a step's result is the same"
            ));
        }
        if self.asking.tokens < asked.tokens {
            news.push(format!(
                "the device was out of memory: at most {} tokens are asked about at a time from here on, \
                 not {}; answers are the same",
                self.asking.tokens, asked.tokens
            ));
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(lengths: &[usize]) -> Vec<Vec<Sequence>> {
        let sequence = |&length: &usize| Sequence {
            tokens: vec![1; length + 1],
            scored: (length..length + 1).into(),
        };
        lengths.iter().map(|length| vec![sequence(length)]).collect()
    }

    #[test]
    fn the_largest_micro_batch_is_halved_until_there_are_single_sequences() {
        let samples = samples(&[100, 100, 90, 30, 10, 10]);
        let samples: Vec<&[Sequence]> = samples.iter().map(Vec::as_slice).collect();
        let mut fitting = Fitting::new(&LearnerOptions::default(), Device::Cpu);
        let mut limits = Vec::new();
        while fitting.train_on_less(&samples, Layout::Padded) {
            let Limit::Tokens(most) = fitting.training else { panic!() };
            limits.push(most);
        }
        assert!(limits.is_sorted_by(|a, b| a > b) && limits[0] < 300, "{limits:?}");
        let lengths = [100, 100, 90, 30, 10, 10];
        assert!(
            batches::cut(&lengths, fitting.training, Layout::Padded)
                .iter()
                .all(|batch| batch.len() == 1)
        );
        assert_eq!(fitting.news().len(), 1, "said once");
        assert_eq!(fitting.news().len(), 0);
    }

    #[test]
    fn a_step_is_planned_on_less_until_its_longest_sequence_stands_alone() {
        let mut fitting = Fitting::new(&LearnerOptions::default(), Device::Cpu);
        let mut limits = Vec::new();
        while fitting.plan_on_less(340, 100) {
            limits.extend(fitting.trained_tokens());
        }
        assert_eq!(limits, [255, 191, 143, 107, 100]);
        fitting.settle();
        assert_eq!(fitting.news(), Vec::<String>::new(), "it was no surprise");
    }

    #[test]
    fn what_was_asked_for_is_not_made_less() {
        let micro_batch = MicroBatch::Samples(NonZeroUsize::new(4).unwrap());
        let options = LearnerOptions { micro_batch, ..LearnerOptions::default() };
        let samples = samples(&[5, 5]);
        let samples: Vec<&[Sequence]> = samples.iter().map(Vec::as_slice).collect();
        let mut fitting = Fitting::new(&options, Device::Cpu);
        assert!(!fitting.train_on_less(&samples, Layout::Padded));
        assert!(!Fitting::new(&options, Device::Cpu).plan_on_less(10, 5));
    }

    #[test]
    fn questions_are_halved_and_end() {
        let mut fitting = Fitting::new(&LearnerOptions::default(), Device::Cpu);
        assert!(fitting.ask_less() && !fitting.lays_out && fitting.asking == CPU_ASKING);
        let halvings = std::iter::from_fn(|| fitting.ask_less().then_some(())).take(100).count();
        assert_eq!((halvings, fitting.asking.tokens), (4, 64));
        assert!(fitting.news()[0].contains("at most 64 tokens"));
    }
}
