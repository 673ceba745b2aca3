"""Makes superfilter.json: what the published Superfiltering definition (arXiv 2402.00530) gives for samples of
the demo, with two tiny checkpoints of architectures/ as filters, in float64.

    python tests/golden/superfilter.py        (packages: tests/golden/requirements.txt)

The definition, written anew: a prompt is the instruction and a line break, and where there is an input that and
a line break too. IFD is the ratio of two perplexities of the response: behind the prompt, over the tokens beyond
as many as the prompt alone has; and by itself, over all but the first. Texts are encoded with whatever the
tokenizer adds, and cut at a window, the response alone at what the window leaves behind the prompt, and one.
"""

import json
import math
from pathlib import Path

import architectures
import ifd
import torch
from tokenizers.processors import TemplateProcessing

HERE = Path(__file__).parent
ROWS = 40

# By architecture: whether the tokenizer puts a bos before each text, and the windows.
FILTERS = {"gpt2": (False, [256, 40]), "phi": (True, [256, 64])}


def main():
    rows = json.loads((HERE.parent / "data/demo/instructions.json").read_text(encoding="utf-8"))[:ROWS]
    cases = []
    for name, (has_bos, windows) in FILTERS.items():
        tokenizer, model = tokenizer_of(has_bos), architectures.load(architectures.HERE / name)
        for window in windows:
            samples = [scores(tokenizer, model, row, window) for row in rows]
            cases.append({"architecture": name, "bos": has_bos, "window": window, "samples": samples})
    architectures.write_json(HERE / "superfilter.json", {"rows": ROWS, "cases": cases})


def tokenizer_of(has_bos):
    tokenizer = ifd.tokenizer_of(HERE / "models/llama-tied")
    if has_bos:
        pair = (tokenizer.bos_token, tokenizer.bos_token_id)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{pair[0]} $A", pair=f"{pair[0]} $A $B", special_tokens=[pair]
        )
    return tokenizer


@torch.no_grad()
def scores(tokenizer, model, row, window):
    prompt = "".join(text + "\n" for text in [row["instruction"], row["input"]] if text)
    asked = len(tokenizer(prompt)["input_ids"])
    given = losses(model, tokenizer(prompt + row["output"])["input_ids"][:window])[max(asked, 1) - 1 :]
    alone = losses(model, tokenizer(row["output"])["input_ids"][: window - min(asked, window) + 1])
    if not given or not alone:
        return {"tokens": len(given), "ifd": None}
    means = [sum(it) / len(it) for it in (given, alone)]
    return {
        "tokens": len(given),
        "conditional_nll": ifd.rounded(means[0]),
        "unconditional_nll": ifd.rounded(means[1]),
        "ifd": ifd.rounded(math.exp(means[0]) / math.exp(means[1])),
    }


def losses(model, ids):
    """Of every token but the first."""
    logits = model(input_ids=torch.tensor([ids])).logits[0, :-1]
    return (-logits.log_softmax(-1).gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]).tolist()


if __name__ == "__main__":
    main()
