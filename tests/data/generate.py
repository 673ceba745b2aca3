"""Makes everything in demo/: the instructions, the tokenizer and the small model.

    python generate.py            the instructions and the tokenizer, from world.py alone
    python generate.py --model    the model too: pretraining takes a quarter of an hour on two cores
    python generate.py --check    writes nothing; fails if what is committed is not what would be made

Text and tokenizer come out the same everywhere. Weights do not, as no two processors add alike, so
the committed model is checked for what it can do: see tests/golden.
"""

import argparse
import json
import random
import sys
from pathlib import Path

import corpus
import instructions

DEMO = Path(__file__).parent / "demo"

VOCAB_SIZE = 1024
MODEL_MAX_LENGTH = 256
SPECIAL = ["<|pad|>", "<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]

# A turn is its role, its text and the mark that ends it. The same mark ends a document, so the
# model knows it from its reading.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", action="store_true", help="pretrain the model too")
    arguments.add_argument("--check", action="store_true", help="compare with what is committed")
    chosen = arguments.parse_args()

    rows = instructions.rows()
    files = {
        DEMO / "instructions.json": "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n",
        DEMO / "model" / "tokenizer.json": tokenizer_json(rows),
        DEMO / "model" / "tokenizer_config.json": json.dumps(tokenizer_config(), indent=2) + "\n",
    }
    if chosen.check:
        check(files)
        return
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(DEMO)}", file=sys.stderr)
    if chosen.model:
        import pretrain

        pretrain.run(DEMO / "model", MODEL_MAX_LENGTH)


def check(files: dict[Path, str]) -> None:
    changed = [path.name for path, text in files.items() if path.read_text(encoding="utf-8") != text]
    if changed:
        sys.exit(f"not what generate.py makes: {', '.join(changed)}")
    print("demo: instructions and tokenizer are what generate.py makes", file=sys.stderr)


def tokenizer_json(rows: list[instructions.Row]) -> str:
    """A byte-level BPE, trained on the instructions and on as much plain text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    rng = random.Random("tokenizer")
    texts = [text for row in rows for text in (row["instruction"], row["input"], row["output"])]
    texts += [corpus.paragraph(rng) for _ in range(len(rows))]
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.to_str(pretty=True) + "\n"


def tokenizer_config() -> dict[str, object]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|bos|>",
        "eos_token": "<|end|>",
        "pad_token": "<|pad|>",
        "model_max_length": MODEL_MAX_LENGTH,
        "clean_up_tokenization_spaces": False,
        "padding_side": "right",
        "chat_template": CHAT_TEMPLATE,
    }


if __name__ == "__main__":
    main()
