//! IQuest-Coder, <https://huggingface.co/IQuestLab/IQuest-Coder-V1-40B-Instruct>: Llama under another name.

use super::{Architecture, llama};

pub(super) const ARCHITECTURE: Architecture = Architecture {
    class: "IQuestCoderForCausalLM",
    model_type: "iquestcoder",
    shape: llama::shape,
};
