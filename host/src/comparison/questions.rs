//! The questions that arms are judged by where `compare.measure` is accuracy: asked of every run's trained
//! model, by the chat template, as `eval --choices --chat` asks them.

use crate::wiring;
use iterit_core::Result;
use iterit_core::compare::{Measure, Plan};
use iterit_core::config::Config;
use iterit_core::evaluation::{Asking, ChoiceQuestion, Chosen, Prompter, choices};
use iterit_core::models::Models;
use iterit_core::observer::{Observer, Phase};

/// Questions, and what makes tokens of them.
pub(super) struct Questions {
    questions: Vec<ChoiceQuestion>,
    prompter: Prompter,
}

impl Questions {
    /// Those of a plan; none where it judges by the loss.
    ///
    /// # Errors
    /// A file that cannot be read, or whose rows are no questions.
    pub(super) fn of(
        plan: &Plan,
        config: &Config,
        observer: &dyn Observer,
    ) -> Result<Option<Self>> {
        let Some(path) = plan.questions.as_ref() else { return Ok(None) };
        debug_assert_eq!(plan.design.measure, Measure::Accuracy);
        let questions = ChoiceQuestion::load(path)?;
        let prompter = wiring::prompter(config, Asking::Chat, observer)?;
        Ok(Some(Self { questions, prompter }))
    }

    /// What a model makes of each.
    ///
    /// # Errors
    /// A question that cannot be made into tokens; those of the model.
    pub(super) fn ask(&self, models: &Models, observer: &dyn Observer) -> Result<Vec<Chosen>> {
        observer.begin(Phase::Evaluating, None);
        let asked =
            models.ask(|learner| choices(learner, &self.prompter, &self.questions, observer));
        observer.end(Phase::Evaluating);
        Ok(asked?.questions)
    }
}
