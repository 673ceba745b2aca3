//! The architectures: each file says what its `config.json` means as a table of layers, for the one
//! decoder they share.

pub(crate) mod names;
pub(crate) mod shape;
pub(crate) mod sections;

pub(crate) mod place;

pub(crate) mod decoder;

mod common;

mod apertus;
mod arcee;
mod cohere;
mod cohere2;
mod cwm;
mod ernie4_5;
mod ernie4_5_moe;
mod exaone;
mod exaone4;
mod falcon;
mod gemma;
mod gemma2;
mod gemma3;
mod glm;
mod glm4;
mod glm4_moe;
mod deepseek_v2;
mod deepseek_v3;
mod gpt2;
mod gpt_bigcode;
mod gpt_neo;
mod gpt_neox;
mod gpt_oss;
mod gptj;
mod granite;
mod granite_swa;
mod granitemoe;
mod granitemoehybrid;
mod helium;
mod hunyuan_v1_dense;
mod hyperclovax;
mod jais2;
mod lfm2;
mod lfm2_moe;
mod llama;
mod internlm3;
mod iquestcoder;
mod ministral;
mod ministral3;
mod mistral;
mod mixtral;
mod nemotron;
mod olmo;
mod olmo2;
mod olmo3;
mod olmoe;
mod opt;
mod phi;
mod phi3;
mod qwen2;
mod qwen3;
mod dots1;
mod qwen3_moe;
mod qwen2_moe;
mod qwen3_5;
mod qwen3_5_moe;
mod qwen3_next;
mod qwen_vl;
mod seed_oss;
mod smollm3;
mod stablelm;
mod starcoder2;
mod vaultgemma;

#[cfg(test)]
mod honesty;
#[cfg(test)]
pub(crate) mod reference;

use crate::config::{Absent, Config, Fields};
use crate::layers::head::LogitShape;
use crate::layers::linear::LinearKind;
use shape::{DecoderShape, Embeddings};

/// An architecture, by the names that `config.json` gives, and how to read its fields.
struct Architecture {
    class: &'static str,
    model_type: &'static str,
    shape: fn(&Fields<'_>) -> DecoderShape,
}

/// A model that also sees, or hears; its text model is one of the architectures.
struct Wrapper {
    class: &'static str,
    model_type: &'static str,
    /// The text model's `model_type` where the file leaves it open.
    text: &'static str,
}

const ARCHITECTURES: &[Architecture] = &[
    llama::ARCHITECTURE,
    mistral::ARCHITECTURE,
    ministral3::ARCHITECTURE,
    qwen2::ARCHITECTURE,
    qwen3::ARCHITECTURE,
    gemma2::ARCHITECTURE,
    gemma3::ARCHITECTURE,
    smollm3::ARCHITECTURE,
    olmo2::ARCHITECTURE,
    olmo3::ARCHITECTURE,
    phi3::ARCHITECTURE,
    granite::ARCHITECTURE,
    gpt2::ARCHITECTURE,
    gpt_neox::ARCHITECTURE,
    gemma::ARCHITECTURE,
    granitemoehybrid::ARCHITECTURE,
    glm::ARCHITECTURE,
    glm4::ARCHITECTURE,
    cohere::ARCHITECTURE,
    cohere2::ARCHITECTURE,
    phi::ARCHITECTURE,
    stablelm::ARCHITECTURE,
    starcoder2::ARCHITECTURE,
    exaone4::ARCHITECTURE,
    ernie4_5::ARCHITECTURE,
    hunyuan_v1_dense::ARCHITECTURE,
    seed_oss::ARCHITECTURE,
    nemotron::ARCHITECTURE,
    arcee::ARCHITECTURE,
    helium::ARCHITECTURE,
    olmo::ARCHITECTURE,
    ministral::ARCHITECTURE,
    cwm::ARCHITECTURE,
    vaultgemma::ARCHITECTURE,
    jais2::ARCHITECTURE,
    opt::ARCHITECTURE,
    gptj::ARCHITECTURE,
    gpt_neo::ARCHITECTURE,
    gpt_bigcode::ARCHITECTURE,
    falcon::ARCHITECTURE,
    qwen3_moe::ARCHITECTURE,
    olmoe::ARCHITECTURE,
    gpt_oss::ARCHITECTURE,
    qwen3_5::ARCHITECTURE,
    qwen3_5_moe::ARCHITECTURE,
    qwen3_next::ARCHITECTURE,
    lfm2::ARCHITECTURE,
    mixtral::ARCHITECTURE,
    qwen2_moe::ARCHITECTURE,
    granitemoe::ARCHITECTURE,
    glm4_moe::ARCHITECTURE,
    deepseek_v2::ARCHITECTURE,
    deepseek_v3::ARCHITECTURE,
    dots1::ARCHITECTURE,
    ernie4_5_moe::ARCHITECTURE,
    lfm2_moe::ARCHITECTURE,
    qwen_vl::QWEN2_VL,
    qwen_vl::QWEN2_5_VL,
    qwen_vl::QWEN3_VL,
    qwen_vl::QWEN3_VL_MOE,
    apertus::ARCHITECTURE,
    exaone::ARCHITECTURE,
    granite_swa::ARCHITECTURE,
    hyperclovax::ARCHITECTURE,
    internlm3::ARCHITECTURE,
    iquestcoder::ARCHITECTURE,
];

const WRAPPERS: &[Wrapper] = &[
    Wrapper { class: "Gemma3ForConditionalGeneration", model_type: "gemma3", text: "gemma3_text" },
    Wrapper { class: "Mistral3ForConditionalGeneration", model_type: "mistral3", text: "mistral" },
    Wrapper {
        class: "Qwen3_5ForConditionalGeneration",
        model_type: "qwen3_5",
        text: "qwen3_5_text",
    },
    Wrapper {
        class: "Qwen3_5MoeForConditionalGeneration",
        model_type: "qwen3_5_moe",
        text: "qwen3_5_moe_text",
    },
    Wrapper {
        class: "Qwen2VLForConditionalGeneration",
        model_type: "qwen2_vl",
        text: "qwen2_vl_text",
    },
    Wrapper {
        class: "Qwen2_5_VLForConditionalGeneration",
        model_type: "qwen2_5_vl",
        text: "qwen2_5_vl_text",
    },
    Wrapper {
        class: "Qwen3VLForConditionalGeneration",
        model_type: "qwen3_vl",
        text: "qwen3_vl_text",
    },
    Wrapper {
        class: "Qwen3VLMoeForConditionalGeneration",
        model_type: "qwen3_vl_moe",
        text: "qwen3_vl_moe_text",
    },
    Wrapper { class: "LlavaForConditionalGeneration", model_type: "llava", text: "llama" },
    Wrapper { class: "LlavaNextForConditionalGeneration", model_type: "llava_next", text: "llama" },
    Wrapper {
        class: "LlavaOnevisionForConditionalGeneration",
        model_type: "llava_onevision",
        text: "qwen2",
    },
    Wrapper { class: "InternVLForConditionalGeneration", model_type: "internvl", text: "qwen2" },
    Wrapper { class: "SmolVLMForConditionalGeneration", model_type: "smolvlm", text: "llama" },
];

/// The field that ties head and embedding, and the wrappers in which that of the text's part counts too.
const TIE: &str = "tie_word_embeddings";
const TIED_BY_TEXT: [&str; 3] = ["llava", "qwen2_vl", "qwen2_5_vl"];

/// What else may be saved of a model: it has no head that predicts the next token.
const OTHER_TASKS: [&str; 5] = [
    "ForMaskedLM",
    "ForQuestionAnswering",
    "ForSequenceClassification",
    "ForTokenClassification",
    "RewardModel",
];

/// The decoder a configuration asks for.
pub(crate) fn shape(config: &Config) -> Result<DecoderShape, String> {
    let (architecture, is_wrapped) = find(config)?;
    let absent = if is_wrapped { Absent::Default } else { Absent::Fault };
    let fields = Fields::new(architecture.model_type, config.text(), absent);
    let mut shape = (architecture.shape)(&fields);
    if is_wrapped {
        shape.names = shape.names.in_wrapper();
        // transformers asks the whole model, not the text's part of it.
        let whole = Fields::new(config.model_type(), config.whole(), Absent::Default);
        let is_tied = whole.flag(TIE)
            || TIED_BY_TEXT.contains(&config.model_type()) && shape.embeddings == Embeddings::Tied;
        shape.embeddings = Embeddings::from_tied(is_tied);
        // Its head is one of its own, a matrix and nothing else.
        if shape.logits != LogitShape::default() || shape.head != LinearKind::Plain {
            fields.fault(format!(
                "a text model `{}` within a `{}`: what it does to logits is lost there",
                architecture.model_type,
                config.model_type()
            ));
        }
    }
    shape.dropout = fields.dropouts();
    let mut faults = fields.into_faults();
    // Sizes that are not there cannot be compared.
    if faults.is_empty() {
        faults = shape.faults();
    }
    if faults.is_empty() { Ok(shape) } else { Err(faults.join("\n")) }
}

/// By `model_type`, as transformers does: the class may be a wrapper's of another library, or an older
/// spelling. Says also whether it lies within a model that sees.
fn find(config: &Config) -> Result<(&'static Architecture, bool), String> {
    let classes = config.architectures();
    let of_another_task = |class: &&&str| OTHER_TASKS.iter().any(|task| class.ends_with(task));
    if let Some(class) = classes.iter().find(of_another_task) {
        return Err(format!(
            "architecture `{class}` is not supported: it has no head that predicts tokens\n\
             hint: expected the folder of a causal language model"
        ));
    }
    let of_type = |model_type: &str| ARCHITECTURES.iter().find(|it| it.model_type == model_type);
    let wrapper = WRAPPERS.iter().find(|it| it.model_type == config.model_type());
    let text_type = |wrapper: &Wrapper| config.text_model_type().unwrap_or(wrapper.text).to_owned();
    let found = match wrapper {
        Some(wrapper) => of_type(&text_type(wrapper)),
        None => of_type(config.model_type()),
    };
    found.map(|it| (it, wrapper.is_some())).ok_or_else(|| {
        let asked = classes.first().copied().unwrap_or(config.model_type());
        let within = match wrapper {
            Some(wrapper) => format!(" with a text model `{}`", text_type(wrapper)),
            None => String::new(),
        };
        let texts = ARCHITECTURES.iter().map(|it| it.class);
        let supported: Vec<&str> = texts.chain(WRAPPERS.iter().map(|it| it.class)).collect();
        format!(
            "architecture `{asked}`{within} is not supported\nhint: supported are {}",
            supported.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::attention::AttentionShape;
    use crate::layers::feed_forward::FeedForwardShape;
    use serde_json::{Value, json};

    fn config(class: Option<&str>, model_type: &str, more: &Value) -> Config {
        let mut fields = json!({
            "model_type": model_type, "vocab_size": 10, "hidden_size": 8, "intermediate_size": 16,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
            "max_position_embeddings": 64,
        });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        if let Some(class) = class {
            fields["architectures"] = json!([class]);
        }
        Config::parse(&fields.to_string()).unwrap()
    }

    fn attentions(model_type: &str, more: &Value) -> Vec<AttentionShape> {
        let shape = shape(&config(None, model_type, more)).unwrap();
        shape.blocks.iter().map(|block| block.mixer.shape.attention().unwrap().clone()).collect()
    }

    fn windows(model_type: &str, more: &Value) -> Vec<Option<usize>> {
        attentions(model_type, more).iter().map(|it| it.window).collect()
    }

    #[test]
    fn an_unknown_architecture_is_named_with_the_known_ones() {
        for (class, model_type) in [(Some("MambaForCausalLM"), "mamba"), (None, "mamba")] {
            let message = shape(&config(class, model_type, &json!({}))).unwrap_err();
            assert!(message.contains(class.unwrap_or("mamba")), "{message}");
            assert!(message.contains("LlamaForCausalLM, MistralForCausalLM"), "{message}");
        }
        let text = json!({"text_config": {"model_type": "mamba"}});
        let message = shape(&config(None, "mistral3", &text)).unwrap_err();
        assert!(message.contains("`mistral3` with a text model `mamba`"), "{message}");
    }

    #[test]
    fn an_architecture_goes_by_its_model_type() {
        for class in
            [None, Some("LLaMAForCausalLM"), Some("LlamaModel"), Some("FSDPLlamaForCausalLM")]
        {
            assert!(shape(&config(class, "llama", &json!({}))).is_ok(), "{class:?}");
        }
        let class = Some("LlamaForSequenceClassification");
        let message = shape(&config(class, "llama", &json!({}))).unwrap_err();
        assert!(message.contains("no head that predicts tokens"), "{message}");
    }

    #[test]
    fn each_architecture_reads_its_own_fields() {
        let biased = json!({"attention_bias": true, "mlp_bias": true, "num_key_value_heads": 2});
        let llama = shape(&config(None, "llama", &biased)).unwrap();
        let FeedForwardShape::Gated(gated) = &llama.blocks[0].feed_forward.shape else { panic!() };
        assert_eq!(gated.kind, LinearKind::Biased);
        let llama = &attentions("llama", &biased)[1];
        assert_eq!(
            (llama.inputs_kind, llama.output_kind),
            (LinearKind::Biased, LinearKind::Biased)
        );
        assert_eq!((llama.num_key_value_heads, llama.head_dim), (2, 2));

        let mistral = &attentions("mistral", &json!({}))[0];
        assert_eq!((mistral.inputs_kind, mistral.window), (LinearKind::Plain, Some(4096)));
        assert_eq!(windows("mistral", &json!({"sliding_window": 32})), [Some(32); 2]);
        assert_eq!(windows("mistral", &json!({"sliding_window": null})), [None; 2]);

        let qwen2 = &attentions("qwen2", &json!({}))[0];
        assert_eq!((qwen2.inputs_kind, qwen2.output_kind), (LinearKind::Biased, LinearKind::Plain));
        let mut qwen2 = json!({"sliding_window": 32, "use_sliding_window": false});
        assert_eq!(windows("qwen2", &qwen2), [None; 2]);
        qwen2["use_sliding_window"] = json!(true);
        assert_eq!(windows("qwen2", &qwen2), [None; 2], "from layer 28 on");
        qwen2["max_window_layers"] = json!(1);
        assert_eq!(windows("qwen2", &qwen2), [None, Some(32)]);
        qwen2["layer_types"] = json!(["sliding_attention", "full_attention"]);
        assert_eq!(windows("qwen2", &qwen2), [Some(32), None]);

        let qwen3 = &attentions("qwen3", &json!({}))[0];
        assert_eq!(qwen3.head_dim, 128);
        assert!(qwen3.query_key_norm.is_some());
    }

    #[test]
    fn faults_are_named_all_at_once() {
        for (more, faults) in [
            (json!({"num_key_value_heads": 3}), vec!["`num_key_value_heads` 3 does not divide"]),
            (json!({"head_dim": 3}), vec!["3 features of a head turn"]),
            (json!({"num_attention_heads": 3}), vec!["`hidden_size` 8 does not divide"]),
            (
                json!({"vocab_size": null, "hidden_size": 0, "num_hidden_layers": "two"}),
                vec![
                    "missing field `vocab_size`",
                    "`hidden_size` is 0: expected a positive number",
                    "`num_hidden_layers` is \"two\": expected a positive number",
                ],
            ),
            (json!({"num_hidden_layers": 2_000_000_000}), vec!["expected at most 10000"]),
            (
                json!({"hidden_act": "mish", "attention_dropout": 0.1}),
                vec![
                    "`hidden_act` is `mish`, which is not supported",
                    "`attention_dropout` is 0.1",
                ],
            ),
            (json!({"partial_rotary_factor": 0.5}), vec!["`partial_rotary_factor` is 0.5"]),
            (
                json!({"rope_scaling": {"rope_type": "dynamic", "factor": 4.0}}),
                vec!["rope type `dynamic` is not supported"],
            ),
            (json!({"rope_scaling": {"type": "linear"}}), vec!["lacks `factor`"]),
            (
                json!({"rope_scaling": {"type": "longrope", "factor": 2, "long_factor": [1, 2]}}),
                vec!["no list of numbers for `short_factor`", "2 numbers for `long_factor`"],
            ),
            (
                json!({"head_dim": i32::MAX, "rope_scaling": {"type": "longrope", "factor": 2}}),
                vec!["no list of numbers for `short_factor`: expected 1073741823"],
            ),
            (
                json!({"num_attention_heads": i32::MAX, "head_dim": i32::MAX - 1}),
                vec!["heads of a layer have 4611686011984936962 features together"],
            ),
            (json!({"hidden_act": "x".repeat(1_000_000)}), vec!["xxx…, which is not supported"]),
        ] {
            let message = shape(&config(None, "llama", &more)).unwrap_err();
            assert!(faults.iter().all(|fault| message.contains(fault)), "{message}");
        }
    }
}
