"""Makes seeds/: small inputs that each target starts from, whole and right ones and some that were wrong once.

    python tests/fuzz/seeds.py        (nothing but Python's own library)

Tables start from `tests/golden/tables`, which has them in every container.
"""

import json
import shutil
import struct
from pathlib import Path

HERE = Path(__file__).parent
SEEDS = HERE / "seeds"

ROW = {"instruction": "Say “a”.", "input": "", "output": "a"}
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "1 + 1?"}]},
    {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [{"id": 1}]},
    {"from": "gpt", "value": "2", "weight": 0},
    {"role": "assistant", "content": "2", "train": True},
]
ROWS = {
    "array": json.dumps([ROW, {**ROW, "score": float("nan")}]),
    "lines": "\n".join(json.dumps(row) for row in [ROW, {"messages": MESSAGES, "tools": "[{}]"}]),
    "pretty": json.dumps(ROW, indent=2) + "\n" + json.dumps(ROW, indent=1),
    "sharegpt": json.dumps({"conversations": MESSAGES}),
    "preference": json.dumps({"prompt": "a", "chosen": MESSAGES, "rejected": [], "label": True}),
    "history": json.dumps({**ROW, "history": [["a", "b"]], "system": "c"}),
    "columns": json.dumps({"prompt": ["a", "b"], "completion": {"0": "c", "1": "d"}}),
    "split": json.dumps({"columns": ["prompt", "response"], "data": [["a", "b"]]}),
    "viewer": json.dumps({"rows": [{"row_idx": 0, "row": ROW}], "features": []}),
    "by_key": json.dumps({"a": ROW, "b": ROW}),
    "cut": '{"a":1\n{"b":[\n{"c":\n{\n"d": "\\u00e9\n}\n{"e": Infinity}',
}

TEMPLATES = {
    "loop": "{{ bos_token }}{% for m in messages %}{% if loop.first and m['role'] == 'system' %}"
    "{{ m.content | trim }}{% elif m.role != 'tool' -%}\n[{{ m['role'] }}] {{ m.content }}"
    "{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}"
    "{{ raise_exception('no') }}{% endif %}{% endfor %}{% if add_generation_prompt %}>{% endif %}",
    "macros": "{% macro m(a, b=1, c='x') %}{{ a ~ b ~ c }}{{ caller() if caller }}{{ varargs }}"
    "{{ kwargs }}{% endmacro %}{% call(x) m(1, *[2, 3], **{'d': 4}) %}{{ x }}{% endcall %}",
    "tools": "{% set ns = namespace(x=[], n=0) %}{% for t in tools recursive %}{% set ns.n = ns.n + 1 %}"
    "{{ t | tojson(indent=2, sort_keys=true) }}{{ loop.index0 }}{{ loop.cycle('a', 'b') }}{% endfor %}"
    "{{ strftime_now('%d %B %Y') }}{% set ns.x = ns.x + [ns.n] %}{{ ns.x | join(', ') }}",
    "texts": "{{ 'a,b c'.split(',') | map('upper') | list }}{{ '%5.2f|%-5s|%(a)s' % {'a': 1} }}"
    "{{ '{:>10,.2f}{!r:^9}{0[a].b}'.format(1234.5, 'é') }}{{ 'aXbX'.replace('X', 'yy', 1) }}"
    "{{ 'x' * 3 }}{{ 'abc'[::-1] }}{{ ' a '.strip() | center(9) }}{{ '<b>' | escape | safe }}"
    "{{ 'a b c' | wordwrap(2) | indent(2, true) | truncate(9, true, '') | title }}",
    "values": "{{ [1, 'a', 2.5, none, true, (1,), {'a': 1}] | pprint }}{{ range(9)[::-2] | list }}"
    "{{ [3, 1, 2] | sort(reverse=true) | batch(2, 0) | list }}{{ 7 // -2 }}{{ 7 % -2 }}{{ 2 ** 10 }}"
    "{{ {'b': 1, 'a': 2} | dictsort | groupby(0) | list }}{{ 1 < 2 <= 3 != 4 and not 5 in [6] }}"
    "{{ 1e300 | round(2, 'ceil') }}{{ '12' | int(base=8) }}{{ 0.1 + 0.2 }}{{ x is defined }}",
    "tags": "{%- raw -%}{{ x }}{% endraw %}{# c #}{% filter upper %}a{% endfilter %}{% with a = 1 %}"
    "{{ a }}{% endwith %}{% block b scoped %}{{ super }}{{ self.b }}{% endblock %}{% set c %}d"
    "{% endset %}{% autoescape true %}{{ '<' }}{% endautoescape %}{% for i in [1] if i %}{% break %}"
    "{% else %}{% continue %}{% endfor %}",
}

TOKENIZER = [
    {
        "tokenizer_class": "LlamaTokenizerFast",
        "bos_token": {"content": "<s>", "lstrip": True, "normalized": False, "special": True},
        "eos_token": "</s>",
        "additional_special_tokens": ["<|im_end|>", {"content": "<x>", "rstrip": True}],
        "model_max_length": 1e30,
        "added_tokens_decoder": {"0": {"content": "<unk>", "special": True}},
    },
    {"eos_token": "</s>", "image_token": "<i>", "extra_special_tokens": {"a_token": "<a>"}},
    {"<y>": 300},
    {
        "version": "1.0",
        "added_tokens": [{"id": 3, "content": "<s>", "special": True}],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\s+(?!\\S)|\\w+"},
                          "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]],
                  "byte_fallback": True, "unk_token": None},
    },
]

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 4,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}
ROPE = {"rope_type": "yarn", "factor": 4.0, "mscale": 1.0, "original_max_position_embeddings": 16}
LONGROPE = {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [2.0]}
CONFIGS = {
    "llama": CONFIG,
    "yarn": {**CONFIG, "rope_scaling": ROPE},
    "phi3": {**CONFIG, "model_type": "phi3", "rope_parameters": LONGROPE, "sliding_window": 8},
    "gemma3": {"model_type": "gemma3", "text_config": {**CONFIG, "model_type": "gemma3_text",
               "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 4}},
    "qwen3": {**CONFIG, "model_type": "qwen3", "use_sliding_window": True, "sliding_window": 8,
              "max_window_layers": 1},
    "smollm3": {**CONFIG, "model_type": "smollm3", "no_rope_layers": [1, 0]},
    "granite": {**CONFIG, "model_type": "granite", "logits_scaling": 2.0},
    "ministral3": {**CONFIG, "model_type": "ministral3"},
}


def safetensors() -> bytes:
    """The weights that the target's configuration asks for, all nought."""
    shapes = {"model.embed_tokens.weight": [4, 2], "model.norm.weight": [2]}
    for part, shape in {
        "input_layernorm": [2],
        "post_attention_layernorm": [2],
        "self_attn.q_proj": [2, 2],
        "self_attn.k_proj": [2, 2],
        "self_attn.v_proj": [2, 2],
        "self_attn.o_proj": [2, 2],
        "mlp.gate_proj": [4, 2],
        "mlp.up_proj": [4, 2],
        "mlp.down_proj": [2, 4],
    }.items():
        shapes[f"model.layers.0.{part}.weight"] = shape
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


def library() -> bytes:
    """A shared library that holds a manifest and nothing else: a header, four sections, and no code."""
    manifest = {key: "x" for key in "name version abi sdk rustc target panic profile".split()}
    scorer = {"name": "mine", "kind": "complexity", "services": []}
    manifest = json.dumps({"iterit_manifest": 1, **manifest, "scorers": [scorer]}).encode()
    names = b"\0iterit_plugin_manifest_mine\0"
    sections = b"\0.dynsym\0.dynstr\0.rodata\0.shstrtab\0"
    # Of the first symbol nothing is said; the second is a global object in section 3.
    symbols = bytes(24) + struct.pack("<IBBHQQ", 1, 0x11, 0, 3, 0x1000, len(manifest))
    parts, place = [], 64
    for content in [symbols, names, manifest, sections]:
        content += bytes(-len(content) % 8)
        parts.append((place, content))
        place += len(content)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, place, 0, 64, 56, 0, 64, 5, 4)
    table = bytes(64)
    for number, (name, kind, address, link, entry) in enumerate(
        [(1, 11, 0, 2, 24), (9, 3, 0, 0, 0), (17, 1, 0x1000, 0, 0), (25, 3, 0, 0, 0)]
    ):
        at, content = parts[number]
        size, info = len(content), int(number == 0)
        table += struct.pack(
            "<IIQQQQIIQQ", name, kind, 2, address, at, size, link, info, 8, entry
        )
    return head + b"".join(content for _, content in parts) + table


def write(target: str, name: str, content: bytes | str) -> None:
    path = SEEDS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def main() -> None:
    shutil.rmtree(SEEDS, ignore_errors=True)
    for name, text in ROWS.items():
        write("json_rows", name, text)
    for name, text in TEMPLATES.items():
        write("template", name, text)
    for count in range(1, 5):
        texts = [json.dumps(part) for part in TOKENIZER[:count]]
        write("tokenizer", f"of_{count}", "\n---\n".join(texts))
    for name, config in CONFIGS.items():
        write("model_config", name, json.dumps(config))
    write("safetensors", "whole", safetensors())
    write("manifest", "whole", library())


if __name__ == "__main__":
    main()
