"""Makes host/torch/src/config/fields.json: every field of transformers' own configuration classes with
its default, for each architecture that the host knows, so that a field nobody reads can be refused.

    python tests/golden/config_fields.py [--check]        (packages: tests/golden/requirements.txt)

Fields that every configuration has are left out: they say nothing of what is computed.
"""

import dataclasses
import json
import sys
from pathlib import Path

from transformers import PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

FILE = Path(__file__).parents[2] / "host" / "torch" / "src" / "config" / "fields.json"

# By `model_type`; of a model that also sees, its own and that of its text.
MODEL_TYPES = [
    "gemma2",
    "gemma3",
    "gemma3_text",
    "granite",
    "llama",
    "ministral3",
    "mistral",
    "mistral3",
    "olmo2",
    "olmo3",
    "phi3",
    "qwen2",
    "qwen3",
    "smollm3",
]


def main():
    text = json.dumps({name: fields(name) for name in sorted(MODEL_TYPES)}, indent=1, sort_keys=True) + "\n"
    if sys.argv[1:] == ["--check"]:
        if FILE.read_text(encoding="utf-8") != text:
            sys.exit(f"{FILE} is not what transformers says: run tests/golden/config_fields.py")
    else:
        FILE.write_text(text, encoding="utf-8")


def fields(model_type):
    """What the class declares, and what it takes when told nothing."""
    common = {field.name for field in dataclasses.fields(PreTrainedConfig)} - {"tie_word_embeddings"}
    declared = dataclasses.fields(CONFIG_MAPPING[model_type])
    return {field.name: default(field) for field in declared if field.name not in common}


def default(field):
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


if __name__ == "__main__":
    main()
