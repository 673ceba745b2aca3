"""Makes tokenizer_folders.json: tokenizer folders that declare their special tokens in every spelling that is
about, and how transformers reads texts with them.

    python tests/golden/tokenizer_folders.py        (packages: tests/golden/requirements.txt)

A folder is one of a few small tokenizers with changes to `tokenizer.json` laid over it, and the files
beside it. `ids` are those of `PreTrainedTokenizerFast`, which takes `tokenizer.json` as it stands, with the
names that `AutoTokenizer`'s class gives to tokens of the vocabulary where the folder gives none;
`other_tokens` says whether `AutoTokenizer`, which may put a class's own rules in its place, reads any text
differently. `refused` holds what transformers raised instead.
"""

import copy
import json
import os
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

OUT = Path(__file__).parent / "tokenizer_folders.json"

SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<|end|>", "<|user|>", "<|assistant|>", "<|endoftext|>"]

TEXTS = [
    "<s>Hello world</s>",
    "Hello<|end|> again <|end|>  and <|end|>\n\nso on",
    " a <|user|> b<|user|>c<|assistant|>",
    "caf\u00e9 CAFE\u0301 <|END|> <|End|>",
    "one <new> two<new>three <image> four<image>",
    "1234567 It's\n\n  fine\t<|endoftext|><pad><unk>",
]

CORPUS = """Hello world again and again, so on and so forth. It's fine to say hello to the whole world.
One two three four five six seven: a user asks and an assistant answers. The end of the turn is the end.
There is nothing new under the sun; numbers such as 12 and 34 stand in texts. An image is no text.""".split("\n")


def main():
    bases = {"bytes": byte_level(), "blanks": metaspace()}
    folders = [expected(bases, name, base, changes, files) for name, base, changes, files in folder_list()]
    golden = {"texts": TEXTS, "tokenizers": bases, "folders": folders}
    OUT.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    refused = [folder["name"] for folder in folders if "refused" in folder]
    other = [folder["name"] for folder in folders if folder.get("other_tokens")]
    print(f"{len(folders)} folders, {OUT.stat().st_size:,} bytes; refused: {refused}; other tokens: {other}")


def byte_level():
    """As GPT-2, Llama 3 and Qwen have it. The special tokens lie in the vocabulary; what makes them more
    than texts is left to the files beside."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    return trained(tokenizer, alphabet, 340)


def metaspace():
    """As Llama 2 has it: blanks are characters, and a blank is put in front of every piece of text."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    # The words apart while training, as sentencepiece has it.
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer = trained(tokenizer, ["\n", "1", "2", "\u00e9"], 140)
    tokenizer["pre_tokenizer"] = None
    return tokenizer


def trained(tokenizer, alphabet, size):
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    file = json.loads(tokenizer.to_str())
    file["added_tokens"] = []
    return file


def added(content, number, **flags):
    """An entry of tokenizer.json's `added_tokens`."""
    return {"id": number, **token(content, **flags)}


def token(content, special=True, **flags):
    """An entry of `added_tokens_decoder`."""
    plain = {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    return {**plain, "special": special, **flags}


def typed(content, **flags):
    """As tokenizer_config.json of some versions writes a token."""
    return {"__type": "AddedToken", **token(content, **flags)}


def in_map(content, **flags):
    """As special_tokens_map.json writes a token."""
    written = token(content, **flags)
    del written["special"]
    return written


def folder_list():
    """Name, tokenizer, changes to tokenizer.json, files beside it."""
    first = [added(content, number) for number, content in enumerate(SPECIAL)]
    listed = {str(number): token(content) for number, content in enumerate(SPECIAL)}
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    plain = {"tokenizer_class": "PreTrainedTokenizerFast"}
    lower = {"normalizer": {"type": "Lowercase"}}
    llama, qwen2, qwen3, gpt2, gemma, granite = (
        {"model_type": it} for it in ("llama", "qwen2", "qwen3", "gpt2", "gemma", "granite")
    )

    def beside(config=None, model=llama, special=None, ids=None, is_plain=True):
        files = {"config.json": model}
        if config is not None:
            files["tokenizer_config.json"] = {**(plain if is_plain else {}), **config}
        if special is not None:
            files["special_tokens_map.json"] = special
        if ids is not None:
            files["added_tokens.json"] = ids
        return files

    return [
        ("tokenizer.json alone", "bytes", {"added_tokens": first}, beside()),
        ("tokenizer.json declares none", "bytes", {}, beside({})),
        ("names in tokenizer_config", "bytes", {}, beside(names)),
        ("names in special_tokens_map", "bytes", {}, beside({}, special=names)),
        ("names in special_tokens_map alone", "bytes", {}, beside(special=names)),
        (
            "flags in special_tokens_map",
            "bytes",
            {},
            beside({}, special={"eos_token": in_map("<|end|>", lstrip=True, rstrip=True), "bos_token": "<s>"}),
        ),
        (
            "special_tokens_map over tokenizer_config",
            "bytes",
            {},
            beside(names, special={"eos_token": "<|end|>", "pad_token": None}),
        ),
        (
            "added_tokens_decoder over special_tokens_map",
            "bytes",
            {},
            beside({**names, "added_tokens_decoder": listed}, special={"eos_token": "<|end|>"}),
        ),
        (
            "added_tokens_decoder that is empty",
            "bytes",
            {},
            beside({**names, "added_tokens_decoder": {}}, special={"sep_token": "<|end|>", "eos_token": "<|end|>"}),
        ),
        (
            "flags of added_tokens_decoder over tokenizer.json",
            "bytes",
            {"added_tokens": first},
            beside({**names, "added_tokens_decoder": {**listed, "4": token("<|end|>", lstrip=True, rstrip=True)}}),
        ),
        (
            "flags of tokenizer.json alone",
            "bytes",
            {"added_tokens": [*first[:4], added("<|end|>", 4, rstrip=True), *first[5:]]},
            beside(names),
        ),
        (
            "normalized tokens under a normalizer",
            "bytes",
            {**lower, "added_tokens": []},
            beside({"added_tokens_decoder": {"4": token("<|end|>", special=False, normalized=True), "2": token("</s>")}}),
        ),
        (
            "tokens that are not normalized under a normalizer",
            "bytes",
            {**lower, "added_tokens": first},
            beside({**names, "added_tokens_decoder": listed}),
        ),
        (
            "whole words only",
            "bytes",
            {},
            beside({"added_tokens_decoder": {"4": token("<|end|>", single_word=True), "340": token("new", single_word=True)}}),
        ),
        ("new tokens in added_tokens_decoder", "bytes", {}, beside({"added_tokens_decoder": {**listed, "340": token("<new>"), "341": token("<image>", special=False)}})),
        ("new tokens in added_tokens.json", "bytes", {}, beside(names, ids={"<image>": 341, "<new>": 340, "</s>": 2})),
        (
            "new tokens in added_tokens.json, one of them named",
            "blanks",
            {},
            beside(names, special={"mask_token": "<new>"}, ids={"<new>": 140, "<image>": 141}),
        ),
        ("additional_special_tokens", "bytes", {}, beside({**names, "additional_special_tokens": ["<|end|>", "<|user|>", "<new>"]})),
        (
            "additional_special_tokens with flags",
            "bytes",
            {},
            beside({"additional_special_tokens": [typed("<|end|>", lstrip=True), typed("<new>", rstrip=True)]}),
        ),
        (
            "additional_special_tokens in special_tokens_map",
            "bytes",
            {},
            beside(names, special={**names, "additional_special_tokens": ["<|end|>", "<image>"]}),
        ),
        (
            "additional_special_tokens with flags in special_tokens_map",
            "bytes",
            {},
            beside(names, special={"additional_special_tokens": [in_map("<|end|>", lstrip=True)]}),
        ),
        ("extra_special_tokens", "bytes", {}, beside({**names, "extra_special_tokens": ["<|user|>", "<image>", "<new>"]})),
        (
            "extra_special_tokens by name",
            "bytes",
            {},
            beside({**names, "extra_special_tokens": {"image_token": "<image>", "turn_token": "<|end|>"}}),
        ),
        (
            "extra and additional special tokens",
            "bytes",
            {},
            beside({"extra_special_tokens": ["<|user|>"], "additional_special_tokens": ["<|end|>", "<new>"]}),
        ),
        (
            "named extra and additional special tokens",
            "bytes",
            {},
            beside({"extra_special_tokens": {"image_token": "<image>"}, "additional_special_tokens": ["<|end|>", "<new>"]}),
        ),
        ("a token by a name of its own", "bytes", {}, beside({**names, "image_token": "<image>", "boi_token": "<|user|>"})),
        ("a name with flags", "bytes", {}, beside({"eos_token": typed("<|end|>", lstrip=True), "bos_token": typed("<s>")})),
        ("a name for a new token", "bytes", {}, beside({**names, "mask_token": "<new>", "sep_token": "<image>"})),
        ("one token by two names", "bytes", {}, beside({"eos_token": "<new>", "pad_token": "<new>"})),
        ("names that are null", "bytes", {"added_tokens": first}, beside({**names, "bos_token": None, "pad_token": None})),
        ("add_bos_token and add_eos_token", "bytes", {"added_tokens": first}, beside({**names, "add_bos_token": True, "add_eos_token": True})),
        ("split_special_tokens", "bytes", {"added_tokens": first}, beside({**names, "split_special_tokens": True})),
        (
            "padding and truncation in tokenizer.json",
            "bytes",
            {
                "added_tokens": first,
                "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
                "padding": {
                    "strategy": {"Fixed": 9},
                    "direction": "Right",
                    "pad_to_multiple_of": None,
                    "pad_id": 3,
                    "pad_type_id": 0,
                    "pad_token": "<pad>",
                },
            },
            beside({"eos_token": "</s>"}),
        ),
        ("an id that tokenizer.json gives to no other", "bytes", {"added_tokens": first}, beside({**names, "added_tokens_decoder": {"9": token("<|end|>")}})),
        ("an id beyond the next", "bytes", {}, beside({"added_tokens_decoder": {"350": token("<new>")}})),
        ("a name that is a number", "bytes", {}, beside({"bos_token": 5})),
        ("a listed token that is a text", "bytes", {}, beside({"added_tokens_decoder": {"4": "<|end|>"}})),
        ("extra_special_tokens that is a text", "bytes", {}, beside({"extra_special_tokens": "<|end|>"})),
        ("LlamaTokenizer over blanks", "blanks", {"added_tokens": first}, beside({**names, "tokenizer_class": "LlamaTokenizer", "legacy": False})),
        ("LlamaTokenizer, legacy", "blanks", {}, beside({**names, "tokenizer_class": "LlamaTokenizerFast", "legacy": True, "added_tokens_decoder": listed})),
        ("LlamaTokenizer over bytes", "bytes", {"added_tokens": first}, beside({**names, "tokenizer_class": "LlamaTokenizer"})),
        (
            "LlamaTokenizer that says what its class does",
            "blanks",
            {
                "added_tokens": first,
                "normalizer": None,
                "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
            },
            beside({**names, "tokenizer_class": "LlamaTokenizer"}),
        ),
        ("qwen2, whatever the class", "bytes", {"added_tokens": first}, beside(names, model=qwen2)),
        (
            "qwen3 as Qwen has it",
            "bytes",
            {
                "added_tokens": first,
                "normalizer": {"type": "NFC"},
                "pre_tokenizer": {
                    "type": "Sequence",
                    "pretokenizers": [
                        {"type": "Split", "pattern": {"Regex": PRETOKENIZE_REGEX}, "behavior": "Isolated", "invert": False},
                        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
                    ],
                },
            },
            beside({**names, "tokenizer_class": "Qwen2Tokenizer"}, model=qwen3),
        ),
        ("qwen3 as a plain tokenizer", "bytes", {"added_tokens": first}, beside(names, model=qwen3)),
        ("GPT-2 without names", "bytes", {"added_tokens": [first[7]]}, beside({"model_max_length": 1024}, model=gpt2, is_plain=False)),
        ("GPT-2 with nothing beside", "bytes", {}, beside(model=gpt2)),
        ("GemmaTokenizer over blanks", "blanks", {"added_tokens": first}, beside({**names, "tokenizer_class": "GemmaTokenizer"}, model=gemma)),
        ("granite, whatever the class", "bytes", {"added_tokens": first}, beside({**names, "tokenizer_class": "GPT2Tokenizer"}, model=granite)),
    ]


def expected(bases, name, base, changes, files):
    folder = {"name": name, "tokenizer": base, "changes": changes, "files": files}
    with tempfile.TemporaryDirectory() as path:
        contents = {"tokenizer.json": {**copy.deepcopy(bases[base]), **changes}, **files}
        for file, content in contents.items():
            Path(path, file).write_text(json.dumps(content), encoding="utf-8")
        try:
            tokenizer = PreTrainedTokenizerFast.from_pretrained(path)
            auto = AutoTokenizer.from_pretrained(path)
            by_class = {it: text for it, text in auto.special_tokens_map.items() if text in tokenizer.get_vocab()}
            missing = by_class.keys() - tokenizer.special_tokens_map.keys()
            tokenizer = PreTrainedTokenizerFast.from_pretrained(path, **{it: by_class[it] for it in missing})
        except Exception as error:
            return {**folder, "refused": f"{type(error).__name__}: {error}".replace(path, "FOLDER")}
    vocabulary = tokenizer.get_vocab()
    ids = [tokenizer(text, add_special_tokens=False).input_ids for text in TEXTS]
    special = {it: text for it, text in auto.special_tokens_map.items() if text in vocabulary}
    return {
        **folder,
        "ids": ids,
        "special": {name: [text, vocabulary[text]] for name, text in special.items()},
        "other_tokens": ids != [auto(text, add_special_tokens=False).input_ids for text in TEXTS],
    }


if __name__ == "__main__":
    main()
