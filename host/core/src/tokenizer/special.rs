//! The tokens with a job: what begins a text, ends it, fills it up.

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
    /// Any other `*_token`, such as `image_token`.
    pub others: Vec<(String, SpecialToken)>,
}

impl SpecialTokens {
    /// Takes names and texts, and asks for each text's id.
    pub(super) fn new(named: Vec<(String, String)>, id: impl Fn(&str) -> Option<u32>) -> Self {
        let mut special = Self::default();
        for (name, text) in named {
            let token = SpecialToken { id: id(&text), text };
            match name.as_str() {
                "bos_token" => special.bos = Some(token),
                "eos_token" => special.eos = Some(token),
                "pad_token" => special.pad = Some(token),
                "unk_token" => special.unk = Some(token),
                _ => special.others.push((name, token)),
            }
        }
        special
    }

    /// Names and texts of those there are, as templates know them.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        [
            ("bos_token", &self.bos),
            ("eos_token", &self.eos),
            ("pad_token", &self.pad),
            ("unk_token", &self.unk),
        ]
        .into_iter()
        .filter_map(|(name, token)| Some((name, token.as_ref()?.text.as_str())))
        .chain(self.others.iter().map(|(name, token)| (name.as_str(), token.text.as_str())))
    }
}
