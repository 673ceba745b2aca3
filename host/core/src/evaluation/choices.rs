//! Multiple choice by likelihood: the choice that the model finds likeliest behind the question, in all
//! (`acc`) or a character (`acc_norm`), as lm-evaluation-harness counts it.

use super::prompter::Prompter;
use super::question::ChoiceQuestion;
use super::share::Share;
use crate::Result;
use crate::learner::{Learner, Sequence, Watch};
use serde::Serialize;

/// What a model made of one question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chosen {
    /// The question's place in the file, from 0.
    pub id: usize,
    /// By choice, the logarithm of its likelihood behind the question, nats.
    pub loglikelihoods: Vec<f64>,
    /// The right choice.
    pub answer: usize,
    /// The likeliest choice; of several the first.
    pub chosen: usize,
    /// The choice with the largest logarithm a character.
    pub chosen_norm: usize,
}

/// What a model made of a file of questions.
#[derive(Debug, Clone, PartialEq)]
pub struct Choices {
    /// Each question, in order.
    pub questions: Vec<Chosen>,
    /// The share whose likeliest choice is right.
    pub acc: Share,
    /// The same a character.
    pub acc_norm: Share,
}

/// Asks a model questions with choices.
///
/// # Errors
/// A question that cannot be made into tokens; those of the learner.
pub fn choices(
    learner: &mut dyn Learner,
    prompter: &Prompter,
    questions: &[ChoiceQuestion],
    watch: &dyn Watch,
) -> Result<Choices> {
    let mut sequences: Vec<Sequence> = Vec::new();
    for question in questions {
        sequences.extend(prompter.choices(&question.prompt, &question.choices)?);
    }
    let losses = learner.token_nll(&sequences, watch)?;
    let mut loglikelihoods =
        losses.iter().map(|row| -row.iter().copied().map(f64::from).sum::<f64>());
    let chosen = |(id, question): (usize, &ChoiceQuestion)| {
        let of_question = loglikelihoods.by_ref().take(question.choices.len()).collect();
        chosen(id, question, of_question)
    };
    let questions: Vec<Chosen> = questions.iter().enumerate().map(chosen).collect();
    Ok(Choices {
        acc: Share::of(questions.iter().map(|it| it.chosen == it.answer)),
        acc_norm: Share::of(questions.iter().map(|it| it.chosen_norm == it.answer)),
        questions,
    })
}

fn chosen(id: usize, question: &ChoiceQuestion, loglikelihoods: Vec<f64>) -> Chosen {
    let characters = question.choices.iter().map(|choice| choice.chars().count() as f64);
    let norms: Vec<f64> = loglikelihoods.iter().zip(characters).map(|(ll, n)| ll / n).collect();
    Chosen {
        id,
        answer: question.answer,
        chosen: largest(&loglikelihoods),
        chosen_norm: largest(&norms),
        loglikelihoods,
    }
}

/// The place of the largest; of several the first.
fn largest(values: &[f64]) -> usize {
    let larger = |best: usize, (place, value): (usize, &f64)| {
        if *value > values[best] { place } else { best }
    };
    values.iter().enumerate().fold(0, larger)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Prompt;

    #[test]
    fn a_long_choice_is_judged_by_its_characters() {
        let question = ChoiceQuestion {
            prompt: Prompt::Text("?".into()),
            choices: vec!["no".into(), "äüöß".into()],
            answer: 1,
        };
        let chosen = chosen(3, &question, vec![-1.0, -1.5]);
        assert_eq!((chosen.chosen, chosen.chosen_norm), (0, 1));
        assert_eq!(largest(&[-2.0, -1.0, -1.0]), 1);
    }
}
