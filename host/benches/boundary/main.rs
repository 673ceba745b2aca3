//! What the boundary costs: plugins loaded by the host's own loader, against the same code linked in.
//!
//! `cargo xtask boundary` runs it. Both sides answer the same questions in turn, and of each side the
//! fastest of many rounds counts. Everything is driven through the traits that the core sees, so what
//! is timed is what a run pays: conversions, guards against panics, and the watchdog.

#[allow(dead_code, unused_imports)]
#[path = "../../src/plugins/mod.rs"]
mod plugins;

mod demo;

use demo::Demo;
use iterit_core::greedy::{self, Budget, Candidate, Ties};
use iterit_core::sdk::testkit::FakeHost;
use iterit_core::sdk::{
    Action, ComplexityScorer, DiversityScorer, Epoch, Host, Plugin, RunShape, SampleId,
    UpdateStrategy,
};
use iterit_plugin_dedup::Dedup;
use iterit_plugin_diversity::Diversity;
use iterit_plugin_ifd::Ifd;
use iterit_plugin_iterative::Iterative;
use iterit_plugin_scores::Scores;
use plugins::{Loaded, SearchPath, Watchdog, find, open};
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

const SAMPLES: u64 = 50_000;

/// A plugin linked into this program, and the same one out of its library.
struct Sides<P: ?Sized> {
    linked: Box<P>,
    loaded: Box<P>,
}

impl Sides<dyn DiversityScorer> {
    /// Ready to be asked for gains.
    fn begun(mut self, host: &Host<'_>, candidates: &[SampleId]) -> Self {
        for side in [&mut self.linked, &mut self.loaded] {
            side.begin(host, candidates).expect("begin");
        }
        self
    }
}

fn main() {
    let host = FakeHost::new(1).with_samples(SAMPLES);
    let host = Host::new(&host);
    let ids: Vec<SampleId> = (0..SAMPLES).collect();
    let judged = judged();
    let its_path = format!("{{\"path\": {:?}}}", judged.path());

    let mut lookup = diversity::<Dedup>("dedup").begun(&host, &ids);
    let mut tf_idf = diversity::<Diversity>("diversity").begun(&host, &ids);
    report("gain, looked up (dedup)", 30, SAMPLES, &mut lookup, gain);
    report("gain, computed (diversity)", 30, SAMPLES, &mut tf_idf, gain);
    report("gains of 50,000, looked up (dedup)", 100, SAMPLES, &mut lookup, gains);
    report("gains of 50,000, computed (diversity)", 100, SAMPLES, &mut tf_idf, gains);

    let mut lookup = complexity::<Scores>("scores", &its_path);
    let mut asking = complexity::<Ifd>("ifd", "{}");
    let score =
        |scorer: &mut dyn ComplexityScorer| scorer.score(&host, &ids).expect("scores").len();
    report("score of 50,000, looked up (scores)", 50, SAMPLES, &mut lookup, |it| score(it));
    report("score of 50,000, asking a fake model (ifd)", 20, SAMPLES, &mut asking, |it| score(it));

    let mut trios = Sides { linked: Box::new(Trio::linked()), loaded: Box::new(Trio::loaded()) };
    let run = RunShape { num_samples: SAMPLES, epochs: 3, budget: 2_500 };
    assert_eq!(trios.linked.round(&host, run), trios.loaded.round(&host, run));
    report("a round, 2,500 of 50,000, fake model", 20, 1, &mut trios, |trio| {
        trio.round(&host, run).len()
    });

    let demo = Demo::open();
    let run = RunShape { num_samples: demo.num_samples(), epochs: 3, budget: 100 };
    report("a round, 100 of 2,000, the demo's model", 12, 1, &mut trios, |trio| {
        demo.lend(|host| trio.round(host, run).len())
    });
}

/// The three plugins of a round.
struct Trio {
    strategy: Box<dyn UpdateStrategy>,
    complexity: Box<dyn ComplexityScorer>,
    diversity: Box<dyn DiversityScorer>,
}

impl Trio {
    fn linked() -> Self {
        Self {
            strategy: Box::new(made::<Iterative>("{}")),
            complexity: Box::new(made::<Ifd>("{}")),
            diversity: Box::new(made::<Diversity>("{}")),
        }
    }

    fn loaded() -> Self {
        Self {
            strategy: library("iterative").new_strategy("{}").expect("a strategy"),
            complexity: library("ifd").new_complexity("{}").expect("a scorer"),
            diversity: library("diversity").new_diversity("{}").expect("a scorer"),
        }
    }

    /// Plans an epoch, scores what the plan says, and picks.
    fn round(&mut self, host: &Host<'_>, run: RunShape) -> Vec<SampleId> {
        let update = self.strategy.plan(host, &Epoch { epoch: 0, run }).expect("a plan");
        let Action::Pick { budget } = update.action else { panic!("the first epoch picks") };
        let scores = self.complexity.score(host, &update.rescore).expect("scores");
        let scored = update.rescore.iter().zip(&scores).filter(|(_, score)| score.eligible);
        let candidates: Vec<Candidate> =
            scored.map(|(&id, score)| Candidate { id, complexity: score.value }).collect();
        let ids: Vec<SampleId> = candidates.iter().map(|candidate| candidate.id).collect();
        self.diversity.begin(host, &ids).expect("begin");
        let picks = greedy::pick(
            Budget::Samples(budget as usize),
            Ties::default(),
            &candidates,
            &mut *self.diversity,
            &mut |_| Ok(()),
        )
        .expect("picks");
        picks.candidates.iter().map(|&pick| ids[pick]).collect()
    }
}

fn gain<D: DiversityScorer + ?Sized>(scorer: &mut D) -> usize {
    let all = (0..SAMPLES as usize).map(|candidate| scorer.gain(candidate).expect("a gain"));
    all.sum::<f64>() as usize
}

fn gains<D: DiversityScorer + ?Sized>(scorer: &mut D) -> usize {
    let candidates: Vec<u32> = (0..SAMPLES as u32).collect();
    let mut gains = vec![0.0; candidates.len()];
    scorer.gains(&candidates, &mut gains).expect("gains");
    gains.len()
}

/// Times both sides in turn, and says how long the fastest round took for each of `items`.
fn report<P: ?Sized>(
    what: &str,
    rounds: usize,
    items: u64,
    sides: &mut Sides<P>,
    work: impl Fn(&mut P) -> usize,
) {
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..rounds {
        for (fastest, side) in fastest.iter_mut().zip([&mut sides.linked, &mut sides.loaded]) {
            let started = Instant::now();
            black_box(work(side));
            *fastest = started.elapsed().min(*fastest);
        }
    }
    let [linked, loaded] = fastest.map(|it| it.as_nanos() as f64 / items as f64);
    let mut line = format!("{what:<44}");
    write!(line, "{:>14}{:>14}{:>9.3}", shown(linked), shown(loaded), loaded / linked)
        .expect("a line of text");
    writeln!(std::io::stdout(), "{line}").expect("stdout");
}

fn shown(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e4 => format!("{ns:.1} ns"),
        ns => format!("{:.2} ms", ns / 1e6),
    }
}

fn complexity<T>(name: &str, options: &str) -> Sides<dyn ComplexityScorer>
where
    T: Plugin + ComplexityScorer + 'static,
{
    let loaded = library(name).new_complexity(options).expect("a scorer");
    Sides { linked: Box::new(made::<T>(options)), loaded }
}

fn diversity<T: Plugin + DiversityScorer + 'static>(name: &str) -> Sides<dyn DiversityScorer> {
    let loaded = library(name).new_diversity("{}").expect("a scorer");
    Sides { linked: Box::new(made::<T>("{}")), loaded }
}

fn made<T: Plugin>(options: &str) -> T {
    let options = iterit_core::sdk::parse_options(options).expect("options");
    T::new(options).expect("a plugin")
}

/// A plugin out of its library, found and watched as in a run.
fn library(name: &str) -> Loaded {
    let search_path = SearchPath::new(&[]).expect("folders");
    let found = find(&[name.to_owned()], &search_path).unwrap_or_else(|error| panic!("{error}"));
    let watchdog = Watchdog::new(Duration::from_secs(600));
    open(found, &watchdog).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

/// A row a sample, as a judge would leave them.
fn judged() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    for id in 0..SAMPLES {
        writeln!(file, "{{\"id\": {id}, \"score\": {}}}", id % 97).expect("a row");
    }
    file.flush().expect("rows");
    file
}
