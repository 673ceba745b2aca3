//! A run's own services over the demo's model and data: what a round costs where a model answers.

use iterit_core::config::DeviceChoice;
use iterit_core::corpus::Corpus;
use iterit_core::dataset::{self, DataFormat};
use iterit_core::learner::{Unwatched, Watch};
use iterit_core::models::Models;
use iterit_core::observer::{Observer, Phase};
use iterit_core::record::EpochRecord;
use iterit_core::score_table::ScoreTable;
use iterit_core::sdk::{Host, LogLevel};
use iterit_core::services::{RunServices, Tally};
use iterit_core::span::{Encoder, EncoderOptions};
use iterit_core::template::ChatTemplate;
use iterit_core::tokenizer::Tokenizer;
use iterit_torch::{LearnerOptions, TorchLearner};
use std::path::Path;
use std::sync::Arc;

/// The demo's samples and its model, which scores them on one thread.
pub(crate) struct Demo {
    corpus: Corpus,
    models: Models,
}

impl Demo {
    pub(crate) fn open() -> Self {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/demo");
        let model = demo.join("model");
        let data = dataset::load(&[demo.join("instructions.json")], DataFormat::Auto);
        let tokenizer = Tokenizer::open(&model).expect("a tokenizer");
        let template = ChatTemplate::choose(None, &model).expect("a template");
        let encoder = Encoder::new(tokenizer, template, EncoderOptions::default());
        let encoder = Arc::new(encoder.expect("an encoder"));
        let rows = data.expect("the demo's data").rows;
        let corpus = Corpus::encode(rows, Vec::new(), encoder, 1, &Unwatched).expect("tokens");
        let options = LearnerOptions { device: DeviceChoice::Cpu, ..LearnerOptions::default() };
        let learner = TorchLearner::load(&model, options).expect("the demo's model");
        Self { corpus, models: Models::new(Box::new(learner)) }
    }

    /// How many samples there are.
    pub(crate) fn num_samples(&self) -> u64 {
        self.corpus.num_samples()
    }

    /// Lends the host of a run that has not begun, with a model that nobody has asked yet.
    pub(crate) fn lend<T>(&self, work: impl FnOnce(&Host<'_>) -> T) -> T {
        self.models.change(|_| ());
        work(&Host::new(&RunServices {
            corpus: &self.corpus,
            models: &self.models,
            table: &ScoreTable::default(),
            selections: &[],
            seed: 42,
            threads: 1,
            observer: &Nobody,
            plugin: "",
            tally: &Tally::new(self.num_samples()),
        }))
    }
}

/// Hears everything and says nothing.
struct Nobody;

impl Watch for Nobody {
    fn progress(&self, _: u64, _: u64) {}
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl Observer for Nobody {
    fn begin(&self, _: Phase, _: Option<u32>) {}
    fn end(&self, _: Phase) {}
    fn epoch(&self, _: &EpochRecord) {}
    fn say(&self, _: LogLevel, _: &str, _: &str) {}
}
