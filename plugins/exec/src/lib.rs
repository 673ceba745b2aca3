//! The `exec` and `exec-loss` plugins: a complexity scorer in any language, in a process of its own.
//!
//! Here are the options and the asking; [`protocol`] says what is written, [`process`] keeps the
//! child, [`pipes`] what passes to and fro.

pub mod pipes;

pub mod process;
pub mod protocol;

use iterit_sdk::{
    ComplexityScorer, Error, Host, Model, Plugin, ResponseNll, Result, Sample, SampleId, Score,
    Service,
};
use process::Process;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
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
        // In one call, so that the host can batch as it likes.
        let losses = losses_of(ids)?;
        let mut kept = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out while it works: a process that failed, or still owes an answer, is not kept.
        let mut process = match kept.take() {
            Some(process) => process,
            None => Process::start(&self.command)?,
        };
        let mut scores = Vec::with_capacity(ids.len());
        for places in protocol::questions(ids.len(), self.batch) {
            host.check_cancelled()?;
            let asked = &ids[places.clone()];
            let samples: Vec<Sample> =
                asked.iter().map(|&id| host.sample(id)).collect::<Result<_>>()?;
            let losses = losses.as_deref().map(|losses| &losses[places]);
            let question = protocol::question(&samples, losses)?;
            let answer = process.ask(question, self.limit, || host.check_cancelled())?;
            process.complaints().iter().for_each(|line| host.info(line));
            scores.extend(protocol::scores(&answer, asked)?);
            host.progress(scores.len() as u64, ids.len() as u64);
        }
        process.check_in_step()?;
        *kept = Some(process);
        Ok(scores)
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

    /// A scorer in Python that answers every question and then runs `afterwards`.
    fn answers_then(afterwards: &str, batch: usize) -> Exec {
        let script = format!(
            "import json, sys\nfor line in sys.stdin:\n    rows = json.loads(line)['samples']\n    \
             ids = [row['id'] for row in rows]\n    answer = json.dumps({{'scores': ids}})\n    \
             print(answer, flush=True)\n    {afterwards}"
        );
        let command = ["python3".into(), "-c".into(), script].into();
        Exec::new(Options { command, batch, ..Options::default() }).unwrap()
    }

    /// Scores taken for other samples than they were made for were accepted without a word.
    #[test]
    fn answers_out_of_step_are_refused() {
        let host = FakeHost::new(1);
        let ids: Vec<SampleId> = (0..30).collect();
        let expected: Vec<Score> = (0..30).map(|id| Score::eligible(id.into())).collect();
        for batch in [1, 2, 7, 10, 30, 256] {
            let sound = answers_then("pass", batch);
            assert_eq!(sound.score(&Host::new(&host), &ids).unwrap(), expected, "{batch}");
        }
        for batch in [2, 7, 10, 30, 256] {
            for (afterwards, words) in [
                ("print('done', flush=True)", ["wrote a line to stdout", "answered `done`"]),
                ("print(answer, flush=True)", ["wrote a line to stdout", "the scorer gave "]),
            ] {
                let scorer = answers_then(afterwards, batch);
                let error = scorer.score(&Host::new(&host), &ids).unwrap_err();
                let is_told = words.iter().any(|words| error.message().contains(words));
                assert!(is_told, "{batch}, {afterwards}: {error}");
            }
        }
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
