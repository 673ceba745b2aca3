//! Under what a comparison was made: what its page must name so that nobody takes it for more than
//! it is, and what its readers are warned of.

use super::arm::Arm;
use super::begun::Begun;
use super::comparison::Comparison;
use super::design::Measure;
use super::look::Look;
use super::result::ArmResult;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Under what a comparison was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Circumstances {
    /// The model's folder.
    pub model: String,
    /// What kind of model it is.
    pub architecture: String,
    /// How many parameters it has.
    pub parameters: u64,
    /// What was chosen from.
    pub data: Vec<String>,
    /// What all were judged on, in words.
    pub held_out: String,
    /// Whether that is a part of the same data.
    pub same_distribution: bool,
    /// The share of the pool that each seed drew for itself; 1 where all had all.
    pub pool: f64,
    /// The chat template.
    pub template: String,
    /// Samples an epoch, as a share or a count, as it was set.
    pub ratio: f64,
    /// What arms are equal in: `samples` or `tokens`.
    pub budget: String,
    /// Epochs.
    pub epochs: u64,
    /// The learning rate.
    pub learning_rate: f64,
    /// How it falls.
    pub schedule: String,
    /// Every arm with its own settings.
    pub arms: Vec<Arm>,
    /// The held-out loss before any training, by the same measure.
    pub before: Option<f64>,
    /// Runs planned.
    pub planned: u64,
    /// Runs finished.
    pub finished: u64,
    /// What was seen of it before, with other runs.
    pub looks: Vec<Look>,
}

impl Circumstances {
    /// Of a comparison that was begun so and has come so far; `before` is the held-out loss of the
    /// model that every run begins with.
    pub fn of(begun: &Begun, results: &[ArmResult], before: Option<f64>) -> Self {
        let text = |key: &str| begun.setting(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key: &str| begun.setting(key).and_then(Value::as_f64);
        let list = |key: &str| -> Vec<String> {
            let all = begun.setting(key).and_then(Value::as_array).into_iter().flatten();
            all.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let model = results.first().map(|result| &result.record.manifest.model);
        let eval_path = list("data.eval_path");
        let fraction = number("data.eval_fraction").unwrap_or_default();
        Self {
            model: text("model.path").unwrap_or_default(),
            architecture: model.map_or_else(String::new, |model| model.architecture.clone()),
            parameters: model.map_or(0, |model| model.parameters),
            data: list("data.path"),
            held_out: match (begun.design.measure, eval_path.is_empty()) {
                (Measure::Accuracy, _) => "questions with choices".to_owned(),
                (Measure::ExactMatch, _) => "questions answered in words".to_owned(),
                (_, true) => format!("the last {} % of the same data", 100.0 * fraction),
                (_, false) => eval_path.join(", "),
            },
            same_distribution: eval_path.is_empty() && !begun.design.measure.asks_questions(),
            pool: number("data.pool").unwrap_or(1.0),
            template: text("data.template").unwrap_or_else(|| "the model’s own".into()),
            ratio: number("selection.ratio").unwrap_or(f64::NAN),
            budget: text("selection.budget").unwrap_or_else(|| "samples".into()),
            epochs: number("train.epochs").unwrap_or_default() as u64,
            learning_rate: number("train.learning_rate").unwrap_or(f64::NAN),
            schedule: text("train.schedule").unwrap_or_default(),
            arms: begun.arms.clone(),
            before,
            planned: begun.arms.iter().map(|arm| arm.seeds.len() as u64).sum(),
            finished: results.len() as u64,
            looks: begun.looks.clone(),
        }
    }

    /// What readers are warned of.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.finished < self.planned {
            notes.push(format!(
                "Unfinished: {} of {} runs are in. What is shown may turn, and to stop when it looks \
                 right is to choose the result.",
                self.finished, self.planned
            ));
        }
        if !self.looks.is_empty() {
            let told: Vec<String> = self.looks.iter().map(Look::sentence).collect();
            notes.push(format!(
                "Looked at before and gone on with: {}. Every look is a chance to stop at a lucky one: \
                 with seeds added from 3 to 10 until something shows, 12 to 15 % of pairs that do not \
                 differ are found to, not 5 %.",
                told.join("; then ")
            ));
        }
        notes.push(match self.pool < 1.0 {
            true => format!(
                "Each seed drew its own {:.0} % of the pool, the same for all arms, so part of the luck \
                 of the pool is counted: about {:.0} % of the variance that pools drawn anew would \
                 bring. The verdicts hold for this model and this learning rate.",
                100.0 * self.pool,
                // Of a mean of m of n samples drawn without return, over one of m drawn anew.
                100.0 * (1.0 - self.pool)
            ),
            false => "All seeds chose from one pool, so its luck is not counted: the verdicts hold on \
                      this pool, this model and this learning rate. With compare.pool = 0.8 each seed \
                      draws its own."
                .to_owned(),
        });
        if self.same_distribution {
            notes.push(
                "The held-out samples are a part of the same data, which favours what resembles the \
                 pool: a random draw resembles it best. On another kind of task the order may be \
                 another."
                    .to_owned(),
            );
        }
        notes
    }
}

impl Comparison {
    /// The same, with what it was made under.
    #[must_use]
    pub fn under(mut self, mut circumstances: Circumstances) -> Self {
        let now = Look::at(&self);
        circumstances.looks.retain(|look| look.arms != now.arms);
        self.notes.extend(circumstances.notes());
        self.circumstances = Some(circumstances);
        self
    }
}
