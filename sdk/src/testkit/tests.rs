//! The suites on plugins with one flaw each: a good plugin passes, and every flaw is found by the
//! check that was made for it.

use super::{FakeHost, Subject, Verdict};
use crate::{
    Action, Call, ComplexityScorer, DiversityScorer, Epoch, ErrorKind, Host, Model, Plugin, Result,
    RunShape, SampleId, Score, ScoreRow, Service, Services, Tap, Tapped, Update, UpdateStrategy,
};
use serde::{Deserialize, Serialize};
use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering::SeqCst},
};

/// The one option of every plugin here: what is wrong with it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Flawed {
    flaw: String,
}

#[track_caller]
fn check(verdicts: &[Verdict], flaw: &str, expected: &[&str]) {
    let found: Vec<_> =
        verdicts.iter().filter(|verdict| verdict.failure.is_some()).map(|v| v.check).collect();
    assert_eq!(found, expected, "flaw `{flaw}`: {verdicts:#?}");
}

fn options(flaw: &str) -> String {
    format!("{{\"flaw\": {flaw:?}}}")
}

struct Losses {
    flaw: String,
    calls: AtomicU64,
    first: Mutex<Vec<(SampleId, f64)>>,
}

impl Plugin for Losses {
    type Options = Flawed;
    const SERVICES: &'static [Service] = &[Service::ResponseNll];

    fn new(Flawed { flaw }: Flawed) -> Result<Self> {
        Ok(Self { flaw, calls: AtomicU64::new(0), first: Mutex::default() })
    }
}

impl Losses {
    fn value(&self, host: &Host<'_>, id: SampleId) -> Result<f64> {
        let losses = host.response_nll(Model::Current, &[id]);
        if self.flaw == "hides errors" && losses.is_err() {
            return Ok(1.0);
        }
        if self.flaw == "rewords errors" && losses.is_err() {
            return Err(crate::Error::msg("no luck"));
        }
        let value = losses?[0].conditional.mean();
        let mut first = self.first.lock().unwrap();
        match first.iter().find(|(known, _)| *known == id) {
            Some((_, known)) if self.flaw == "caches" => return Ok(*known),
            Some(_) => {}
            None => first.push((id, value)),
        }
        Ok(value)
    }
}

impl ComplexityScorer for Losses {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        let call = self.calls.fetch_add(1, SeqCst) as f64;
        let mut scores = Vec::new();
        for (done, &id) in ids.iter().enumerate() {
            let value = self.value(host, id)?;
            let value = match self.flaw.as_str() {
                "counts calls" => value + call,
                "looks around" => value + ids.len() as f64,
                _ => value,
            };
            let value = if self.flaw == "refuses all" { f64::NAN } else { value };
            scores.push(match value.is_nan() && self.flaw != "returns NaN" {
                true => Score::ineligible(value),
                false => Score::eligible(value),
            });
            match self.flaw.as_str() {
                "reports backwards" => host.progress((ids.len() - done) as u64, ids.len() as u64),
                _ => host.progress(done as u64, ids.len() as u64),
            }
        }
        match self.flaw.as_str() {
            "drops one" => drop(scores.pop()),
            "asks for more" => drop(host.response_nll(Model::Current, &[0])?),
            "asks undeclared" => drop(host.logit_statistics(Model::Current, ids)?),
            "panics" => panic!("on purpose"),
            _ => {}
        }
        Ok(scores)
    }
}

#[test]
fn finds_each_flaw_of_a_complexity_scorer() {
    for (flaw, expected) in [
        ("", &[][..]),
        (
            "counts calls",
            &[
                "scores a sample alike in any company",
                "can be called in parallel",
                "goes on after a restore",
            ],
        ),
        ("refuses all", &["lets some sample be picked", "follows the current model"]),
        ("looks around", &["scores a sample alike in any company"]),
        ("caches", &["follows the current model", "goes on after a restore"]),
        ("asks for more", &["asks only for its samples"]),
        ("hides errors", &["passes errors of the host on", "stops when cancelled"]),
        ("rewords errors", &["passes errors of the host on", "stops when cancelled"]),
        ("reports backwards", &["reports progress forwards"]),
    ] {
        let subject = Subject::complexity::<Losses>().with_options(&options(flaw));
        check(&subject.verdicts(), flaw, expected);
    }
    for flaw in ["drops one", "returns NaN", "asks undeclared", "panics"] {
        let subject = Subject::complexity::<Losses>().with_options(&options(flaw));
        let first = &subject.verdicts()[0];
        assert!(first.failure.is_some(), "flaw `{flaw}`");
    }
}

/// The squared distance to the nearest pick in a line of numbers.
struct Line {
    flaw: String,
    places: Vec<f64>,
    picked: Vec<usize>,
}

impl Plugin for Line {
    type Options = Flawed;

    fn new(Flawed { flaw }: Flawed) -> Result<Self> {
        Ok(Self { flaw, places: Vec::new(), picked: Vec::new() })
    }
}

impl DiversityScorer for Line {
    fn begin(&mut self, host: &Host<'_>, candidates: &[SampleId]) -> Result<()> {
        let places = host
            .token_counts(candidates)
            .map(|counts| counts.iter().map(|count| f64::from(count.response + 1)).collect());
        self.places = match self.flaw.as_str() {
            "hides errors" => places.unwrap_or_default(),
            _ => places?,
        };
        if self.flaw == "asks for more" {
            host.sample(0)?;
        }
        if self.flaw != "remembers" {
            self.picked.clear();
        }
        Ok(())
    }

    fn gain(&self, candidate: usize) -> Result<f64> {
        let here = self.places[candidate];
        let distance = |&pick: &usize| (self.places[pick] - here).powi(2);
        let nearest = self.picked.iter().map(distance).fold(1e6, f64::min);
        match self.flaw.as_str() {
            "rises" => Ok(nearest + self.picked.len() as f64 * 1e3),
            "is negative" => Ok(-nearest - 1.0),
            _ => Ok(nearest),
        }
    }

    fn gains(&self, candidates: &[u32], gains: &mut [f64]) -> Result<()> {
        for (place, &candidate) in candidates.iter().enumerate() {
            let candidate =
                if self.flaw == "ignores the list" { place } else { candidate as usize };
            gains[place] = self.gain(candidate)?;
        }
        Ok(())
    }

    fn pick(&mut self, candidate: usize) -> Result<()> {
        self.picked.push(candidate);
        Ok(())
    }

    fn gains_never_rise(&self) -> bool {
        true
    }
}

#[test]
fn finds_each_flaw_of_a_diversity_scorer() {
    for (flaw, expected) in [
        ("", &[][..]),
        ("rises", &["never raises a gain if it says so"]),
        ("remembers", &["forgets earlier picks at begin", "goes on after a restore"]),
        ("asks for more", &["asks only for its candidates"]),
        ("hides errors", &["passes errors of the host on", "stops when cancelled"]),
        ("ignores the list", &["gives one gain as it gives many"]),
    ] {
        let subject = Subject::diversity::<Line>().with_options(&options(flaw));
        check(&subject.verdicts(), flaw, expected);
    }
    let subject = Subject::diversity::<Line>().with_options(&options("is negative"));
    let failure = subject.verdicts().remove(0).failure.unwrap();
    assert!(failure.starts_with("gains: the gain of sample 3 is -1000001, expected"), "{failure}");
}

/// Scores all at first, then only what was picked; picks the samples scored so far.
struct Picker {
    flaw: String,
    epochs: u32,
}

impl Plugin for Picker {
    type Options = Flawed;

    fn new(Flawed { flaw }: Flawed) -> Result<Self> {
        Ok(Self { flaw, epochs: 0 })
    }
}

impl UpdateStrategy for Picker {
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
        let budget = if self.flaw == "promises more" { run.num_samples } else { run.budget };
        let missing = usize::from(self.flaw == "forgets an epoch");
        Ok(vec![budget; (run.epochs as usize).saturating_sub(missing)])
    }

    fn plan(&mut self, host: &Host<'_>, epoch: &Epoch) -> Result<Update> {
        self.epochs += 1;
        let mut candidates: Vec<_> = (0..epoch.run.num_samples).collect();
        let rows = host.scores();
        let rows: Vec<ScoreRow> = match self.flaw.as_str() {
            "hides errors" => rows.unwrap_or_default(),
            _ => rows?,
        };
        let rescore = match rows.is_empty() {
            true => candidates.clone(),
            false => rows.iter().filter(|row| row.eligible).map(|row| row.id).collect(),
        };
        match self.flaw.as_str() {
            "invents an id" => candidates.push(epoch.run.num_samples),
            "counts plans" => candidates.rotate_left(usize::from(self.epochs.is_multiple_of(2))),
            _ => {}
        }
        let keeps = self.flaw == "keeps nothing" && epoch.epoch == 0;
        let action = if keeps { Action::Keep } else { Action::Pick { budget: epoch.run.budget } };
        Ok(Update { rescore, candidates, action })
    }
}

#[test]
fn finds_each_flaw_of_a_strategy() {
    const PLANS: [&str; 4] = [
        "plans what its budgets say",
        "plans the same again",
        "passes errors of the host on",
        "goes on after a restore",
    ];
    for (flaw, expected) in [
        ("", &[][..]),
        ("forgets an epoch", &["gives each epoch a budget", "plans what its budgets say"]),
        ("promises more", &["plans what its budgets say"]),
        ("invents an id", &PLANS),
        ("keeps nothing", &PLANS),
        ("hides errors", &["passes errors of the host on"]),
        ("counts plans", &["goes on after a restore"]),
    ] {
        let subject = Subject::strategy::<Picker>().with_options(&options(flaw));
        check(&subject.verdicts(), flaw, expected);
    }
}

/// Options that take anything.
struct Careless;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct AnyOptions {
    size: u32,
}

impl Plugin for Careless {
    type Options = AnyOptions;

    fn new(_: AnyOptions) -> Result<Self> {
        Ok(Self)
    }
}

impl ComplexityScorer for Careless {
    fn score(&self, _: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        Ok(vec![Score::eligible(1.0); ids.len()])
    }
}

#[test]
fn finds_options_that_take_anything_unless_told_not_to_look() {
    let subject = Subject::complexity::<Careless>();
    check(&subject.verdicts(), "takes anything", &["refuses unknown options"]);
    Subject::complexity::<Careless>().except(&["refuses unknown options"]).assert_conforms();
}

crate::conformance!(the_macro_makes_a_test: complexity Careless, except: ["refuses unknown options"]);

/// Asks and reports, and hides what it is answered.
struct Asks;

impl Plugin for Asks {
    type Options = AnyOptions;

    fn new(_: AnyOptions) -> Result<Self> {
        Ok(Self)
    }
}

impl ComplexityScorer for Asks {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        host.progress(0, 1);
        host.token_counts(ids)?;
        Ok(vec![Score::eligible(1.0); ids.len()])
    }
}

/// Asserts that an error says this, and that the README's table of failures says so too; `…` stands
/// for the place of a panic.
#[track_caller]
fn said(error: &crate::Error, words: &str) {
    assert!(include_str!("../../README.md").contains(words), "the README does not say `{words}`");
    let (begin, end) = words.split_once('…').expect("a place");
    let message = error.message();
    assert!(message.starts_with(begin) && message.contains(end), "{message}, expected {words}");
}

#[test]
fn a_panic_in_a_service_is_the_hosts_error_and_no_fault_of_the_plugin() {
    let scorer = super::complexity::<Asks>("").unwrap();
    for service in ["token_counts", "progress"] {
        let host = FakeHost::new(1).panicking_in(service);
        let error = scorer.score(&Host::new(&host), &[1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Host);
        let begins = format!("the host's service `{service}` panicked at ");
        assert!(error.message().starts_with(&begins), "{error}");
    }
    let host = FakeHost::new(1).panicking_in("token_counts");
    said(
        &scorer.score(&Host::new(&host), &[1]).unwrap_err(),
        "the host's service `token_counts` panicked at …: the fake host was told to panic",
    );
    assert!(scorer.score(&Host::new(&FakeHost::new(1)), &[1]).is_ok(), "the plugin can go on");
}

#[test]
fn an_object_that_panicked_is_not_called_again() {
    let scorer = super::complexity::<Losses>(&options("panics")).unwrap();
    let score = || scorer.score(&Host::new(&FakeHost::new(1)), &[1]).unwrap_err();
    assert!(score().message().starts_with("panicked at "));
    let again = score();
    assert_eq!(again.kind(), ErrorKind::Panic);
    said(&again, "unusable since an earlier call panicked at …: on purpose");
}

/// Makes every call there is.
struct AsksAll;

impl Plugin for AsksAll {
    type Options = AnyOptions;

    fn new(_: AnyOptions) -> Result<Self> {
        Ok(Self)
    }
}

impl ComplexityScorer for AsksAll {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        Call::ALL.iter().try_for_each(|call| call.make(host.services()))?;
        Ok(vec![Score::eligible(1.0); ids.len()])
    }
}

/// Writes down every call, without those that one call makes to have something to ask about.
#[derive(Default)]
struct Recorder(Mutex<Vec<Call>>);

impl Tap for Recorder {
    fn pass<T>(&self, call: Call, work: impl FnOnce() -> T) -> T {
        self.0.lock().unwrap().push(call);
        work()
    }
}

impl Recorder {
    fn heard(&self) -> Vec<Call> {
        let mut heard: Vec<Call> = Vec::new();
        let all = self.0.lock().unwrap();
        all.iter().for_each(|call| {
            if !heard.contains(call) {
                heard.push(*call)
            }
        });
        heard
    }
}

/// A service that one of them forgets falls to its default body there, and is not heard below.
#[test]
fn every_call_passes_the_boundary_and_a_tap_to_the_host() {
    let scorer = super::complexity::<AsksAll>("").unwrap();
    let (host, below, above) = (FakeHost::new(1), Recorder::default(), Recorder::default());
    let host = Tapped::new(&host, &below);
    let host = Tapped::new(&host, &above);
    scorer.score(&Host::new(&host), &[1]).unwrap();
    assert_eq!(above.heard(), Call::ALL, "the calls that passed the boundary");
    assert_eq!(below.heard(), Call::ALL, "the calls that passed a tap");
}

#[test]
fn the_fake_host_answers_every_call() {
    let host: &dyn Services = &FakeHost::new(1);
    for call in Call::ALL {
        call.make(host).unwrap_or_else(|error| panic!("{}: {error}", call.name()));
    }
}
