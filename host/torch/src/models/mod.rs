//! The architectures: each file says what its `config.json` means for the one decoder they share.

pub(crate) mod decoder;

mod llama;
mod mistral;
mod qwen2;
mod qwen3;

#[cfg(test)]
pub(crate) mod reference;

use crate::config::Config;
use decoder::DecoderShape;

/// An architecture, by the class name that `config.json` gives, and how to read its fields.
struct Architecture {
    class: &'static str,
    model_type: &'static str,
    shape: fn(&Config) -> Result<DecoderShape, String>,
}

const ARCHITECTURES: [Architecture; 4] =
    [llama::ARCHITECTURE, mistral::ARCHITECTURE, qwen2::ARCHITECTURE, qwen3::ARCHITECTURE];

/// The decoder a configuration asks for.
pub(crate) fn shape(config: &Config) -> Result<DecoderShape, String> {
    let shape = (find(config)?.shape)(config)?;
    let faults = shape.faults();
    if faults.is_empty() { Ok(shape) } else { Err(faults.join("\n")) }
}

/// By class, or by `model_type` where the file names no class.
fn find(config: &Config) -> Result<&'static Architecture, String> {
    let classes = config.fields.architectures.as_deref().unwrap_or_default();
    let model_type = &config.fields.model_type;
    let found = match classes {
        [] => ARCHITECTURES.iter().find(|known| known.model_type == *model_type),
        classes => ARCHITECTURES.iter().find(|known| classes.iter().any(|it| it == known.class)),
    };
    found.ok_or_else(|| {
        let asked = classes.first().unwrap_or(model_type);
        let supported = ARCHITECTURES.map(|known| known.class).join(", ");
        format!("architecture `{asked}` is not supported\nhint: supported are {supported}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::linear::Bias;
    use serde_json::json;

    fn config(class: Option<&str>, model_type: &str, more: serde_json::Value) -> Config {
        let mut fields = json!({
            "model_type": model_type, "vocab_size": 10, "hidden_size": 8, "intermediate_size": 16,
            "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64,
        });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        if let Some(class) = class {
            fields["architectures"] = json!([class]);
        }
        Config::parse(&fields.to_string()).unwrap()
    }

    #[test]
    fn an_unknown_architecture_is_named_with_the_known_ones() {
        for (class, model_type) in [(Some("GPT2LMHeadModel"), "gpt2"), (None, "gpt2")] {
            let message = shape(&config(class, model_type, json!({}))).unwrap_err();
            assert!(message.contains(class.unwrap_or("gpt2")), "{message}");
            assert!(message.contains("LlamaForCausalLM, MistralForCausalLM"), "{message}");
        }
        assert!(shape(&config(None, "llama", json!({}))).is_ok());
    }

    #[test]
    fn each_architecture_reads_its_own_fields() {
        let llama = shape(&config(
            Some("LlamaForCausalLM"),
            "llama",
            json!({"attention_bias": true, "mlp_bias": true, "num_key_value_heads": 2}),
        ))
        .unwrap();
        assert_eq!(llama.attention.qkv_bias, Bias::With);
        assert_eq!(llama.attention.output_bias, Bias::With);
        assert_eq!(llama.mlp_bias, Bias::With);
        assert_eq!((llama.attention.num_key_value_heads, llama.attention.head_dim), (2, 2));

        let windowed = json!({"sliding_window": 32});
        let mistral = shape(&config(Some("MistralForCausalLM"), "mistral", windowed)).unwrap();
        assert_eq!(mistral.max_position_embeddings, 32);
        assert_eq!(mistral.attention.qkv_bias, Bias::Without);

        let asleep = json!({"sliding_window": 32, "use_sliding_window": false});
        let qwen2 = shape(&config(Some("Qwen2ForCausalLM"), "qwen2", asleep)).unwrap();
        assert_eq!(qwen2.max_position_embeddings, 64);
        assert_eq!(qwen2.attention.qkv_bias, Bias::With);
        assert_eq!(qwen2.attention.output_bias, Bias::Without);

        let qwen3 = shape(&config(Some("Qwen3ForCausalLM"), "qwen3", json!({}))).unwrap();
        assert_eq!(qwen3.attention.head_dim, 128);
        assert!(qwen3.attention.query_key_norm_eps.is_some());
    }

    #[test]
    fn impossible_sizes_are_named() {
        for (more, fault) in [
            (json!({"num_key_value_heads": 3}), "`num_key_value_heads`"),
            (json!({"head_dim": 3}), "`head_dim`"),
            (json!({"num_attention_heads": 3}), "`hidden_size`"),
        ] {
            let message = shape(&config(Some("LlamaForCausalLM"), "llama", more)).unwrap_err();
            assert!(message.contains(fault), "{message}");
        }
    }
}
