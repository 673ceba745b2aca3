"""Makes tables/: a few rows in every container that `datasets` and pandas write, and as JSON.

    python tests/golden/tables.py        (packages: tests/golden/requirements.txt)

`instructions.jsonl` and `conversations.jsonl` are what the others must read as: `saved` and
`saved_dict` hold conversations, `hub` instructions.
"""

import json
import shutil
from pathlib import Path

import pandas as pd
from datasets import Dataset, DatasetDict

HERE = Path(__file__).parent / "tables"

INSTRUCTIONS = [
    {
        "instruction": f"Say “{word}”, in line {number}.\nThen stop.",
        "input": ["", "on a table, \"quoted\"", "日本語; tab\there"][number % 3],
        "output": f"{word} {number}",
        "topic": ["fruit", "tree"][number % 2],
        "score": number / 4,
        "turn": number,
    }
    for number, word in enumerate(["apple", "Größe", "梨", "🍏 apple", "a,b", "x;y", "end"])
]

CONVERSATIONS = [
    {
        "messages": [
            {"role": "user", "content": f"What is {number} + 1?"},
            {"role": "assistant", "content": str(number + 1)},
            {"role": "user", "content": "And again?"},
            {"role": "assistant", "content": str(number + 2)},
        ],
        "tags": ["sum"] * (number % 3),
        "checked": number % 2 == 0,
        "rating": None if number % 2 else number * 0.5,
    }
    for number in range(5)
]


def write_json(name, rows):
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (HERE / name).write_text("".join(lines), encoding="utf-8")


def pandas_tables():
    frame = pd.DataFrame(INSTRUCTIONS)
    frame.to_csv(HERE / "instructions.csv", index=False)
    frame.to_csv(HERE / "instructions.tsv", index=False, sep="\t")
    frame.to_csv(HERE / "semicolons.csv", index=False, sep=";", lineterminator="\r\n", encoding="utf-8-sig")
    frame.to_csv(HERE / "instructions.csv.gz", index=False, compression={"method": "gzip", "mtime": 1})
    frame.to_json(HERE / "columns.json")
    frame.to_json(HERE / "split.json", orient="split")
    for packing in ["snappy", "zstd", "gzip", "lz4", None]:
        frame.to_parquet(HERE / f"instructions-{packing}.parquet", compression=packing, index=False)
    frame["topic"] = frame["topic"].astype("category")
    frame.to_parquet(HERE / "instructions-words.parquet", index=False)
    frame.to_feather(HERE / "instructions.feather")


def datasets_tables():
    Dataset.from_list(CONVERSATIONS).to_parquet(HERE / "conversations.parquet", batch_size=2)
    both = DatasetDict(
        train=Dataset.from_list(CONVERSATIONS), test=Dataset.from_list(INSTRUCTIONS)
    )
    both["train"].save_to_disk(HERE / "saved", num_shards=2)
    both.save_to_disk(HERE / "saved_dict")


def hub_clone():
    """What `push_to_hub` leaves of a data set of two splits, in two files and one."""
    data = HERE / "hub" / "data"
    data.mkdir(parents=True)
    train = Dataset.from_list(INSTRUCTIONS)
    for shard in range(2):
        train.shard(2, shard, contiguous=True).to_parquet(data / f"train-0000{shard}-of-00002.parquet")
    Dataset.from_list(INSTRUCTIONS[:2]).to_parquet(data / "test-00000-of-00001.parquet")
    card = """---
dataset_info:
  features:
  - name: instruction
    dtype: string
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
---
"""
    (HERE / "hub" / "README.md").write_text(card)


if __name__ == "__main__":
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    write_json("instructions.jsonl", INSTRUCTIONS)
    write_json("conversations.jsonl", CONVERSATIONS)
    pandas_tables()
    datasets_tables()
    hub_clone()
