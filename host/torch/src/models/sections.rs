//! A model as the way back goes through it: head, final norm and last layer, then layer by layer, then the embeddings.
//! By the names of tensors alone, so that it is the same wherever a part of the model is trained.

use super::names::Names;
use super::shape::{DecoderShape, Embeddings};

/// Which tensors belong together.
pub(crate) struct Sections {
    /// What names begin with, by layer.
    layers: Vec<String>,
    /// What those of the first section begin with, beside its layer.
    ends: Vec<String>,
}

impl Sections {
    pub(crate) fn new(shape: &DecoderShape) -> Self {
        let names: &Names = &shape.names;
        let layers = (0..shape.blocks.len()).map(|layer| format!("{}.", names.block(layer)));
        let mut ends = vec![format!("{}.", names.in_body(names.norm)), names.head_bias()];
        // One that is the embedding again has all of its gradient when the embedding has.
        if shape.embeddings == Embeddings::Untied {
            let [_, head] = shape.embedding_names();
            ends.push(head);
        }
        Self { layers: layers.collect(), ends }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.layers.len() + 1
    }

    /// Behind which of them the gradient of this tensor is whole, counted from the head.
    pub(crate) fn of(&self, name: &str) -> usize {
        let last = self.layers.len() - 1;
        let layer = self.layers.iter().position(|begin| name.starts_with(begin));
        match layer {
            Some(layer) => last - layer,
            None if self.ends.iter().any(|begin| name.starts_with(begin)) => 0,
            None => last + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::models;
    use serde_json::json;

    fn sections(tied: bool) -> Sections {
        let config = json!({
            "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8,
            "intermediate_size": 16, "num_hidden_layers": 12, "num_attention_heads": 2,
            "vocab_size": 10, "max_position_embeddings": 32, "rms_norm_eps": 1e-6,
            "tie_word_embeddings": tied,
        });
        let config = Config::parse(&config.to_string()).unwrap();
        Sections::new(&models::shape(&config).unwrap())
    }

    #[test]
    fn tensors_belong_to_the_place_their_gradient_is_whole_at() {
        for (name, untied, tied) in [
            ("lm_head.weight", 0, 12),
            ("model.norm.weight", 0, 0),
            ("model.layers.11.mlp.up_proj.weight", 0, 0),
            ("model.layers.10.mlp.up_proj.weight", 1, 1),
            ("model.layers.1.self_attn.q_proj.lora_A.weight", 10, 10),
            ("model.layers.0.input_layernorm.weight", 11, 11),
            ("model.embed_tokens.weight", 12, 12),
        ] {
            assert_eq!(sections(false).of(name), untied, "{name}");
            // There is no head of its own then.
            if name != "lm_head.weight" {
                assert_eq!(sections(true).of(name), tied, "{name}, tied");
            }
        }
        assert_eq!(sections(true).count(), 13);
    }
}
