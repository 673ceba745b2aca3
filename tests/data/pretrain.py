"""The demo's model: a Llama of half a million parameters that has read the invented country.

It reads documents of plain text, made up as it goes, and never an instruction. Saved as Hugging
Face saves models, in bfloat16, which the weights are rounded to at the end.
"""

import json
import math
import random
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

import corpus

STEPS = 1500
BATCH = 24
LEARNING_RATE = 4e-3
WARMUP = 100
SPECIAL_ROLES = ["<|pad|>", "<|system|>", "<|user|>", "<|assistant|>"]


def config(tokenizer: Tokenizer, max_length: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=max_length,
        rms_norm_eps=1e-5,
        rope_theta=10000.0,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.token_to_id("<|bos|>"),
        eos_token_id=tokenizer.token_to_id("<|end|>"),
        pad_token_id=tokenizer.token_to_id("<|pad|>"),
    )


def run(folder: Path, max_length: int) -> None:
    """Pretrains on what corpus.py writes and saves into `folder`, beside the tokenizer."""
    torch.manual_seed(0)
    rng = random.Random("pretraining")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = LlamaForCausalLM(config(tokenizer, max_length))
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters:,} parameters, {STEPS} steps", file=sys.stderr)

    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.05)
    started, running = time.time(), None
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        loss = model(**batch(tokenizer, rng, max_length)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
        if step % 50 == 49:
            print(f"step {step + 1}: loss {running:.3f}, {time.time() - started:.0f} s", file=sys.stderr)
    give_roles_an_embedding(model, tokenizer)
    save(model, folder)


def learning_rate(step: int) -> float:
    if step < WARMUP:
        return LEARNING_RATE * (step + 1) / WARMUP
    return LEARNING_RATE * (0.02 + 0.49 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))))


def batch(tokenizer: Tokenizer, rng: random.Random, max_length: int) -> dict[str, torch.Tensor]:
    """Documents of one to three paragraphs, padded on the right; padding carries no loss."""
    bos, end, pad = (tokenizer.token_to_id(it) for it in ("<|bos|>", "<|end|>", "<|pad|>"))
    documents = []
    for _ in range(BATCH):
        text = "\n".join(corpus.paragraph(rng) for _ in range(rng.randint(1, 3)))
        documents.append([bos, *tokenizer.encode(text).ids, end][:max_length])
    length = max(map(len, documents))
    ids = torch.tensor([it + [pad] * (length - len(it)) for it in documents])
    labels = torch.tensor([it + [-100] * (length - len(it)) for it in documents])
    return {"input_ids": ids, "attention_mask": (labels != -100).long(), "labels": labels}


@torch.no_grad()
def give_roles_an_embedding(model: LlamaForCausalLM, tokenizer: Tokenizer) -> None:
    """The marks of a chat were never read; the mean of all others is the least surprising start."""
    weight = model.get_input_embeddings().weight
    unread = [tokenizer.token_to_id(it) for it in SPECIAL_ROLES]
    read = [i for i in range(weight.shape[0]) if i not in unread]
    weight[unread] = weight[read].mean(0)


def save(model: LlamaForCausalLM, folder: Path) -> None:
    model.generation_config = GenerationConfig(
        bos_token_id=model.config.bos_token_id,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
        do_sample=False,
    )
    model.to(torch.bfloat16).save_pretrained(folder)
    size = (folder / "model.safetensors").stat().st_size
    written = json.loads((folder / "config.json").read_text())
    print(f"wrote model.safetensors, {size:,} bytes, {written['architectures'][0]}", file=sys.stderr)
