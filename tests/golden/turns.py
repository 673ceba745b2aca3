"""Makes turns.json: conversations of several turns, and what transformers says of all of them.

    python tests/golden/turns.py        (packages: tests/golden/requirements.txt)

Every turn of the assistant that is not marked otherwise is asked as it stands when it is the last one,
and alone behind its own header; losses are summed over turns, in float64. The rows are ShareGPT's and
OpenAI's kind, plain, with thoughts under a template that cuts them from history, and with tools.
"""

import json
import math
import os
import random
from pathlib import Path

import ifd
import torch
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
MODEL = HERE / "models" / "llama-tied"
MARK = "\ue000"

PLAIN = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# A thought is shown only behind the last question, and there even where there is none.
THOUGHTS = (
    "{{ bos_token }}{% set ns = namespace(asked=-1) %}"
    "{% for m in messages %}{% if m.role == 'user' %}{% set ns.asked = loop.index0 %}{% endif %}{% endfor %}"
    "{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.role == 'assistant' and loop.index0 > ns.asked %}"
    "<think>{{ m.reasoning_content or '' }}</think>{% endif %}{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TOOLS = (
    "{{ bos_token }}{% if tools %}<|system|>{{ tools | tojson }}<|end|>{% endif %}"
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content or '' }}"
    "{% for call in m.tool_calls or [] %}<call>{{ call.function | tojson }}</call>{% endfor %}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

WORDS = "the dog cat sun park red small likes runs sees big house and ball tree we you".split()
NUM_ROWS = 6


def main():
    tokenizer = ifd.tokenizer_of(MODEL)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float64).eval()
    rng = random.Random("turns")
    golden = {}
    for name, template, make, frame in [
        ("plain", PLAIN, plain_row, lambda message: "<|assistant|>"),
        ("thoughts", THOUGHTS, thoughtful_row, thoughtful_frame),
        ("tools", TOOLS, tool_row, lambda message: "<|assistant|>"),
    ]:
        rows = [make(rng) for _ in range(NUM_ROWS)]
        expected = [losses(tokenizer, model, template, row, frame) for row in rows]
        golden[name] = {"template": template, "rows": rows, "expected": expected}
    text = json.dumps(golden, ensure_ascii=False, indent=1)
    (HERE / "turns.json").write_text(text + "\n", encoding="utf-8")


def words(rng, most=4):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


def plain_row(rng):
    turns = []
    for _ in range(rng.randint(1, 4)):
        turns.append({"from": "human", "value": words(rng)})
        turns.append({"from": "gpt", "value": words(rng)})
    if len(turns) > 2 and rng.random() < 0.5:
        turns[1]["weight"] = 0
    return {"conversations": turns}


def thoughtful_row(rng):
    messages = []
    for _ in range(rng.randint(1, 3)):
        messages.append({"role": "user", "content": words(rng)})
        answer = {"role": "assistant", "content": words(rng)}
        if rng.random() < 0.6:
            answer["reasoning_content"] = words(rng)
        messages.append(answer)
    return {"messages": messages}


def tool_row(rng):
    call = {"type": "function", "function": {"name": "f", "arguments": {"x": rng.choice(WORDS)}}}
    messages = [
        {"role": "user", "content": words(rng)},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": words(rng)},
        {"role": "assistant", "content": words(rng)},
    ]
    if rng.random() < 0.5:
        messages += [
            {"role": "user", "content": words(rng)},
            {"role": "assistant", "content": words(rng), "train": rng.random() < 0.5},
        ]
    return {"messages": messages, "tools": [{"name": "f"}]}


def thoughtful_frame(message):
    return "<|assistant|><think>" + ("" if message.get("reasoning_content") else "</think>")


def losses(tokenizer, model, template, row, frame):
    """Summed over the turns that are trained on: losses behind the prompt and alone, and their IFD."""
    messages, tools = messages_of(row), row.get("tools")
    conditional, unconditional = [], []
    for index, message in enumerate(messages):
        is_trained = message.get("weight", 1) != 0 and message.get("train", True)
        if message["role"] != "assistant" or not is_trained:
            continue

        def render(messages):
            return tokenizer.apply_chat_template(
                messages, tools=tools, chat_template=template, tokenize=False
            )

        whole = render(messages[: index + 1])
        stand_in = render([*messages[:index], {"role": "assistant", "content": MARK}])
        start = len(os.path.commonprefix([whole, stand_in]))
        encoded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        first = next(i for i, (_, end) in enumerate(offsets) if end > start)
        held = whole[min(offsets[first][0], start) : start]
        before = (tokenizer.bos_token + frame(message)).removesuffix(held)
        before = tokenizer(before, add_special_tokens=False)["input_ids"]
        conditional += nll(model, ids, first)
        unconditional += nll(model, before + ids[first:], len(before))
    means = [sum(it) / len(it) for it in (conditional, unconditional)]
    return {
        "tokens": len(conditional),
        "conditional_nll": ifd.rounded(means[0]),
        "unconditional_nll": ifd.rounded(means[1]),
        "ifd": ifd.rounded(math.exp(means[0] - means[1])),
    }


def messages_of(row):
    """The turns of either kind of row as messages."""
    names = {"human": "user", "gpt": "assistant"}
    messages = [
        {**turn, "role": turn.get("role") or names[turn["from"]], "content": turn.get("content", turn.get("value"))}
        for turn in row.get("messages") or row["conversations"]
    ]
    return messages


@torch.no_grad()
def nll(model, ids, first):
    ids = torch.tensor([ids])
    logits = model(ids).logits[0, :-1]
    return torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")[first - 1 :].tolist()


if __name__ == "__main__":
    main()
