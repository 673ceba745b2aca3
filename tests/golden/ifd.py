"""What the other scripts share: the three texts of a sample, and its losses by transformers.

One text a sample: the response's tokens are the same behind its prompt, alone, and in training.
Written from the definitions, in the plainest way; the host's own code looks nothing like it.
"""

import math

import torch
from transformers import PreTrainedTokenizerFast

SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
MARK = "\ue000"


def tokenizer_of(folder):
    """The tokenizer that `tokenizer.json` says. AutoTokenizer puts Qwen 2's own rules for words in the
    place of those in the file."""
    return PreTrainedTokenizerFast.from_pretrained(folder)


def prompt_of(row):
    """An Alpaca row's turns before the response."""
    user = row["instruction"] + (f"\nInput: {row['input']}" if row["input"] else "")
    return [SYSTEM, {"role": "user", "content": user}]


def conditional(tokenizer, row):
    prefix, _ = around(tokenizer, prompt_of(row))
    turns = [*prompt_of(row), {"role": "assistant", "content": row["output"]}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    assert text.startswith(prefix)
    return encoded(tokenizer, prefix, text[len(prefix) :])


def unconditional(tokenizer, row):
    """The very tokens of the response, behind what the template puts before a lone one."""
    asked = conditional(tokenizer, row)
    response = asked["text"][asked["begins"] :]
    frame, _ = around(tokenizer, [])
    before = ids_of(tokenizer, frame.removesuffix(asked["held"]))
    return {
        "text": frame + response,
        "ids": before + asked["ids"][asked["start"] :],
        "start": len(before),
    }


def training(tokenizer, row):
    """The conversation, with eos in place of the template's end."""
    asked = conditional(tokenizer, row)
    prompt, response = asked["text"][: asked["begins"]], asked["text"][asked["begins"] :]
    _, end = around(tokenizer, prompt_of(row))
    return encoded(tokenizer, prompt, response.removesuffix(end) + tokenizer.eos_token)


def scores(tokenizer, model, row):
    """The two mean losses and IFD; no text may be longer than the model's window."""
    texts = [conditional(tokenizer, row), unconditional(tokenizer, row)]
    losses = [response_losses(model, text) for text in texts]
    assert len(losses[0]) == len(losses[1]), row
    means = [sum(it) / len(it) for it in losses]
    return {
        "tokens": len(losses[0]),
        "conditional_nll": rounded(means[0]),
        "unconditional_nll": rounded(means[1]),
        "ifd": rounded(math.exp(means[0] - means[1])),
    }


def around(tokenizer, prompt):
    """What the template puts before and behind a response, found with a mark in its place."""
    turns = [*prompt, {"role": "assistant", "content": MARK}]
    return tokenizer.apply_chat_template(turns, tokenize=False).split(MARK)


def encoded(tokenizer, prefix, rest):
    """A text; the first token that holds a character of the rest; what this holds of the prefix."""
    text = prefix + rest
    both = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = both["input_ids"], both["offset_mapping"]
    start = next(index for index, (_, end) in enumerate(offsets) if end > len(prefix))
    held = prefix[min(offsets[start][0], len(prefix)) :]
    return {"text": text, "ids": ids, "start": start, "begins": len(prefix), "held": held}


def ids_of(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@torch.no_grad()
def response_losses(model, text):
    ids = torch.tensor([text["ids"]])
    logits = model(ids).logits[0, :-1].double()
    losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
    return losses[text["start"] - 1 :].tolist()


def rounded(value):
    return float(f"{value:.12g}")
