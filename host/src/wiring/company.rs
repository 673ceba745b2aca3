//! The processes that share a run's models: what rank 0 gets from them, and what the others do all the time.

use super::model::{checked, model, proxy};
use super::{SharedBase, models, threads_of};
use crate::ranks::{First, Other, Part, Spawned};
use iterit_core::config::{AddedTokens, Config, OnResume, on_resume};
use iterit_core::corpus::Corpus;
use iterit_core::learner::Watch;
use iterit_core::models::Models;
use iterit_core::observer::{Observer, Phase};
use iterit_core::record::EpochRecord;
use iterit_core::sdk::LogLevel;
use iterit_core::tokenizer::Tokenizer;
use iterit_core::{Error, Result};
use iterit_torch::{Card, Fleet, Rendezvous, Way};
use std::num::NonZeroUsize;

/// This process as rank 0, or alone; where it has started the others, they end when this goes.
pub(crate) struct Company {
    /// Until all have met.
    at: Option<Rendezvous>,
    _spawned: Option<Spawned>,
    ranks: usize,
    threads: usize,
}

impl Company {
    /// Takes part as the environment says or `--ranks` asks, on the device that `config` then names. Nothing in a
    /// process that was another rank than 0, which has done its share by then.
    ///
    /// # Errors
    /// What [`Part::take`] refuses; in another rank whatever ended it.
    pub(crate) fn gather(ranks: Option<NonZeroUsize>, config: &mut Config) -> Result<Option<Self>> {
        let part = Part::take(ranks)?;
        config.model.device = part.device(config.model.device);
        let (ranks, threads) = (part.ranks(), threads_of(part.on_this_machine()));
        let (at, spawned) = match part {
            Part::Alone => (None, None),
            Part::First(First { at, spawned, .. }) => (Some(at), spawned),
            Part::Other(Other { at, .. }) => {
                serve(at, config, threads)?;
                return Ok(None);
            }
        };
        Ok(Some(Self { at, _spawned: spawned, ranks, threads }))
    }

    /// How many processes there are.
    pub(crate) fn ranks(&self) -> usize {
        self.ranks
    }

    /// Threads that each of them works on.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// The models, shared by all; to be had once.
    ///
    /// # Errors
    /// Those of loading them; a rank that does not come, or has others.
    pub(crate) fn models(
        &mut self,
        config: &Config,
        corpus: &Corpus,
        observer: &dyn Observer,
    ) -> Result<Models> {
        if self.at.is_none() {
            return models(config, corpus, self.threads, observer);
        }
        let loaded = checked(&SharedBase::default(), config, corpus, self.threads, observer)?;
        let (learner, (proxy, proxy_corpus)) = (loaded.0, loaded.1.unzip());
        let learners = [Some(learner), proxy].into_iter().flatten().collect();
        let at = self.at.take().expect("looked at above");
        let fleets = Fleet::join(learners, card(config)?, at)?;
        if let Some(way) = fleets.first().and_then(Fleet::way) {
            tell(&way, observer);
        }
        let mut fleets = fleets.into_iter();
        let mut next = || Box::new(fleets.next().expect("as many as there were learners"));
        let models = Models::new(next());
        Ok(match proxy_corpus {
            None => models,
            Some(corpus) => models.with_proxy(next(), corpus),
        })
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        if let Some(at) = &self.at {
            at.give_up(&Error::Run(
                "it ended before the ranks had met, and says why itself".into(),
            ));
        }
    }
}

/// Says once how tensors go between GPUs.
fn tell(way: &Way, observer: &dyn Observer) {
    match way {
        Way::Nccl(version) => {
            let message = format!("gradients and weights go between the GPUs by NCCL {version}");
            observer.say(LogLevel::Info, "", &message);
        }
        Way::MainMemory(why) => {
            let message = format!("gradients and weights go through main memory: {why}");
            observer.say(LogLevel::Warn, "", &message);
        }
    }
}

/// The same models, until rank 0 is done with them.
fn serve(at: Rendezvous, config: &Config, threads: usize) -> Result<()> {
    let load = || -> Result<_> {
        let tokenizer = match config.model.added_tokens {
            AddedTokens::Grow => Some(Tokenizer::open(config.model_path()?)?),
            _ => None,
        };
        let learner = model(config, tokenizer.as_ref(), threads, &Silent)?;
        let proxy = proxy(config, threads, &Silent).transpose()?;
        Ok(([Some(learner), proxy].into_iter().flatten().collect(), card(config)?))
    };
    let (learners, card) = load().inspect_err(|error| at.give_up(error))?;
    iterit_torch::serve(learners, card, at)
}

/// What all ranks of a run must have in common besides their weights: the program, libtorch, and every key of the
/// configuration that a result depends on, if only in its last digits.
fn card(config: &Config) -> Result<Card> {
    let program = std::env::current_exe().map_err(Error::io("find", "this program"))?;
    let mut card = Card::from([
        ("iterit".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("the program of sha256".to_owned(), super::sha256(&program)?),
        ("libtorch".to_owned(), iterit_torch::libtorch_build()),
    ]);
    // Each rank has a device of its own.
    let counts = |key: &String| key != "model.device" && on_resume(key) != OnResume::Free;
    let keys = config.by_key().into_iter().filter(|(key, _)| counts(key));
    card.extend(keys.map(|(key, value)| (key, value.to_string())));
    Ok(card)
}

/// What is to be told rank 0 tells.
struct Silent;

impl Watch for Silent {
    fn progress(&self, _: u64, _: u64) {}
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl Observer for Silent {
    fn begin(&self, _: Phase, _: Option<u32>) {}
    fn end(&self, _: Phase) {}
    fn epoch(&self, _: &EpochRecord) {}
    fn say(&self, _: LogLevel, _: &str, _: &str) {}
}
