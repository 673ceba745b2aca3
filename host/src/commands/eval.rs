//! `eval`: what a model can do on files of one's own, as one JSON object on stdout. What it made of every
//! sample and question goes to `--out`, a JSON line each.

use crate::cli::{Eval, Generation};
use crate::progress::Screen;
use crate::ranks;
use crate::stdout;
use crate::wiring;
use iterit_core::config::{Config, Setting};
use iterit_core::evaluation::{
    self, Asking, CONFIDENCE, ChoiceQuestion, Matching, OpenQuestion, Prompter, Share,
};
use iterit_core::learner::{self, Learner, Sampling};
use iterit_core::models::Models;
use iterit_core::observer::{Observer, Phase};
use iterit_core::record::HeldOutLine;
use iterit_core::run::evaluate;
use iterit_core::{Error, Result, whole_file};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub(crate) fn run(args: &Eval, settings: &[Setting]) -> Result<()> {
    ranks::refuse("eval")?;
    let config = wiring::config(&args.common, settings)?;
    let screen = Screen::new();
    let sampling = sampling(&args.generation, config.seed)?;
    let questions = Questions::load(args)?;
    let mut told = Told::default();
    let models = match config.data.path.is_empty() && questions.are_there() {
        true => None,
        false => Some(loss(&config, &screen, &mut told)?),
    };
    if questions.are_there() {
        let asking = if args.chat { Asking::Chat } else { Asking::Plain };
        let prompter = wiring::prompter(&config, asking, &screen)?;
        let models = match models {
            Some(models) => models,
            None => {
                let threads = wiring::threads();
                let tokenizer = Some(&prompter.tokenizer);
                Models::new(Box::new(wiring::model(&config, tokenizer, threads, &screen)?))
            }
        };
        let asked = Asked { screen: &screen, prompter: &prompter };
        models
            .ask(|learner| asked.all(learner, &questions, &args.generation, sampling, &mut told))?;
    }
    if let Some(path) = &config.output.path {
        whole_file::write_json_lines(path, &told.lines)?;
    }
    stdout::line(format_args!("{:#}", Value::Object(told.summary)));
    Ok(())
}

/// The questions of all files.
struct Questions {
    choices: Option<Vec<ChoiceQuestion>>,
    open: Option<Vec<OpenQuestion>>,
}

impl Questions {
    fn load(args: &Eval) -> Result<Self> {
        let choices = args.choices.as_deref().map(ChoiceQuestion::load).transpose();
        let open = args.questions.as_deref().map(OpenQuestion::load).transpose();
        let (choices, open) = Error::both(choices, open)?;
        Ok(Self { choices, open })
    }

    fn are_there(&self) -> bool {
        self.choices.is_some() || self.open.is_some()
    }
}

/// What is printed at the end, and what goes to `--out`.
#[derive(Default)]
struct Told {
    summary: Map<String, Value>,
    lines: Vec<Value>,
}

impl Told {
    fn add(&mut self, figures: Value) {
        if let Value::Object(figures) = figures {
            self.summary.extend(figures);
        }
    }

    fn add_lines<T: Serialize>(&mut self, kind: &str, lines: &[T]) {
        self.lines.extend(lines.iter().map(|line| {
            let mut tagged = Map::from_iter([("kind".to_owned(), kind.into())]);
            if let Ok(Value::Object(line)) = serde_json::to_value(line) {
                tagged.extend(line);
            }
            Value::Object(tagged)
        }));
    }
}

/// The loss on `data.path`.
fn loss(config: &Config, screen: &Screen, told: &mut Told) -> Result<Models> {
    let corpus = wiring::corpus(config, None, screen)?;
    let models = wiring::models(config, &corpus, wiring::threads(), screen)?;
    screen.begin(Phase::Evaluating, None);
    let said = evaluate(&corpus, &models, screen);
    screen.end(Phase::Evaluating);
    let said = said?;
    let loss = evaluation::loss(&said).ok_or_else(|| {
        Error::Run(
            "no sample has a response within the model's window, so there is no loss\n\
             hint: raise model.max_length"
                .into(),
        )
    })?;
    told.add(json!({
        "loss": loss.token,
        "loss_interval": loss.token_interval,
        "perplexity": loss.token.exp(),
        "mean_sample_loss": loss.sample,
        "mean_sample_loss_interval": loss.sample_interval,
        "confidence": CONFIDENCE,
        "samples": loss.samples,
        "samples_without_loss": said.len() - loss.samples,
        "tokens": loss.tokens,
    }));
    let lines = (0..).zip(&said);
    let line =
        |(id, nll): (u64, &iterit_core::Nll)| HeldOutLine { id, nll: nll.sum, tokens: nll.tokens };
    told.add_lines("loss", &lines.map(line).collect::<Vec<_>>());
    Ok(models)
}

/// Who asks, and who watches.
struct Asked<'a> {
    screen: &'a Screen,
    prompter: &'a Prompter,
}

impl Asked<'_> {
    fn all(
        &self,
        learner: &mut dyn Learner,
        questions: &Questions,
        how: &Generation,
        sampling: Sampling,
        told: &mut Told,
    ) -> Result<()> {
        if let Some(questions) = &questions.choices {
            self.choices(learner, questions, told)?;
        }
        match &questions.open {
            Some(questions) => self.answers(learner, questions, how, sampling, told),
            None => Ok(()),
        }
    }

    fn choices(
        &self,
        learner: &mut dyn Learner,
        questions: &[ChoiceQuestion],
        told: &mut Told,
    ) -> Result<()> {
        let judged =
            self.watched(|| evaluation::choices(learner, self.prompter, questions, self.screen))?;
        let mut figures = Map::from_iter([("questions".to_owned(), questions.len().into())]);
        figures.extend(named("acc", &judged.acc));
        figures.extend(named("acc_norm", &judged.acc_norm));
        told.add(json!({"choices": figures}));
        told.add_lines("choice", &judged.questions);
        Ok(())
    }

    fn answers(
        &self,
        learner: &mut dyn Learner,
        questions: &[OpenQuestion],
        how: &Generation,
        sampling: Sampling,
        told: &mut Told,
    ) -> Result<()> {
        let generation = learner::Generation {
            max_new_tokens: how.max_new_tokens,
            sampling,
            stop_ids: self.prompter.tokenizer.stop_ids().to_vec(),
        };
        let matching =
            Matching { ignore_case: how.ignore_case, ignore_punctuation: how.ignore_punctuation };
        let (prompter, screen) = (self.prompter, self.screen);
        let answers = self.watched(|| {
            let stops = &how.stop;
            evaluation::answers(learner, prompter, questions, &generation, stops, matching, screen)
        })?;
        let cut = answers.questions.iter().filter(|it| it.finish == "length").count();
        let tokens: usize = answers.questions.iter().map(|it| it.tokens).sum();
        let mut figures = Map::from_iter([
            ("questions".to_owned(), questions.len().into()),
            ("tokens".to_owned(), tokens.into()),
            ("cut_off".to_owned(), cut.into()),
        ]);
        figures.extend(answers.exact_match.iter().flat_map(|it| named("exact_match", it)));
        told.add(json!({"answers": figures}));
        told.add_lines("answer", &answers.questions);
        Ok(())
    }

    fn watched<T>(&self, work: impl FnOnce() -> T) -> T {
        self.screen.begin(Phase::Evaluating, None);
        let done = work();
        self.screen.end(Phase::Evaluating);
        done
    }
}

/// Under the names that lm-evaluation-harness has for them.
fn named(name: &str, share: &Share) -> [(String, Value); 3] {
    [
        (name.to_owned(), share.mean.into()),
        (format!("{name}_stderr"), share.stderr.into()),
        (format!("{name}_interval"), json!(share.interval)),
    ]
}

fn sampling(how: &Generation, seed: u64) -> Result<Sampling> {
    let Generation { temperature, top_p, .. } = *how;
    let mut faults = Vec::new();
    if !(temperature >= 0.0 && temperature.is_finite()) {
        faults.push(format!("--temperature is {temperature}, expected 0 or a number above"));
    }
    if !(top_p > 0.0 && top_p <= 1.0) {
        faults.push(format!("--top-p is {top_p}, expected a number above 0 and up to 1"));
    }
    if how.max_new_tokens == 0 {
        faults.push("--max-new-tokens is 0, expected 1 or more".into());
    }
    match faults.is_empty() {
        false => Err(Error::Config(faults)),
        true if temperature == 0.0 => Ok(Sampling::Greedy),
        true => Ok(Sampling::Nucleus { temperature, top_p, seed }),
    }
}
