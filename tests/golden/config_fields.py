"""Makes host/torch/src/config/fields.json: every field of transformers' own configuration classes with
its default, for each architecture that the host knows, so that a field nobody reads can be refused; and
aliases.json beside it: the second names that some of these fields go by.

    python tests/golden/config_fields.py [--check]        (packages: tests/golden/requirements.txt)

Fields that every configuration has are left out: they say nothing of what is computed.
"""

import dataclasses
import json
import sys
from pathlib import Path

from transformers import PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

FOLDER = Path(__file__).parents[2] / "host" / "torch" / "src" / "config"

# By `model_type`; of a model that also sees, its own and that of its text.
MODEL_TYPES = [
    "apertus",
    "arcee",
    "cohere",
    "cohere2",
    "cwm",
    "deepseek_v2",
    "deepseek_v3",
    "dots1",
    "ernie4_5",
    "ernie4_5_moe",
    "exaone",
    "exaone4",
    "falcon",
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3_text",
    "glm",
    "glm4",
    "glm4_moe",
    "gpt2",
    "gpt_bigcode",
    "gpt_neo",
    "gpt_neox",
    "gpt_oss",
    "gptj",
    "granite",
    "granite_swa",
    "granitemoe",
    "granitemoehybrid",
    "helium",
    "hunyuan_v1_dense",
    "hyperclovax",
    "internlm3",
    "internvl",
    "iquestcoder",
    "jais2",
    "lfm2",
    "lfm2_moe",
    "llama",
    "llava",
    "llava_next",
    "llava_onevision",
    "ministral",
    "ministral3",
    "mistral",
    "mistral3",
    "mixtral",
    "nemotron",
    "olmo",
    "olmo2",
    "olmo3",
    "olmoe",
    "opt",
    "phi",
    "phi3",
    "qwen2",
    "qwen2_5_vl",
    "qwen2_5_vl_text",
    "qwen2_moe",
    "qwen2_vl",
    "qwen2_vl_text",
    "qwen3",
    "qwen3_5",
    "qwen3_5_moe",
    "qwen3_5_moe_text",
    "qwen3_5_text",
    "qwen3_moe",
    "qwen3_next",
    "qwen3_vl",
    "qwen3_vl_moe",
    "qwen3_vl_moe_text",
    "qwen3_vl_text",
    "seed_oss",
    "smollm3",
    "smolvlm",
    "stablelm",
    "starcoder2",
    "vaultgemma",
]


def main():
    names = sorted(MODEL_TYPES)
    aliases = {name: CONFIG_MAPPING[name].attribute_map for name in names}
    files = {
        "fields.json": {name: fields(name) for name in names},
        "aliases.json": {name: fields for name, fields in aliases.items() if fields},
    }
    for file, content in files.items():
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
        path = FOLDER / file
        if sys.argv[1:] != ["--check"]:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not what transformers says: run tests/golden/config_fields.py")


def fields(model_type):
    """What the class declares, and what it takes when told nothing."""
    common = {field.name for field in dataclasses.fields(PreTrainedConfig)} - {"tie_word_embeddings"}
    declared = dataclasses.fields(CONFIG_MAPPING[model_type])
    return {field.name: plain(default(field)) for field in declared if field.name not in common}


def plain(value):
    """As JSON has it, which knows no infinity: transformers writes one as text."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return str(value) if value == float("inf") else value


def default(field):
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


if __name__ == "__main__":
    main()
