//! What `[compare]` says of questions: their file, and how they are answered in words. Each key only with the
//! measure that it is for: one that does nothing would promise something else.

use super::take;
use crate::compare::design::Answering;
use std::path::PathBuf;
use toml::{Table, Value};

/// Those of answers in words.
const ANSWERING: [&str; 4] = ["max_new_tokens", "stop", "ignore_case", "ignore_punctuation"];

/// The questions: named with a measure that asks some, and only with one.
pub(super) fn path(section: &Table, faults: &mut Vec<String>) -> Option<PathBuf> {
    let found: Option<PathBuf> = take(section, "questions", "the path of a file", faults);
    let asked = match measure(section) {
        "accuracy" => Some("accuracy\" asks questions with choices"),
        "exact_match" => Some("exact_match\" asks questions to be answered in words"),
        _ => None,
    };
    match (asked, &found) {
        (Some(asked), None) if !section.contains_key("questions") => faults.push(format!(
            "compare.questions: expected the path of a file, found none\n\
             hint: measure = \"{asked}; configs/README.md shows their rows"
        )),
        (None, Some(_)) => faults.push(
            "compare.questions: expected none, since they are asked only where measure = \"accuracy\" or \
             \"exact_match\""
                .into(),
        ),
        _ => {}
    }
    found
}

/// How they are answered in words, where they are.
pub(super) fn answering(section: &Table, faults: &mut Vec<String>) -> Option<Answering> {
    if measure(section) != "exact_match" {
        let idle = ANSWERING.into_iter().filter(|key| section.contains_key(*key));
        faults.extend(idle.map(|key| {
            format!(
                "compare.{key}: expected none, since answers are in words only where measure = \
                 \"exact_match\""
            )
        }));
        return None;
    }
    let usual = Answering::default();
    let max_new_tokens: Option<usize> =
        take(section, "max_new_tokens", "a whole number, 1 or more", faults);
    if max_new_tokens == Some(0) {
        faults.push("compare.max_new_tokens: expected 1 or more, found 0".into());
    }
    let stop: Vec<String> = take(section, "stop", "a list of texts", faults).unwrap_or(usual.stop);
    if stop.iter().any(String::is_empty) {
        faults.push("compare.stop: an empty text would end every answer before it begins".into());
    }
    let is_set = |key: &str, faults: &mut Vec<String>| -> Option<bool> {
        take(section, key, "true or false", faults)
    };
    Some(Answering {
        max_new_tokens: max_new_tokens.unwrap_or(usual.max_new_tokens),
        stop,
        ignore_case: is_set("ignore_case", faults).unwrap_or(usual.ignore_case),
        ignore_punctuation: is_set("ignore_punctuation", faults)
            .unwrap_or(usual.ignore_punctuation),
    })
}

fn measure(section: &Table) -> &str {
    section.get("measure").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(section: &str) -> (Option<Answering>, Vec<String>) {
        let section: Table = section.parse().unwrap();
        let mut faults = Vec::new();
        path(&section, &mut faults);
        (answering(&section, &mut faults), faults)
    }

    #[test]
    fn answers_are_as_eval_gives_them_unless_said_otherwise() {
        let (found, faults) = read("measure = 'exact_match'\nquestions = 'q'");
        assert_eq!((found, faults), (Some(Answering::default()), Vec::new()));
        let (found, faults) = read(
            "measure = 'exact_match'\nquestions = 'q'\nmax_new_tokens = 8\nstop = [\"\\n\"]\n\
             ignore_case = true\nignore_punctuation = true",
        );
        let expected = Answering {
            max_new_tokens: 8,
            stop: vec!["\n".into()],
            ignore_case: true,
            ignore_punctuation: true,
        };
        assert_eq!((found, faults), (Some(expected), Vec::new()));
        let by_choices = read("measure = 'accuracy'\nquestions = 'q'");
        assert_eq!(by_choices, (None, Vec::new()));
    }

    #[test]
    fn faults_say_where_and_what() {
        for (section, expected) in [
            ("measure = 'accuracy'", "compare.questions: expected the path of a file, found none"),
            (
                "measure = 'exact_match'",
                "hint: measure = \"exact_match\" asks questions to be answered",
            ),
            ("measure = 'accuracy'\nquestions = 3", "expected the path of a file, found 3"),
            ("questions = 'q'", "compare.questions: expected none"),
            ("stop = ['x']", "compare.stop: expected none, since answers are in words only"),
            (
                "measure = 'exact_match'\nquestions = 'q'\nstop = ['']",
                "compare.stop: an empty text",
            ),
            ("measure = 'exact_match'\nquestions = 'q'\nmax_new_tokens = 0", "1 or more, found 0"),
            ("measure = 'exact_match'\nquestions = 'q'\nignore_case = 1", "expected true or false"),
        ] {
            let faults = read(section).1;
            assert!(faults.len() == 1 && faults[0].contains(expected), "{section}: {faults:?}");
        }
    }
}
