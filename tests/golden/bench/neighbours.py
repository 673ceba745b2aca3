"""The program beside busy processes: as many as a shared machine may have. With as many as there are cores, a fair
share of the machine is half of it."""

import json
import subprocess
import sys

import scoring
import training
from table import fastest, say


def measure(table, chosen, model, rows):
    scored, trained = model.folder / "shared-scored.json", model.folder / "shared-trained.json"
    scored.write_text(json.dumps(rows[: chosen.samples // 4]))
    trained.write_text(json.dumps(rows[: chosen.trained // 4]))
    works = {
        f"IFD of {chosen.samples // 4} samples": lambda: scoring.score(chosen.host, model, scored, model.folder / "s.jsonl"),
        f"training on {chosen.trained // 4} samples": lambda: training.train(
            chosen.host, model, trained, model.folder / "r", chosen.trained // 4
        ),
    }
    for name, work in works.items():
        quiet, _ = fastest(chosen.repeats, work)
        table.tell(f"{name}, {model.name}, nobody beside it", quiet, "s")
        for count in chosen.shared:
            busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
            try:
                beside, _ = fastest(chosen.repeats, work)
            finally:
                for it in busy:
                    it.kill()
                    it.wait()
            table.tell(f"{name}, {model.name}, beside {count} busy", beside, "s")
            say(f"  {beside / quiet:.2f} times as long; a fair share: {max(1, (chosen.threads + count) / chosen.threads):.2f}")
            table.keep(f"{name}, {model.name}, beside {count} busy, over nobody", value=beside / quiet)
