"""What the other scripts share: the three texts of a sample, and its losses by transformers.

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
    return whole(tokenizer, prompt_of(row), row["output"])


def unconditional(tokenizer, row):
    return whole(tokenizer, [], row["output"])


def training(tokenizer, row):
    opening = tokenizer.apply_chat_template(prompt_of(row), tokenize=False, add_generation_prompt=True)
    return encoded(tokenizer, opening, row["output"] + tokenizer.eos_token)


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


def whole(tokenizer, prompt, response):
    """A closed conversation. What stands before the response is found with a mark in its place."""

    def rendered(content):
        turns = [*prompt, {"role": "assistant", "content": content}]
        return tokenizer.apply_chat_template(turns, tokenize=False)

    prefix = rendered(MARK).split(MARK)[0]
    text = rendered(response)
    assert text.startswith(prefix)
    return encoded(tokenizer, prefix, text[len(prefix) :])


def encoded(tokenizer, prefix, rest):
    def ids(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    return {"text": prefix + rest, "ids": ids(prefix + rest), "start": len(ids(prefix))}


@torch.no_grad()
def response_losses(model, text):
    ids = torch.tensor([text["ids"]])
    logits = model(ids).logits[0, :-1].double()
    losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
    return losses[text["start"] - 1 :].tolist()


def rounded(value):
    return float(f"{value:.12g}")
