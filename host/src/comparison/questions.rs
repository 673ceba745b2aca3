//! The questions that arms are judged by where `compare.measure` asks some: asked of every run's trained model,
//! by the chat template, as `eval --chat` asks them.

use crate::wiring;
use iterit_core::compare::{Answering, Measure, Plan};
use iterit_core::config::Config;
use iterit_core::evaluation::{
    Answered, Asking, ChoiceQuestion, Chosen, Matching, OpenQuestion, Prompter, answers, choices,
};
use iterit_core::learner::{Generation, Learner, Sampling};
use iterit_core::models::Models;
use iterit_core::observer::{Observer, Phase};
use iterit_core::{Error, Result, whole_file};
use std::path::Path;

/// Questions, and what makes tokens of them.
pub(super) struct Questions {
    asked: Asked,
    prompter: Prompter,
}

enum Asked {
    Choices(Vec<ChoiceQuestion>),
    Open(Vec<OpenQuestion>, Answering),
}

/// What a model made of each.
pub(super) enum Said {
    Chosen(Vec<Chosen>),
    Answered(Vec<Answered>),
}

impl Questions {
    /// Those of a plan; none where it judges by the loss.
    ///
    /// # Errors
    /// A file that cannot be read, or whose rows are no questions, or none that can be judged.
    pub(super) fn of(
        plan: &Plan,
        config: &Config,
        observer: &dyn Observer,
    ) -> Result<Option<Self>> {
        let Some(path) = plan.questions.as_ref() else { return Ok(None) };
        let asked = match plan.design.measure {
            Measure::ExactMatch => {
                let answering = plan.design.answering.clone().unwrap_or_default();
                Asked::Open(judged(OpenQuestion::load(path)?, path)?, answering)
            }
            _ => Asked::Choices(ChoiceQuestion::load(path)?),
        };
        let prompter = wiring::prompter(config, Asking::Chat, observer)?;
        Ok(Some(Self { asked, prompter }))
    }

    /// What a model makes of each.
    ///
    /// # Errors
    /// A question that cannot be made into tokens; those of the model.
    pub(super) fn ask(&self, models: &Models, observer: &dyn Observer) -> Result<Said> {
        observer.begin(Phase::Evaluating, None);
        let said = models.ask(|learner| self.put_to(learner, observer));
        observer.end(Phase::Evaluating);
        said
    }

    fn put_to(&self, learner: &mut dyn Learner, observer: &dyn Observer) -> Result<Said> {
        match &self.asked {
            Asked::Choices(questions) => {
                let said = choices(learner, &self.prompter, questions, observer)?;
                Ok(Said::Chosen(said.questions))
            }
            Asked::Open(questions, how) => {
                let generation = Generation {
                    max_new_tokens: how.max_new_tokens,
                    sampling: Sampling::Greedy,
                    stop_ids: self.prompter.tokenizer.stop_ids().to_vec(),
                };
                let matching = Matching {
                    ignore_case: how.ignore_case,
                    ignore_punctuation: how.ignore_punctuation,
                };
                let (prompter, stop) = (&self.prompter, &how.stop);
                let said =
                    answers(learner, prompter, questions, &generation, stop, matching, observer)?;
                Ok(Said::Answered(said.questions))
            }
        }
    }
}

impl Said {
    /// By question, whether it was answered rightly.
    pub(super) fn right(&self) -> Vec<bool> {
        match self {
            Self::Chosen(said) => said.iter().map(|it| it.chosen == it.answer).collect(),
            Self::Answered(said) => said.iter().map(|it| it.exact_match == Some(true)).collect(),
        }
    }

    /// Writes a line for each.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        match self {
            Self::Chosen(said) => whole_file::write_json_lines(path, said),
            Self::Answered(said) => whole_file::write_json_lines(path, said),
        }
    }
}

/// Questions all of which have right answers: one that nobody can judge would count as wrong in every arm.
fn judged(questions: Vec<OpenQuestion>, path: &Path) -> Result<Vec<OpenQuestion>> {
    let is_open = |(at, it): (usize, &OpenQuestion)| it.answers.is_empty().then_some(at);
    let open: Vec<usize> = questions.iter().enumerate().filter_map(is_open).collect();
    let Some(first) = open.first() else { return Ok(questions) };
    let message = format!(
        "{} of {} questions have no `answers`, row {first} the first, so nobody can judge what a model says\n\
         hint: give each its right answers, or leave them out",
        open.len(),
        questions.len()
    );
    Err(Error::File { path: path.to_owned(), message })
}
