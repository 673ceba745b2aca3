//! Where a checkpoint keeps the parts around the blocks. The same model lies under several prefixes: by
//! itself, within a model that also sees, or saved without its head.

/// The names of a decoder's tensors outside its blocks, and what its blocks' begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// Before everything but the head, with its dot.
    pub(crate) body: String,
    /// Behind it, in the body.
    pub(crate) embed_tokens: &'static str,
    pub(crate) layers: &'static str,
    pub(crate) norm: &'static str,
    /// The whole name of the head.
    pub(crate) lm_head: String,
}

/// Prefixes of the text model's body within a wrapper, and names of its head, newest first.
const IN_WRAPPERS: [(&str, &str); 5] = [
    ("model.language_model.", "lm_head"),
    ("language_model.model.", "language_model.lm_head"),
    ("model.language_model.model.", "lm_head"),
    ("model.text_model.", "lm_head"),
    ("model.", "lm_head"),
];

/// What transformers calls a head in memory, and most files too.
const LM_HEAD: &str = "lm_head";

impl Names {
    /// Llama's, and of most others.
    pub(crate) fn llama() -> Self {
        Self {
            body: "model.".into(),
            embed_tokens: "embed_tokens",
            layers: "layers",
            norm: "norm",
            lm_head: "lm_head".into(),
        }
    }

    /// GPT-2's, and of its kin.
    pub(crate) fn gpt2() -> Self {
        Self {
            body: "transformer.".into(),
            embed_tokens: "wte",
            layers: "h",
            norm: "ln_f",
            lm_head: LM_HEAD.into(),
        }
    }

    /// Before the tensors of a block.
    pub(crate) fn block(&self, layer: usize) -> String {
        format!("{}{}.{layer}", self.body, self.layers)
    }

    /// The name of a part of the body.
    pub(crate) fn in_body(&self, part: &str) -> String {
        format!("{}{part}", self.body)
    }

    /// The same within a model that also sees, as transformers writes it today.
    pub(crate) fn in_wrapper(&self) -> Self {
        let (body, lm_head) = IN_WRAPPERS[0];
        Self { body: body.into(), lm_head: lm_head.into(), ..self.clone() }
    }

    /// The bias of the head.
    pub(crate) fn head_bias(&self) -> String {
        format!("{}.bias", self.lm_head)
    }

    /// These names, or those of another place where `is_there` finds the token embedding; and of the
    /// head the name that is there.
    pub(crate) fn found(&self, is_there: impl Fn(&str) -> bool) -> Self {
        let at = |(body, lm_head): (&str, &str)| Self {
            body: body.into(),
            lm_head: lm_head.into(),
            ..self.clone()
        };
        // Saved as the body alone, a model's names begin behind their first part.
        let (_, bare) = self.body.split_once('.').unwrap_or_default();
        let own = [(self.body.as_str(), self.lm_head.as_str()), (bare, &self.lm_head)];
        let places = own.into_iter().chain(IN_WRAPPERS).chain([("", LM_HEAD)]).map(at);
        let embedding = |names: &Self| format!("{}.weight", names.in_body(names.embed_tokens));
        let mut places = places.filter(|names| is_there(&embedding(names)));
        let found = places.next().unwrap_or_else(|| self.clone());
        let is_head = |name: &str| is_there(&format!("{name}.weight"));
        match !is_head(&found.lm_head) && is_head(LM_HEAD) {
            true => Self { lm_head: LM_HEAD.into(), ..found },
            false => found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_embedding_says_where_a_model_lies() {
        for (tensor, body, lm_head) in [
            ("model.embed_tokens.weight", "model.", "lm_head"),
            ("model.language_model.embed_tokens.weight", "model.language_model.", "lm_head"),
            (
                "language_model.model.embed_tokens.weight",
                "language_model.model.",
                "language_model.lm_head",
            ),
            ("embed_tokens.weight", "", "lm_head"),
            ("somewhere.else.weight", "model.", "lm_head"),
        ] {
            let names = Names::llama().found(|name| name == tensor);
            assert_eq!((names.body.as_str(), names.lm_head.as_str()), (body, lm_head), "{tensor}");
        }
        assert_eq!(Names::llama().in_wrapper().block(3), "model.language_model.layers.3");
    }

    #[test]
    fn a_head_goes_by_the_name_that_is_there() {
        let neox = Names {
            body: "gpt_neox.".into(),
            embed_tokens: "embed_in",
            layers: "layers",
            norm: "final_layer_norm",
            lm_head: "embed_out".into(),
        };
        for (there, body, lm_head) in [
            (["gpt_neox.embed_in.weight", "embed_out.weight"], "gpt_neox.", "embed_out"),
            (["gpt_neox.embed_in.weight", "lm_head.weight"], "gpt_neox.", "lm_head"),
            (["embed_in.weight", "embed_out.weight"], "", "embed_out"),
            (["gpt_neox.embed_in.weight", "nothing"], "gpt_neox.", "embed_out"),
        ] {
            let names = neox.found(|name| there.contains(&name));
            assert_eq!((names.body.as_str(), names.lm_head.as_str()), (body, lm_head), "{there:?}");
        }
    }
}
