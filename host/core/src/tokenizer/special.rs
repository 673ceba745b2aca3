//! The tokens with a job: what begins a text, ends it, fills it up.

use serde_json::Value;

/// A token's text, and its id where the vocabulary has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialToken {
    /// As chat templates print it.
    pub text: String,
    /// Its row of the embedding.
    pub id: Option<u32>,
}

/// The named special tokens of a tokenizer, by Hugging Face's names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecialTokens {
    /// `bos_token`
    pub bos: Option<SpecialToken>,
    /// `eos_token`
    pub eos: Option<SpecialToken>,
    /// `pad_token`
    pub pad: Option<SpecialToken>,
    /// `unk_token`
    pub unk: Option<SpecialToken>,
}

impl SpecialTokens {
    /// Reads the names from `tokenizer_config.json`, else from `special_tokens_map.json`.
    pub(super) fn read(
        tokenizer_config: &Value,
        special_tokens_map: &Value,
        id: impl Fn(&str) -> Option<u32>,
    ) -> Self {
        let token = |name: &str| {
            let text = text(&tokenizer_config[name]).or_else(|| text(&special_tokens_map[name]))?;
            Some(SpecialToken { text: text.to_owned(), id: id(text) })
        };
        Self {
            bos: token("bos_token"),
            eos: token("eos_token"),
            pad: token("pad_token"),
            unk: token("unk_token"),
        }
    }

    /// Names and texts of those there are, as templates know them.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("bos_token", &self.bos),
            ("eos_token", &self.eos),
            ("pad_token", &self.pad),
            ("unk_token", &self.unk),
        ]
        .into_iter()
        .filter_map(|(name, token)| Some((name, token.as_ref()?.text.as_str())))
    }
}

/// A token is written as its text, or as an object that holds it.
fn text(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token["content"].as_str())
}
