//! Answers in the model's own words, judged by whether they are, to the character or nearly, one of the
//! right ones.

use super::prompter::Prompter;
use super::question::OpenQuestion;
use super::share::Share;
use crate::Result;
use crate::learner::{Generation, Learner, Watch};
use serde::Serialize;

/// When an answer counts as one of the right ones, white space around both aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Matching {
    /// Upper and lower case are the same.
    pub ignore_case: bool,
    /// ASCII punctuation is left out.
    pub ignore_punctuation: bool,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answered {
    /// The question's place in the file, from 0.
    pub id: usize,
    /// What the model said, without what it stopped at.
    pub text: String,
    /// Tokens it added, a stop token included.
    pub tokens: usize,
    /// `stop`, or `length` where it was cut off.
    pub finish: &'static str,
    /// Whether it is one of the right answers; none where there are none.
    pub exact_match: Option<bool>,
}

/// All answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// Each question's, in order.
    pub questions: Vec<Answered>,
    /// The share that is one of the right ones, of the questions that have such; none where none has.
    pub exact_match: Option<Share>,
}

/// Asks a model questions, each until one of the texts in `stops` or a stop token comes.
///
/// # Errors
/// A question that cannot be made into tokens; those of the learner.
pub fn answers(
    learner: &mut dyn Learner,
    prompter: &Prompter,
    questions: &[OpenQuestion],
    how: &Generation,
    stops: &[String],
    matching: Matching,
    watch: &dyn Watch,
) -> Result<Answers> {
    let tokens = |it: &OpenQuestion| prompter.question(&it.prompt, how.max_new_tokens);
    let beginnings: Vec<Vec<u32>> = questions.iter().map(tokens).collect::<Result<_>>()?;
    let tokenizer = &prompter.tokenizer;
    let mut is_over = |added: &[u32]| match stops.is_empty() {
        true => Ok(false),
        false => Ok(first_stop(&tokenizer.plain_text(added)?, stops).is_some()),
    };
    let added = learner.generate(&beginnings, how, &mut is_over, watch)?;
    let answered = |(id, (question, added)): (usize, (&OpenQuestion, &Vec<u32>))| {
        let mut text = tokenizer.plain_text(added)?;
        let stop = first_stop(&text, stops);
        text.truncate(stop.unwrap_or(text.len()));
        let is_stopped = stop.is_some() || added.last().is_some_and(|it| how.stop_ids.contains(it));
        let right = || question.answers.iter().any(|answer| matching.agree(&text, answer));
        Ok(Answered {
            id,
            tokens: added.len(),
            finish: if is_stopped { "stop" } else { "length" },
            exact_match: (!question.answers.is_empty()).then(right),
            text,
        })
    };
    let questions: Vec<Answered> =
        questions.iter().zip(&added).enumerate().map(answered).collect::<Result<_>>()?;
    let judged: Vec<bool> = questions.iter().filter_map(|it| it.exact_match).collect();
    Ok(Answers { exact_match: (!judged.is_empty()).then(|| Share::of(judged)), questions })
}

impl Matching {
    /// Whether two answers are the same.
    ///
    /// ```
    /// use iterit_core::evaluation::Matching;
    /// assert!(Matching::default().agree(" Paris\n", "Paris"));
    /// assert!(!Matching::default().agree("paris.", "Paris"));
    /// assert!(Matching { ignore_case: true, ignore_punctuation: true }.agree("paris.", "Paris"));
    /// ```
    pub fn agree(self, said: &str, right: &str) -> bool {
        self.essence(said) == self.essence(right)
    }

    fn essence(self, text: &str) -> String {
        let mut text = text.to_owned();
        if self.ignore_case {
            text = text.to_lowercase();
        }
        if self.ignore_punctuation {
            text.retain(|it| !it.is_ascii_punctuation());
        }
        text.trim().to_owned()
    }
}

/// Where the first of these texts begins.
fn first_stop(text: &str, stops: &[String]) -> Option<usize> {
    stops.iter().filter_map(|stop| text.find(stop.as_str())).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stop_counts() {
        let stops = ["\n\n".to_owned(), "Q:".to_owned()];
        assert_eq!(first_stop("a Q: b\n\n", &stops), Some(2));
        assert_eq!(first_stop("a\nb", &stops), None);
    }
}
