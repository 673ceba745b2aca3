//! What a scorer is asked and what it answers, each one line of JSON.

use iterit_sdk::{Error, ResponseNll, Result, Sample, Score};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// Reads `{"scores": [0.3, null, {"score": 1.2, "eligible": false, "parts": {"a": 1}}]}`, or
/// `{"error": "…"}`, by which a scorer says why it cannot go on.
///
/// ```
/// use iterit_plugin_exec::protocol::scores;
/// let scores = scores(r#"{"scores": [0.3, null]}"#, 2)?;
/// assert!(scores[0].eligible && !scores[1].eligible);
/// # Ok::<(), iterit_sdk::Error>(())
/// ```
pub fn scores(answer: &str, expected: usize) -> Result<Vec<Score>> {
    let malformed = |error: serde_json::Error| {
        Error::msg(format!(
            "the scorer answered `{}`: {error}\nhint: expected one line of JSON like \
             {{\"scores\": [0.3, null]}}, with null where there is no score; stdout is for nothing else",
            shortened(answer)
        ))
    };
    let answer: Answer = serde_json::from_str(answer).map_err(malformed)?;
    let scores = match answer {
        Answer::Error { error } => return Err(Error::msg(error)),
        Answer::Scores { scores } => scores,
    };
    if scores.len() != expected {
        let found = scores.len();
        return Err(Error::msg(format!("the scorer gave {found} scores for {expected} samples")));
    }
    Ok(scores.into_iter().map(Score::from).collect())
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an object with `scores` or `error`")]
enum Answer {
    Scores { scores: Vec<ScoreAnswer> },
    Error { error: String },
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
    score: Option<f64>,
    #[serde(default = "yes")]
    eligible: bool,
    #[serde(default)]
    parts: BTreeMap<String, f64>,
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

fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
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
        let scores = scores(answer, 3).unwrap();
        assert_eq!(scores[0], Score::eligible(2.0));
        assert!(scores[1].value.is_nan() && !scores[1].eligible);
        assert_eq!(scores[2], Score::ineligible(1.5).with_part("a", 1.0));
    }

    #[test]
    fn faults_say_what_came_and_what_should_have() {
        for (answer, message) in [
            (r#"{"scores": [1]}"#, "the scorer gave 1 scores for 2 samples"),
            (r#"{"error": "no such judge"}"#, "no such judge"),
            ("hello", "the scorer answered `hello`: expected value at line 1 column 1\nhint: "),
            (
                r#"{"score": [1, 2]}"#,
                "the scorer answered `{\"score\": [1, 2]}`: expected an object with `scores` or",
            ),
            (r#"{"scores": [1, NaN]}"#, "the scorer answered `{\"scores\": [1, NaN]}`: "),
        ] {
            let error = scores(answer, 2).unwrap_err();
            assert!(error.message().starts_with(message), "{error}, expected {message}");
        }
    }
}
