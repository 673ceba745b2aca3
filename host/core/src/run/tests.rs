//! The whole loop against a fake model and fake plugins: no libtorch, no libraries, milliseconds.

mod course;

use super::*;
use crate::corpus::Corpus;
use crate::dataset::Row;
use crate::learner::{Learner, ModelFacts, Sequence, StepOptions, StepOutcome, Unwatched, Watch};
use crate::models::Models;
use crate::observer::{Observer, Phase};
use crate::plugin_set::{Named, WeightedScorer};
use crate::record::{Evaluation, RunManifest, RunRecord};
use crate::run_directory::RunDirectory;
use crate::score_table::ScoreTable;
use crate::span::{Encoder, EncoderOptions};
use crate::template::ChatTemplate;
use crate::tokenizer::Tokenizer;
use iterit_sdk::{
    Action, Call, ComplexityScorer, Embedding, Host, LogitStatistics, Matrix, Model, Role, Sample,
    SampleId, Score, Turn, Update, UpdateStrategy,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A model that is one number: every step moves it, every loss depends on it.
#[derive(Default)]
struct FakeLearner {
    weight: f64,
    /// Sequences it was asked about.
    passes: Arc<AtomicU64>,
}

impl FakeLearner {
    fn counts(&self, sequences: &[Sequence]) {
        self.passes.fetch_add(sequences.len() as u64, Ordering::SeqCst);
    }
}

impl Learner for FakeLearner {
    fn facts(&self) -> ModelFacts {
        ModelFacts { architecture: "fake".into(), ..crate::learner::NoModel.facts() }
    }

    fn token_nll(&mut self, sequences: &[Sequence], watch: &dyn Watch) -> Result<Vec<Vec<f32>>> {
        if watch.is_cancelled() {
            return Err(Error::Cancelled);
        }
        self.counts(sequences);
        let loss = |token: u32| ((f64::from(token) * 0.7 + self.weight).sin() + 1.5) as f32;
        Ok(sequences.iter().map(|sequence| sequence.targets().map(loss).collect()).collect())
    }

    fn embeddings(
        &mut self,
        sequences: &[Sequence],
        embedding: Embedding,
        _: &dyn Watch,
    ) -> Result<Matrix> {
        self.counts(sequences);
        let row = |sequence: &Sequence| [sequence.tokens.len() as f32, embedding.layer as f32];
        Matrix::new(sequences.iter().flat_map(row).collect(), 2)
            .map_err(|error| Error::Model(error.to_string()))
    }

    fn logit_statistics(
        &mut self,
        sequences: &[Sequence],
        _: &dyn Watch,
    ) -> Result<Vec<LogitStatistics>> {
        self.counts(sequences);
        let tokens = |sequence: &Sequence| sequence.scored.len() as u32;
        let row = |sequence| LogitStatistics { tokens: tokens(sequence), ..Default::default() };
        Ok(sequences.iter().map(row).collect())
    }

    fn step(&mut self, samples: &[&[Sequence]], options: &StepOptions) -> Result<StepOutcome> {
        let losses: Vec<f64> = samples.iter().map(|sample| sample[0].tokens.len() as f64).collect();
        let loss = losses.iter().sum::<f64>() / losses.len() as f64;
        self.weight += loss * (options.learning_rate + 0.01);
        Ok(StepOutcome { losses, loss, grad_norm: self.weight.abs() })
    }

    fn save(&self, folder: &Path) -> Result<()> {
        crate::whole_file::write_json(&folder.join("weight.json"), &self.weight)
    }

    fn restore(&mut self, folder: &Path) -> Result<()> {
        self.weight = crate::json_file::read_json(&folder.join("weight.json"))?;
        Ok(())
    }

    fn export(&self, folder: &Path) -> Result<()> {
        self.save(folder)
    }
}

/// The mean response loss; every third sample may not be picked.
struct MeanLoss;

impl ComplexityScorer for MeanLoss {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> iterit_sdk::Result<Vec<Score>> {
        let losses = host.response_nll(Model::Current, ids)?;
        Ok(ids
            .iter()
            .zip(losses)
            .map(|(id, loss)| match id % 3 {
                0 => Score::ineligible(loss.conditional.mean()),
                _ => Score::eligible(loss.conditional.mean()),
            })
            .collect())
    }
}

/// Returns what it was made with, whatever was asked.
struct Says(Vec<Score>);

impl ComplexityScorer for Says {
    fn score(&self, _: &Host<'_>, _: &[SampleId]) -> iterit_sdk::Result<Vec<Score>> {
        Ok(self.0.clone())
    }
}

fn everything(epoch: &Epoch) -> Update {
    let all: Vec<SampleId> = (0..epoch.run.num_samples).collect();
    let action = Action::Pick { budget: epoch.run.budget };
    Update { rescore: all.clone(), candidates: all, action }
}

/// Rescores and offers everything, every epoch; counts its plans to have a state worth saving.
#[derive(Default)]
struct Everything {
    plans: u8,
}

impl UpdateStrategy for Everything {
    fn budgets(&self, run: &RunShape) -> iterit_sdk::Result<Vec<u64>> {
        Ok(vec![run.budget; run.epochs as usize])
    }
    fn plan(&mut self, _: &Host<'_>, epoch: &Epoch) -> iterit_sdk::Result<Update> {
        assert_eq!(u32::from(self.plans), epoch.epoch, "a plan was asked for twice");
        self.plans += 1;
        Ok(everything(epoch))
    }
    fn save(&self) -> iterit_sdk::Result<Vec<u8>> {
        Ok(vec![self.plans])
    }
    fn restore(&mut self, state: &[u8]) -> iterit_sdk::Result<()> {
        self.plans = state[0];
        Ok(())
    }
}

/// Stops the run the n-th time it is asked whether to.
struct Impatient {
    asked: AtomicU64,
    patience: u64,
    epochs: Mutex<Vec<EpochRecord>>,
    /// After how many steps it was told of an evaluation.
    evaluated: Mutex<Vec<u64>>,
}

impl Impatient {
    fn new(patience: u64) -> Self {
        let (epochs, evaluated) = Default::default();
        Self { asked: AtomicU64::new(0), patience, epochs, evaluated }
    }
}

impl Watch for Impatient {
    fn progress(&self, done: u64, total: u64) {
        assert!(done <= total, "{done} of {total}");
    }
    fn is_cancelled(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst) >= self.patience
    }
}

impl Observer for Impatient {
    fn begin(&self, _: Phase, _: Option<u32>) {}
    fn end(&self, _: Phase) {}
    fn evaluated(&self, record: &Evaluation) {
        self.evaluated.lock().unwrap().push(record.step);
    }
    fn epoch(&self, record: &EpochRecord) {
        self.epochs.lock().unwrap().push(record.clone());
    }
    fn say(&self, _: LogLevel, _: &str, _: &str) {}
}

/// Sixty samples of different lengths, in the tokens of a tokenizer that knows a few words.
fn corpus() -> Corpus {
    let folder = tempfile::tempdir().unwrap();
    let words = ["<unk>", "<eos>", "zero", "one", "two", "three", "four", "five", "six"];
    let vocabulary: BTreeMap<&str, usize> =
        words.iter().enumerate().map(|(id, word)| (*word, id)).collect();
    let tokenizer = serde_json::json!({
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
        "pre_tokenizer": {"type": "Whitespace"},
        "added_tokens": [{
            "id": 1, "content": "<eos>", "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false,
        }],
    });
    let config = serde_json::json!({"eos_token": "<eos>", "model_max_length": 64});
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let samples = (0..60u64)
        .map(|id| Sample {
            id,
            prompt: vec![Turn::new(Role::User, words[2 + id as usize % 7])],
            response: (0..1 + id as usize % 5)
                .map(|k| words[2 + (id as usize + k) % 7])
                .collect::<Vec<_>>()
                .join(" "),
            metadata: serde_json::Map::new(),
        })
        .map(Row::from)
        .collect();
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    let template = ChatTemplate::builtin("chatml").unwrap();
    let encoder = Encoder::new(tokenizer, template, EncoderOptions::default()).unwrap();
    Corpus::encode(samples, Vec::new(), Arc::new(encoder), 1, &Unwatched).unwrap()
}

fn named<P: ?Sized>(name: &str, plugin: Box<P>) -> Named<P> {
    Named { name: name.into(), version: "1.0.0".into(), plugin }
}

fn plugins(scorer: Box<dyn ComplexityScorer>) -> PluginSet {
    PluginSet {
        complexity: vec![WeightedScorer { scorer: named("mean-loss", scorer), weight: 1.0 }],
        diversity: None,
        strategy: named("everything", Box::<Everything>::default()),
    }
}

fn options() -> RunOptions {
    let train = TrainConfig { epochs: 3, batch: 4, ..TrainConfig::default() };
    let ties = Ties::default();
    let model = FinalModel::Last;
    RunOptions { budget: 10, tokens: None, ties, train, save_every: 0, keep: 2, model }
}

fn manifest() -> RunManifest {
    RunManifest {
        iterit: "0.1.0".into(),
        seed: 7,
        num_samples: 60,
        budget: 10,
        epochs: 3,
        total_steps: 9,
        model: FakeLearner::default().facts(),
        plugins: Vec::new(),
        sha256: BTreeMap::new(),
        texts: None,
        identity: Default::default(),
        environment: Default::default(),
        resumed: Vec::new(),
    }
}

/// Trains from the last checkpoint in `folder`, or from the start.
fn train(folder: &Path, plugins: PluginSet, observer: &Impatient) -> Result<RunRecord> {
    train_with(folder, plugins, options(), observer)
}

fn train_with(
    folder: &Path,
    plugins: PluginSet,
    options: RunOptions,
    observer: &Impatient,
) -> Result<RunRecord> {
    let corpus = corpus();
    let models = Models::new(Box::<FakeLearner>::default());
    let directory = RunDirectory::open(folder).or_else(|_| {
        let directory = RunDirectory::new(folder)?;
        directory.begin("", &manifest()).map(|()| directory)
    })?;
    let lender = Lender { corpus: &corpus, models: &models, seed: 7, threads: 1, observer };
    let inputs = Inputs { lender, held_out: Some(&corpus), directory: &directory };
    let mut run = Run { inputs, plugins, options, state: RunState::default() };
    match directory.checkpoints()?.last() {
        Some(checkpoint) => run.restore(&checkpoint.folder)?,
        None => directory.rewind(0, 0)?,
    }
    run.train()?;
    directory.read()
}

/// A record without what the clock puts into it.
fn timeless(mut record: RunRecord) -> RunRecord {
    record.steps.iter_mut().for_each(|step| step.tokens_per_second = 0.0);
    record.epochs.iter_mut().for_each(|epoch| epoch.seconds = Default::default());
    record
}

#[test]
fn a_run_scores_picks_trains_and_records() {
    let folder = tempfile::tempdir().unwrap();
    let patient = Impatient::new(u64::MAX);
    let record = train(folder.path(), plugins(Box::new(MeanLoss)), &patient).unwrap();
    assert_eq!(record.epochs, *patient.epochs.lock().unwrap());
    assert_eq!(record.steps.len(), 9, "⌈10 / 4⌉ steps in each of 3 epochs");
    for (epoch, selection) in record.selections.iter().enumerate() {
        assert_eq!(selection.selected.len(), 10);
        assert!(selection.selected.iter().all(|id| id % 3 != 0), "picked an ineligible sample");
        assert!(selection.values.is_sorted_by(|a, b| a >= b), "not by falling score");
        assert_eq!(record.scores[epoch].len(), 60);
        assert_eq!(record.epochs[epoch].eligible, 40);
        assert!(record.epochs[epoch].eval_loss.is_some());
    }
    assert_ne!(record.selections[0].selected, record.selections[1].selected);
    assert_eq!(record.steps[0].lr, 0.0, "the first step of a warm-up");
}

#[test]
fn a_run_interrupted_anywhere_and_resumed_is_the_same_run() {
    let whole = tempfile::tempdir().unwrap();
    let patient = Impatient::new(u64::MAX);
    let expected = timeless(train(whole.path(), plugins(Box::new(MeanLoss)), &patient).unwrap());
    let questions = patient.asked.load(Ordering::SeqCst);
    for patience in 0..questions {
        let folder = tempfile::tempdir().unwrap();
        let impatient = Impatient::new(patience);
        let stopped = train(folder.path(), plugins(Box::new(MeanLoss)), &impatient);
        assert!(matches!(stopped, Err(Error::Cancelled)), "after {patience} questions");
        let patient = Impatient::new(u64::MAX);
        let resumed = train(folder.path(), plugins(Box::new(MeanLoss)), &patient).unwrap();
        assert_eq!(timeless(resumed), expected, "stopped after {patience} questions");
    }
}

fn check_refused(scores: Vec<Score>, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let patient = Impatient::new(u64::MAX);
    let error = train(folder.path(), plugins(Box::new(Says(scores))), &patient).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_scorers_bad_answers_name_the_scorer() {
    check_refused(
        vec![Score::eligible(1.0)],
        "plugin `mean-loss` 1.0.0: score: returned 1 scores for 60 samples",
    );
    let mut scores = vec![Score::eligible(1.0); 60];
    scores[17] = Score::eligible(f64::NAN);
    check_refused(
        scores,
        "plugin `mean-loss` 1.0.0: score: the score of sample 17 is NaN, expected a finite number of 0 \
         or more\nhint: return `Score::ineligible` where no score can be made",
    );
    check_refused(
        vec![Score::ineligible(f64::NAN); 60],
        "epoch 0: none of 60 candidates is eligible, so there is nothing to train on\nhint: look at \
         epochs/0/scores.jsonl of an earlier epoch, or at `iterit-host score`; samples whose \
         response is cut off or whose score is 1 or more cannot be picked",
    );
}

/// Asks a service about some samples and returns the answers for comparison.
type Ask = fn(&Host<'_>, &[SampleId]) -> String;

#[test]
fn what_was_asked_before_costs_no_forward_pass_until_the_model_changes() {
    use iterit_sdk::{Conditioning, Pooling};
    const FIRST: Embedding = Embedding { pooling: Pooling::Mean, layer: 0 };
    const LAST: Embedding = Embedding { pooling: Pooling::Mean, layer: -1 };
    let questions: [(Ask, u64); 6] = [
        (|host, ids| format!("{:?}", host.response_nll(Model::Current, ids)), 2),
        (|host, ids| format!("{:?}", host.token_nll(Model::Current, ids, Conditioning::Prompt)), 1),
        (
            |host, ids| format!("{:?}", host.token_nll(Model::Current, ids, Conditioning::Nothing)),
            1,
        ),
        (|host, ids| format!("{:?}", host.logit_statistics(Model::Current, ids)), 1),
        (|host, ids| format!("{:?}", host.embeddings(Model::Current, ids, FIRST)), 1),
        (|host, ids| format!("{:?}", host.embeddings(Model::Current, ids, LAST)), 1),
    ];
    let (corpus, patient) = (corpus(), Impatient::new(u64::MAX));
    let learner = FakeLearner::default();
    let passes = learner.passes.clone();
    let models = Models::new(Box::new(learner));
    let table = ScoreTable::default();
    let history = History { table: &table, selections: &[] };
    let lender =
        Lender { corpus: &corpus, models: &models, seed: 7, threads: 1, observer: &patient };
    let ask = |question: Ask, ids: &[SampleId]| {
        let before = passes.load(Ordering::SeqCst);
        let answer = lender.lend(history, "asks", ids.len(), |host| question(host, ids));
        assert!(answer.starts_with("Ok("), "{answer}");
        (answer, passes.load(Ordering::SeqCst) - before)
    };
    for (question, texts) in questions {
        let (first, cost) = ask(question, &[4, 0, 9]);
        assert_eq!(cost, 3 * texts);
        assert_eq!(ask(question, &[4, 0, 9]), (first.clone(), 0), "another scorer asks the same");
        assert_eq!(ask(question, &[9, 5]).1, texts, "only sample 5 is new");
        models.change(|_| ());
        assert_eq!(ask(question, &[4, 0, 9]), (first, 3 * texts), "the model may be another");
    }
}

#[test]
fn a_run_answers_every_call() {
    let (corpus, patient) = (corpus(), Impatient::new(u64::MAX));
    let models = Models::new(Box::<FakeLearner>::default());
    let table = ScoreTable::default();
    let history = History { table: &table, selections: &[] };
    let lender =
        Lender { corpus: &corpus, models: &models, seed: 7, threads: 1, observer: &patient };
    for call in Call::ALL {
        let answer = lender.lend(history, "asks", 1, |host| call.make(host.services()));
        answer.unwrap_or_else(|error| panic!("{}: {error}", call.name()));
    }
}

/// Remembers a number of bytes, and counts how often it was asked for budgets.
struct Heavy {
    memory: Vec<u8>,
    asked: Arc<AtomicU64>,
}

impl UpdateStrategy for Heavy {
    fn budgets(&self, run: &RunShape) -> iterit_sdk::Result<Vec<u64>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(vec![run.budget; run.epochs as usize])
    }

    fn plan(&mut self, _: &Host<'_>, epoch: &Epoch) -> iterit_sdk::Result<Update> {
        self.memory.extend([epoch.epoch as u8; 100_000]);
        Ok(everything(epoch))
    }

    fn save(&self) -> iterit_sdk::Result<Vec<u8>> {
        Ok(self.memory.clone())
    }

    fn restore(&mut self, state: &[u8]) -> iterit_sdk::Result<()> {
        self.memory = state.to_vec();
        Ok(())
    }
}

/// It stood in `state.json` as a number a line.
#[test]
fn what_a_plugin_remembers_is_a_file_of_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let heavy = || PluginSet {
        strategy: named("heavy", Box::new(Heavy { memory: Vec::new(), asked: Arc::default() })),
        ..plugins(Box::new(MeanLoss))
    };
    train(folder.path(), heavy(), &Impatient::new(u64::MAX)).unwrap();
    let checkpoint = folder.path().join("checkpoints/step-9");
    let saved = std::fs::read(checkpoint.join("plugins/heavy")).unwrap();
    assert_eq!(saved, [[0; 100_000], [1; 100_000], [2; 100_000]].concat());
    assert_eq!(std::fs::read(checkpoint.join("plugins/mean-loss")).unwrap(), b"");
    let state = std::fs::read_to_string(checkpoint.join("state.json")).unwrap();
    assert!(!state.contains("plugin_states"), "{state}");

    // One that an earlier version wrote is read as well.
    std::fs::remove_dir_all(checkpoint.join("plugins")).unwrap();
    let state = state.replacen('{', "{\"plugin_states\": [[\"heavy\", [7, 8]]],", 1);
    std::fs::write(checkpoint.join("state.json"), state).unwrap();
    let error = train(folder.path(), heavy(), &Impatient::new(u64::MAX)).unwrap_err().to_string();
    assert!(
        error.starts_with("the checkpoint holds no state of plugin `mean-loss`\nhint"),
        "{error}"
    );
}

/// They were asked for at every step, and the whole corpus was summed each time.
#[test]
fn budgets_are_asked_for_before_the_first_step_only() {
    let folder = tempfile::tempdir().unwrap();
    let asked = Arc::<AtomicU64>::default();
    let strategy = Heavy { memory: Vec::new(), asked: asked.clone() };
    let plugins =
        PluginSet { strategy: named("heavy", Box::new(strategy)), ..plugins(Box::new(MeanLoss)) };
    let options = RunOptions { tokens: Some(300), ..options() };
    let record = train_with(folder.path(), plugins, options, &Impatient::new(u64::MAX)).unwrap();
    assert!(record.steps.len() > 3, "{}", record.steps.len());
    assert!(record.steps.is_sorted_by(|a, b| a.step < b.step));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
