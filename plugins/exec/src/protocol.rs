//! What a scorer is asked and what it answers, each one line of JSON.
//!
//! A scorer may say whom each score belongs to (protocol 2), and is then held to it. One that does
//! not (protocol 1) is believed to answer in order; that questions beside each other are of unequal
//! length shows where it doesn't.

use crate::pipes::shortened;
use iterit_sdk::{Error, ResponseNll, Result, Sample, SampleId, Score};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// Cuts `total` samples into questions of at most `most`. Two questions of several samples beside
/// each other are of unequal length: an answer that is taken for that to the next question has the
/// wrong number of scores.
///
/// ```
/// use iterit_plugin_exec::protocol::questions;
/// let lengths = |total, most| -> Vec<usize> {
///     questions(total, most).map(|places| places.len()).collect()
/// };
/// assert_eq!(lengths(10, 4), [4, 3, 2, 1]);
/// assert_eq!(lengths(10, 10), [10]);
/// ```
pub fn questions(total: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let mut last: Range<usize> = 0..0;
    std::iter::from_fn(move || {
        let start = last.end;
        let length = most.min(total - start);
        let length = if length == last.len() && length > 1 { length - 1 } else { length };
        last = start..start + length;
        (length > 0).then(|| last.clone())
    })
}

/// `{"samples": [{"id": 0, "prompt": [{"role": "user", "content": "…"}], "response": "…", …}, …]}`
pub fn question(samples: &[Sample], losses: Option<&[ResponseNll]>) -> Result<String> {
    let rows = samples
        .iter()
        .enumerate()
        .map(|(at, sample)| Row { sample, losses: losses.map(|losses| Losses::of(&losses[at])) });
    Ok(serde_json::to_string(&Question { samples: rows.collect() })?)
}

#[derive(Serialize)]
struct Question<'a> {
    samples: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    sample: &'a Sample,
    #[serde(flatten)]
    losses: Option<Losses>,
}

/// Means, nats a token; null where there is no token.
#[derive(Serialize)]
struct Losses {
    conditional_nll: f64,
    unconditional_nll: f64,
    tokens: u32,
}

impl Losses {
    fn of(nll: &ResponseNll) -> Self {
        Self {
            conditional_nll: nll.conditional.mean(),
            unconditional_nll: nll.unconditional.mean(),
            tokens: nll.conditional.tokens,
        }
    }
}

/// Reads `{"scores": [0.3, null, {"score": 1.2, "eligible": false, "parts": {"a": 1}}]}`, with
/// `"ids": [3, 4, 5]` beside it or an `"id"` in each object, or `{"error": "…"}`, by which a scorer
/// says why it cannot go on.
///
/// ```
/// use iterit_plugin_exec::protocol::scores;
/// let scores = scores(r#"{"ids": [3, 7], "scores": [0.3, null]}"#, &[3, 7])?;
/// assert!(scores[0].eligible && !scores[1].eligible);
/// # Ok::<(), iterit_sdk::Error>(())
/// ```
///
/// # Errors
/// What is no answer, has the wrong number of scores, or says that it is about other samples.
pub fn scores(answer: &str, asked: &[SampleId]) -> Result<Vec<Score>> {
    let malformed = |error: serde_json::Error| {
        Error::msg(format!(
            "the scorer answered `{}`: {error}\nhint: expected one line of JSON like \
             {{\"scores\": [0.3, null]}}, with null where there is no score; stdout is for nothing else",
            shortened(answer)
        ))
    };
    let answer: Answer = serde_json::from_str(answer).map_err(malformed)?;
    let (ids, scores) = match answer {
        Answer::Error { error } => return Err(Error::msg(error.trim_end().replace('\n', "\n  "))),
        Answer::Scores { ids, scores } => (ids, scores),
    };
    if scores.len() != asked.len() {
        return Err(out_of_step(format!("{} scores for {} samples", scores.len(), asked.len())));
    }
    if let Some(ids) = &ids {
        if ids.len() != asked.len() {
            return Err(out_of_step(format!("{} ids for {} samples", ids.len(), asked.len())));
        }
        ids.iter().zip(asked).try_for_each(|(&id, &asked)| check_id(id, asked))?;
    }
    let named = scores.iter().zip(asked).filter_map(|(score, &asked)| Some((score.id()?, asked)));
    named.into_iter().try_for_each(|(id, asked)| check_id(id, asked))?;
    Ok(scores.into_iter().map(Score::from).collect())
}

fn check_id(id: SampleId, asked: SampleId) -> Result<()> {
    match id == asked {
        true => Ok(()),
        false => Err(out_of_step(format!("a score for sample {id} where {asked} was asked for"))),
    }
}

fn out_of_step(given: String) -> Error {
    Error::msg(format!(
        "the scorer gave {given}\nhint: one line of stdout answers one line of stdin, a score a \
         sample, in order; write everything else to stderr"
    ))
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an object with `scores` or `error`")]
enum Answer {
    Scores {
        #[serde(default)]
        ids: Option<Vec<SampleId>>,
        scores: Vec<ScoreAnswer>,
    },
    Error {
        error: String,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ScoreAnswer {
    None(()),
    Number(f64),
    Full(FullScore),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FullScore {
    id: Option<SampleId>,
    score: Option<f64>,
    #[serde(default = "yes")]
    eligible: bool,
    #[serde(default)]
    parts: BTreeMap<String, f64>,
}

impl ScoreAnswer {
    /// Whom it belongs to, where it says so.
    fn id(&self) -> Option<SampleId> {
        match self {
            Self::Full(full) => full.id,
            Self::None(()) | Self::Number(_) => None,
        }
    }
}

fn yes() -> bool {
    true
}

impl From<ScoreAnswer> for Score {
    fn from(answer: ScoreAnswer) -> Self {
        let full = match answer {
            ScoreAnswer::None(()) => return Self::ineligible(f64::NAN),
            ScoreAnswer::Number(value) => return Self::eligible(value),
            ScoreAnswer::Full(full) => full,
        };
        let score = match full.score {
            Some(value) if full.eligible => Self::eligible(value),
            value => Self::ineligible(value.unwrap_or(f64::NAN)),
        };
        full.parts.into_iter().fold(score, |score, (name, value)| score.with_part(name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::{Nll, Role, Turn};

    #[test]
    fn a_question_holds_samples_and_losses_on_one_line() {
        let sample = Sample {
            id: 7,
            prompt: vec![Turn::new(Role::User, "say\nhi")],
            response: "hi".into(),
            metadata: Default::default(),
        };
        let text = r#"{"id":7,"prompt":[{"role":"user","content":"say\nhi"}],"response":"hi""#;
        let plain = question(std::slice::from_ref(&sample), None).unwrap();
        assert_eq!(plain, format!("{{\"samples\":[{text}}}]}}"));

        let conditional = Nll { sum: 3.0, tokens: 2 };
        let losses = [ResponseNll { conditional, unconditional: Nll::default() }];
        let losses = question(&[sample], Some(&losses)).unwrap();
        let expected = r#","conditional_nll":1.5,"unconditional_nll":null,"tokens":2}]}"#;
        assert_eq!(losses, format!("{{\"samples\":[{text}{expected}"));
    }

    #[test]
    fn scores_come_in_three_forms() {
        let answer =
            r#"{"scores": [2, null, {"score": 1.5, "eligible": false, "parts": {"a": 1}}]}"#;
        let scores = scores(answer, &[7, 8, 9]).unwrap();
        assert_eq!(scores[0], Score::eligible(2.0));
        assert!(scores[1].value.is_nan() && !scores[1].eligible);
        assert_eq!(scores[2], Score::ineligible(1.5).with_part("a", 1.0));
    }

    #[test]
    fn faults_say_what_came_and_what_should_have() {
        for (answer, message) in [
            (r#"{"scores": [1]}"#, "the scorer gave 1 scores for 2 samples\nhint: "),
            (r#"{"error": "no judge\nat all\n"}"#, "no judge\n  at all"),
            ("hello", "the scorer answered `hello`: expected value at line 1 column 1\nhint: "),
            (
                r#"{"score": [1, 2]}"#,
                "the scorer answered `{\"score\": [1, 2]}`: expected an object with `scores` or",
            ),
            (r#"{"scores": [1, NaN]}"#, "the scorer answered `{\"scores\": [1, NaN]}`: "),
        ] {
            check_refused(answer, message);
        }
    }

    #[test]
    fn a_scorer_that_says_whom_it_scores_is_held_to_it() {
        let right = [
            r#"{"ids": [3, 7], "scores": [1, 2]}"#,
            r#"{"scores": [{"id": 3, "score": 1}, {"id": 7, "score": 2}]}"#,
            r#"{"ids": [3, 7], "scores": [1, {"id": 7, "score": 2}]}"#,
        ];
        for answer in right {
            let scores = scores(answer, &[3, 7]).unwrap();
            assert_eq!(scores, [Score::eligible(1.0), Score::eligible(2.0)]);
        }
        let earlier = "the scorer gave a score for sample 2 where 3 was asked for\nhint: ";
        for (answer, message) in [
            (r#"{"ids": [2, 3], "scores": [1, 2]}"#, earlier),
            (r#"{"scores": [{"id": 2, "score": 1}, {"id": 3, "score": 2}]}"#, earlier),
            (r#"{"ids": [3], "scores": [1, 2]}"#, "the scorer gave 1 ids for 2 samples\nhint: "),
            (
                r#"{"scores": [1, {"id": 3, "score": 2}]}"#,
                "the scorer gave a score for sample 3 where 7 was asked for\nhint: ",
            ),
        ] {
            check_refused(answer, message);
        }
    }

    /// Sample 3 and sample 7 were asked for.
    #[track_caller]
    fn check_refused(answer: &str, message: &str) {
        let error = scores(answer, &[3, 7]).unwrap_err();
        assert!(error.message().starts_with(message), "{error}, expected {message}");
    }

    #[test]
    fn questions_cover_all_samples_and_neighbours_differ_in_length() {
        for (total, most) in [(0, 3), (1, 1), (7, 1), (10, 2), (11, 3), (1000, 256), (512, 256)] {
            let cut: Vec<_> = questions(total, most).collect();
            let places: Vec<usize> = cut.iter().cloned().flatten().collect();
            assert_eq!(places, (0..total).collect::<Vec<_>>());
            assert!(cut.iter().all(|it| it.len() <= most));
            let lengths: Vec<usize> = cut.iter().map(Range::len).collect();
            let unequal = |pair: &[usize]| pair[0] != pair[1] || pair[0] == 1;
            assert!(lengths.windows(2).all(unequal), "{lengths:?}");
        }
    }
}
