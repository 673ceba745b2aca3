//! The `exec` and `exec-loss` plugins: a complexity scorer in any language, in a process of its own.
//!
//! Here are the options and the asking; [`protocol`] says what is written, [`process`] keeps the child.

pub mod protocol;

pub mod process;

use iterit_sdk::{
    ComplexityScorer, Error, Host, Model, Plugin, ResponseNll, Result, Sample, SampleId, Score,
    Service,
};
use process::Process;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::time::Duration;

/// The options of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The program and its arguments; it must be set.
    pub command: Vec<String>,
    /// How long the program may take for one batch.
    pub timeout_seconds: f64,
    /// How many samples it is given at once.
    pub batch: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { command: Vec::new(), timeout_seconds: 60.0, batch: 256 }
    }
}

/// Scores by what the program makes of a sample's text.
#[derive(Debug)]
pub struct Exec(Scorer);

impl Plugin for Exec {
    type Options = Options;

    fn new(options: Options) -> Result<Self> {
        Ok(Self(Scorer::new(options, "exec")?))
    }
}

impl ComplexityScorer for Exec {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        self.0.score(host, ids, |_| Ok(None))
    }
}

/// Scores by what the program makes of a sample's text and of the model's losses on it.
#[derive(Debug)]
pub struct ExecLoss(Scorer);

impl Plugin for ExecLoss {
    type Options = Options;
    const SERVICES: &'static [Service] = &[Service::ResponseNll];

    fn new(options: Options) -> Result<Self> {
        Ok(Self(Scorer::new(options, "exec-loss")?))
    }
}

impl ComplexityScorer for ExecLoss {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        self.0.score(host, ids, |ids| host.response_nll(Model::Current, ids).map(Some))
    }
}

/// The program, started when it is first needed and kept until it fails.
#[derive(Debug)]
struct Scorer {
    command: Vec<String>,
    limit: Duration,
    batch: usize,
    process: Mutex<Option<Process>>,
}

impl Scorer {
    fn new(options: Options, name: &str) -> Result<Self> {
        let Options { command, timeout_seconds, batch } = options;
        if command.is_empty() {
            return Err(Error::options(format!(
                "`command` is not set, expected a program and its arguments\nhint: --set \
                 'plugins.{name}.command=[\"python3\", \"scorer.py\"]'"
            )));
        }
        if batch == 0 {
            return Err(Error::options("`batch` is 0, expected 1 sample or more"));
        }
        let limit = Duration::try_from_secs_f64(timeout_seconds).map_err(|_| {
            Error::options(format!("`timeout_seconds` is {timeout_seconds}, expected 0 or more"))
        })?;
        Ok(Self { command, limit, batch, process: Mutex::default() })
    }

    fn score(
        &self,
        host: &Host<'_>,
        ids: &[SampleId],
        losses_of: impl Fn(&[SampleId]) -> Result<Option<Vec<ResponseNll>>>,
    ) -> Result<Vec<Score>> {
        let (mut scores, total) = (Vec::with_capacity(ids.len()), ids.len() as u64);
        // In one call, so that the host can batch as it likes.
        let losses = losses_of(ids)?;
        for (piece, ids) in ids.chunks(self.batch).enumerate() {
            host.check_cancelled()?;
            let samples: Vec<Sample> =
                ids.iter().map(|&id| host.sample(id)).collect::<Result<_>>()?;
            let start = piece * self.batch;
            let losses = losses.as_deref().map(|losses| &losses[start..start + ids.len()]);
            let answer = self.ask(host, protocol::question(&samples, losses)?)?;
            scores.extend(protocol::scores(&answer, ids.len())?);
            host.progress(scores.len() as u64, total);
        }
        Ok(scores)
    }

    fn ask(&self, host: &Host<'_>, question: String) -> Result<String> {
        let mut kept = self.process.lock().expect("no thread panics while it asks");
        // Taken out while it works: a process that failed, or still owes an answer, is not kept.
        let mut process = match kept.take() {
            Some(process) => process,
            None => Process::start(&self.command)?,
        };
        let answer = process.ask(question, self.limit, || host.check_cancelled())?;
        process.complaints().for_each(|line| host.info(line));
        *kept = Some(process);
        Ok(answer)
    }
}

iterit_sdk::export_plugin! {
    complexity: { "exec" => Exec, "exec-loss" => ExecLoss },
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::{Services, testkit::FakeHost, testkit::Subject};

    fn python(example: &str) -> Options {
        let script = format!("{}/examples/{example}", env!("CARGO_MANIFEST_DIR"));
        Options { command: vec!["python3".into(), script], ..Options::default() }
    }

    #[test]
    fn exec_conforms() {
        let options = serde_json::to_string(&python("length.py")).unwrap();
        Subject::complexity::<Exec>().with_options(&options).assert_conforms();
    }

    #[test]
    fn exec_loss_conforms() {
        let options = serde_json::to_string(&python("ifd.py")).unwrap();
        Subject::complexity::<ExecLoss>().with_options(&options).assert_conforms();
    }

    #[test]
    fn python_and_rust_agree() {
        let host = FakeHost::new(1);
        let ids: Vec<SampleId> = (0..30).collect();
        let options = |example| Options { batch: 7, ..python(example) };
        let (words, ifd) = (options("length.py"), options("ifd.py"));
        let words = Exec::new(words).unwrap().score(&Host::new(&host), &ids).unwrap();
        let ifd = ExecLoss::new(ifd).unwrap().score(&Host::new(&host), &ids).unwrap();
        let losses = host.response_nll(Model::Current, &ids).unwrap();
        for (at, &id) in ids.iter().enumerate() {
            let response = host.sample(id).unwrap().response;
            assert_eq!(words[at].value, response.split_whitespace().count() as f64);
            let nll = losses[at];
            let expected = (nll.conditional.mean() - nll.unconditional.mean()).exp();
            if nll.conditional.tokens == 0 {
                assert!(ifd[at].value.is_nan() && !ifd[at].eligible);
            } else {
                assert!((ifd[at].value - expected).abs() < 1e-12 * expected);
                assert_eq!(ifd[at].eligible, expected < 1.0);
            }
        }
    }

    #[test]
    fn a_scorer_that_fails_once_is_started_anew() {
        let command = ["sh", "-c", "read -r line; echo '{\"scores\": [1]}'"].map(String::from);
        let plugin = Exec::new(Options { command: command.into(), ..Options::default() }).unwrap();
        let host = FakeHost::new(1);
        let score = || plugin.score(&Host::new(&host), &[3]);
        assert_eq!(score().unwrap(), [Score::eligible(1.0)]);
        let error = score().unwrap_err();
        assert!(error.message().contains("ended (exit status: 0) before it answered"), "{error}");
        assert_eq!(score().unwrap(), [Score::eligible(1.0)]);
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        let sound = python("length.py");
        for options in [
            Options::default(),
            Options { batch: 0, ..sound.clone() },
            Options { timeout_seconds: -1.0, ..sound.clone() },
            Options { timeout_seconds: f64::NAN, ..sound },
        ] {
            assert!(Exec::new(options.clone()).is_err(), "{options:?}");
        }
    }
}
