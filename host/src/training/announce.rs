//! What a person should know before a run begins: what the texts lack, what it will cost.

use super::{Training, needs};
use crate::progress::{count, duration};
use iterit_core::corpus::Corpus;
use iterit_core::estimate::{Estimate, training_tokens};
use iterit_core::learner::{ModelFacts, Sequence, Watch};
use iterit_core::models::{Extent, Models};
use iterit_core::observer::Observer;
use iterit_core::probe::probe;
use iterit_core::sdk::LogLevel;
use iterit_core::{Error, Result};
use std::time::Instant;

/// Cut and empty responses, and ends that stop nothing: counted, never silent.
pub(crate) fn warn_of_texts(corpus: &Corpus, observer: &dyn Observer) {
    let Some(report) = corpus.report() else { return };
    let warn = |message: String| observer.say(LogLevel::Warn, "", &message);
    if report.training.truncated > 0 {
        warn(format!(
            "{} of {} training texts are cut at {} tokens; {} have no response left to learn",
            report.training.truncated, report.samples, report.max_length, report.zero_loss
        ));
    }
    if report.empty_responses > 0 {
        warn(format!("{} responses are empty and cannot be scored", report.empty_responses));
    }
    for (field, count) in &report.unshown {
        warn(format!("{count} samples have `{field}`, which the template does not show"));
    }
    if let Some(end) = &report.end.with_header {
        warn(format!(
            "behind the last response the template writes {end:?}, which holds the header of a next turn \
             and is scored as if the model said it\nhint: mend the template, which should write it only \
             where `add_generation_prompt` is set"
        ));
    }
    if report.end.missed > 0 {
        warn(format!(
            "{} of {} training texts end in `{}`, which does not become a token that stops generation",
            report.end.missed, report.end.checked, report.end.text
        ));
    }
}

/// How many of a model's parameters are trained, where it is not all of them.
pub(crate) fn trained(model: &ModelFacts) -> String {
    match model.trained {
        trained if trained == model.parameters => String::new(),
        trained => format!(", {} of them trained,", count(trained)),
    }
}

/// What the run will cost, before it begins.
pub(crate) fn announce(training: &Training<'_>, extent: Extent) -> Result<()> {
    let (run, manifest) = (training.run(), training.manifest());
    let model = &manifest.model;
    let say = |line: String| run.inputs.lender.observer.say(LogLevel::Info, "", &line);
    say(format!(
        "{} of {} parameters{} in {} on {}, {} samples, {} an epoch, {} epochs, {} steps",
        model.architecture,
        count(model.parameters),
        trained(model),
        model.dtype,
        model.device,
        count(manifest.num_samples),
        count(manifest.budget),
        manifest.epochs,
        manifest.total_steps,
    ));
    warn_of_plan(training)?;
    let lender = run.inputs.lender;
    let speed = speed(lender.models, lender.corpus, lender.observer)?;
    let estimate = estimate(lender.corpus, &run.budgets()?, speed);
    let scoring = match run.plugins.complexity.is_empty() {
        false => format!(
            "scoring all samples {} tokens, about {}; ",
            count(estimate.scoring_tokens),
            duration(estimate.scoring_seconds())
        ),
        true => String::new(),
    };
    say(format!(
        "estimate: {scoring}training {} tokens, about {}",
        count(estimate.training_tokens),
        duration(estimate.training_seconds()),
    ));
    let batch = run.options.train.batch;
    if let Some(need) = lender.models.memory(lender.corpus, batch, extent) {
        say(format!("memory: {}", needs::told(&need)));
    }
    Ok(())
}

/// Keys that change nothing, and steps that the epochs do not have.
fn warn_of_plan(training: &Training<'_>) -> Result<()> {
    let (run, manifest) = (training.run(), training.manifest());
    let train = &run.options.train;
    let warn = |message: &str| run.inputs.lender.observer.say(LogLevel::Warn, "", message);
    train.idle().iter().for_each(|line| warn(line));
    if let Some(most) = train.max_steps.filter(|most| *most > manifest.total_steps) {
        warn(&format!(
            "train.max_steps is {most}, but {} epochs have {} steps and end before\n\
             hint: raise train.epochs",
            manifest.epochs, manifest.total_steps
        ));
    }
    let warmup = run.schedule()?.warmup_steps;
    if warmup > manifest.total_steps {
        warn(&format!(
            "train.warmup_steps is {warmup}, but the run has {} steps: the rate never reaches \
             train.learning_rate",
            manifest.total_steps
        ));
    }
    Ok(())
}

/// What a run costs that trains on these budgets, at this many forward tokens a second.
pub(crate) fn estimate(corpus: &Corpus, budgets: &[u64], tokens_per_second: f64) -> Estimate {
    let ids = 0..corpus.num_samples();
    let scoring_tokens = ids
        .clone()
        .map(|id| {
            let encoded = corpus.encoded(id);
            let all = encoded.conditional.iter().chain(encoded.unconditional.iter().flatten());
            all.map(|sequence| sequence.tokens.len() as u64).sum::<u64>()
        })
        .sum();
    let tokens: u64 = ids.map(|id| corpus.encoded(id).training_tokens() as u64).sum();
    let mean_tokens = tokens as f64 / corpus.num_samples() as f64;
    let training_tokens = training_tokens(budgets, mean_tokens);
    Estimate { scoring_tokens, training_tokens, tokens_per_second }
}

/// Can be interrupted, and draws nothing.
struct Unseen<'a>(&'a dyn Observer);

impl Watch for Unseen<'_> {
    fn progress(&self, _done: u64, _total: u64) {}
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Forward tokens a second, measured on a few samples.
pub(crate) fn speed(models: &Models, corpus: &Corpus, observer: &dyn Observer) -> Result<f64> {
    let sequences = probe(&models.ask(|learner| learner.facts()), corpus);
    let ask = |sequences: &[Sequence]| {
        let clock = Instant::now();
        models.ask(|learner| learner.token_nll(sequences, &Unseen(observer)))?;
        Ok::<_, Error>(clock.elapsed().as_secs_f64())
    };
    // The first pass of a process pays for what later ones find ready.
    ask(&sequences[..sequences.len().min(1)])?;
    let tokens: usize = sequences.iter().map(|it| it.tokens.len()).sum();
    Ok(tokens as f64 / ask(&sequences)?.max(1e-6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_core::config::DeviceChoice;
    use iterit_core::dataset::{self, DataFormat};
    use iterit_core::observer::Phase;
    use iterit_core::record::EpochRecord;
    use iterit_core::span::{Encoder, EncoderOptions};
    use iterit_core::template::ChatTemplate;
    use iterit_core::tokenizer::Tokenizer;
    use iterit_torch::{LearnerOptions, TorchLearner};
    use std::path::Path;
    use std::sync::Arc;

    /// Somebody who has pressed Ctrl-C, or has not.
    struct Somebody {
        is_gone: bool,
    }

    impl Watch for Somebody {
        fn progress(&self, _done: u64, _total: u64) {
            panic!("a measurement draws no bar");
        }
        fn is_cancelled(&self) -> bool {
            self.is_gone
        }
    }

    impl Observer for Somebody {
        fn begin(&self, _: Phase, _: Option<u32>) {}
        fn end(&self, _: Phase) {}
        fn epoch(&self, _: &EpochRecord) {}
        fn say(&self, _: LogLevel, _: &str, _: &str) {}
    }

    #[test]
    fn measuring_the_speed_can_be_interrupted() {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/demo");
        let folder = demo.join("model");
        let tokenizer = Tokenizer::open(&folder).unwrap();
        let template = ChatTemplate::choose(None, &folder).unwrap();
        let encoder = Encoder::new(tokenizer, template, EncoderOptions::default()).unwrap();
        let files = [demo.join("instructions.json")];
        let mut rows = dataset::load(&files, DataFormat::Auto).unwrap().rows;
        rows.truncate(3);
        let unwatched = &iterit_core::learner::Unwatched;
        let corpus = Corpus::encode(rows, Vec::new(), Arc::new(encoder), 1, unwatched).unwrap();
        let options = LearnerOptions { device: DeviceChoice::Cpu, ..LearnerOptions::default() };
        let models = Models::new(Box::new(TorchLearner::load(&folder, options).unwrap()));
        assert!(speed(&models, &corpus, &Somebody { is_gone: false }).unwrap() > 0.0);
        let stopped = speed(&models, &corpus, &Somebody { is_gone: true });
        assert!(matches!(stopped, Err(Error::Cancelled)));
    }
}
