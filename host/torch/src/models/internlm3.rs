//! InternLM 3, <https://huggingface.co/internlm/internlm3-8b-instruct>: Llama under another name.

use super::{Architecture, llama};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { class: "InternLM3ForCausalLM", model_type: "internlm3", shape: llama::shape };
