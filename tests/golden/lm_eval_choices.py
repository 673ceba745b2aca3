"""Makes lm_eval.json: what lm-evaluation-harness says of 200 questions with four choices each, asked of
the demo's model as they stand, by its chat template, and as they stand of a copy whose tokenizer puts bos
before texts by itself.

    python tests/golden/lm_eval_choices.py        (packages: tests/golden/requirements.txt)

The questions are rows of the demo's data; wrong choices are what other rows of the same instruction answer.
"""

import json
import random
import shutil
import tempfile
from pathlib import Path

import lm_eval
import yaml
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

HERE = Path(__file__).parent
DEMO = HERE.parent / "data" / "demo"
QUESTIONS, CHOICES = 200, 4


def questions():
    rows = json.loads((DEMO / "instructions.json").read_text())
    rows = [row for row in rows if row["kind"] == "task" and len(row["output"]) < 80]
    by_instruction = {}
    for row in rows:
        by_instruction.setdefault(row["instruction"], []).append(row["output"])
    draw = random.Random(3)
    asked = []
    for row in rows:
        others = sorted(set(by_instruction[row["instruction"]]) - {row["output"]})
        if len(others) < CHOICES - 1:
            continue
        choices = draw.sample(others, CHOICES - 1) + [row["output"]]
        draw.shuffle(choices)
        text = "\n".join(filter(None, [row["instruction"], row["input"]]))
        # Some end in white space, which goes to the choices.
        text += ["", "", " ", "\n"][len(asked) % 4]
        asked.append(
            {"question": text, "choices": choices, "answer": choices.index(row["output"])}
        )
        if len(asked) == QUESTIONS:
            return asked
    raise SystemExit(f"only {len(asked)} questions")


def opening(folder):
    """The demo's model with a tokenizer that puts bos before texts, as Llama's does."""
    shutil.copytree(DEMO / "model", folder)
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    bos, text = "<|bos|>", {"Sequence": {"id": "A", "type_id": 0}}
    single = [{"SpecialToken": {"id": bos, "type_id": 0}}, text]
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {bos: {"id": bos, "ids": [1], "tokens": [bos]}},
    }
    path.write_text(json.dumps(tokenizer))
    return folder


def judged(folder, model, as_chat):
    """The log-likelihoods by question, and the figures."""
    model = HFLM(pretrained=str(model), device="cpu", dtype="float32", batch_size=16)
    results = lm_eval.simple_evaluate(
        model=model,
        tasks=["planted"],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        apply_chat_template=as_chat,
        log_samples=True,
        bootstrap_iters=100,
    )
    samples = sorted(results["samples"]["planted"], key=lambda it: it["doc_id"])
    figures = results["results"]["planted"]
    names = ["acc", "acc_stderr", "acc_norm", "acc_norm_stderr"]
    return {
        "loglikelihoods": [
            [round(float(said[0]), 6) for said in sample["filtered_resps"]] for sample in samples
        ],
        **{name: figures[f"{name},none"] for name in names},
    }


def main():
    asked = questions()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "data.jsonl").write_text("".join(json.dumps(it) + "\n" for it in asked))
        task = {
            "task": "planted",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(folder / "data.jsonl")}},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "question",
            "doc_to_choice": "choices",
            "doc_to_target": "answer",
            "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
        }
        (folder / "planted.yaml").write_text(yaml.safe_dump(task))
        model = DEMO / "model"
        said = {
            "plain": judged(folder, model, False),
            "chat": judged(folder, model, True),
            "opening": judged(folder, opening(folder / "opening"), False),
        }
    rows = ",\n".join(json.dumps(it, ensure_ascii=False) for it in asked)
    text = ",\n".join(f"{json.dumps(name)}: {json.dumps(it)}" for name, it in said.items())
    (HERE / "lm_eval.json").write_text(f'{{"questions": [\n{rows}\n],\n{text}}}\n')


if __name__ == "__main__":
    main()
