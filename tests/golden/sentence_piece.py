"""Makes sentence_piece.json: a tokenizer of Llama 2's kind, trained on the demo's texts.

    python tests/golden/sentence_piece.py        (packages: tests/golden/requirements.txt)

Metaspace, `▁` before the first word alone, and bytes for characters that training has not seen. What
matters is that tokens hold the blank before their word and that characters fall into several tokens.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = Path(__file__).parent
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def main():
    rows = json.loads((HERE.parent / "data" / "demo" / "instructions.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=SPECIAL + BYTES, show_progress=False, initial_alphabet=["▁", "\n"]
    )
    tokenizer.train_from_iterator(
        (row[field] for row in rows for field in ("instruction", "input", "output")), trainer
    )
    # The trainer takes bytes for special tokens; they are pieces like any other.
    whole = json.loads(tokenizer.to_str())
    whole["added_tokens"] = whole["added_tokens"][: len(SPECIAL)]
    (HERE / "sentence_piece.json").write_text(
        json.dumps(whole, ensure_ascii=False, indent=None) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
