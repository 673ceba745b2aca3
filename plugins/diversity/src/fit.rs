//! Whether the published words fit the texts at all: `\w\w+` makes one word of a Chinese sentence and
//! none of the answer `B`.

use crate::texts::NumberedTexts;

/// Texts beyond this share that are hardly cut are told of.
const WORTH_TELLING: f64 = 0.1;

/// Fewer texts say nothing about a data set.
const FEWEST_TEXTS: usize = 10;

/// Counts texts that the published words do not tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fit {
    texts: usize,
    /// Texts in which most letters are of scripts that put no space between words.
    unspaced: usize,
}

impl Fit {
    /// Adds texts to the count.
    pub(crate) fn push(&mut self, texts: &[String]) {
        self.texts += texts.len();
        self.unspaced += texts.iter().filter(|text| is_mostly_unspaced(text)).count();
    }

    /// What to say of texts that hardly fit; `terms` are the same texts in published words.
    pub(crate) fn warning(&self, terms: &NumberedTexts) -> Option<String> {
        let bare = num_bare(terms);
        let hardly = (self.unspaced + bare) as f64;
        if self.texts < FEWEST_TEXTS || hardly < WORTH_TELLING * self.texts as f64 {
            return None;
        }
        Some(format!(
            "`analyzer = \"word\"` hardly fits these texts: of {} responses {} are in scripts without \
             spaces between words, where it takes whole sentences for words, and {bare} have no word \
             of two characters or more of their own\nhint: plugins.diversity.analyzer=unicode finds \
             words in any script, =char_wb takes characters",
            self.texts, self.unspaced
        ))
    }
}

/// Texts all of whose terms every text has, such as what ends a response.
fn num_bare(terms: &NumberedTexts) -> usize {
    // How many of the texts up to some have had each term: one that is not in all of them is in all no more.
    let mut seen_in = vec![0; terms.num_distinct()];
    for (number, text) in terms.texts().enumerate() {
        for &term in &terms.terms()[text] {
            let seen_in = &mut seen_in[term as usize];
            *seen_in += usize::from(*seen_in == number);
        }
    }
    let is_everywhere = |&term: &u32| seen_in[term as usize] == terms.len();
    terms.texts().filter(|text| terms.terms()[text.clone()].iter().all(is_everywhere)).count()
}

fn is_mostly_unspaced(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let (mut letters, mut unspaced) = (0, 0);
    for character in text.chars().filter(|character| character.is_alphabetic()) {
        letters += 1;
        unspaced += usize::from(is_unspaced(character));
    }
    2 * unspaced > letters
}

/// Letters of Thai, Lao, Tibetan, Burmese, Khmer, Japanese and Chinese.
fn is_unspaced(letter: char) -> bool {
    matches!(letter as u32,
        0x0E00..=0x0FFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0xFF66..=0xFF9F | 0x20000..=0x3FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: impl Fn(usize) -> String, expected: Option<&str>) {
        let texts: Vec<String> = (0..20).map(text).collect();
        let (mut fit, mut terms) = (Fit::default(), NumberedTexts::default());
        fit.push(&texts);
        terms.push(&texts, 1);
        match (fit.warning(&terms), expected) {
            (None, None) => {}
            (found, expected) => {
                let (found, expected) = (found.expect("a warning"), expected.expect("a warning"));
                assert!(found.contains(expected), "{found}");
            }
        }
    }

    #[test]
    fn texts_that_hardly_fit_are_told_of() {
        check(|i| format!("the answer is number{i}</s>"), None);
        check(|i| format!("def f{i}(x): return x + {i}</s>"), None);
        check(|i| format!("العربية {} جميلة</s>", ["لغة", "مدينة", "قصة"][i % 3]), None);
        check(|i| format!("我们喜欢第{i}只猫<|eot_id|>"), Some("20 responses 20 are in scripts"));
        check(|i| format!("{}<|eot_id|>", ["A", "B"][i % 2]), Some("and 20 have no word"));
        check(|i| if i < 1 { "猫を見た".into() } else { format!("plain text {i}") }, None);
    }
}
