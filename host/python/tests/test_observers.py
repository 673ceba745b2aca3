"""A logger's life: told once of everything, whatever is said twice."""

import json
import tempfile
import unittest
from pathlib import Path

from iterit.observers import follow


class Notebook:
    """Writes down what it is told."""

    def __init__(self):
        self.runs, self.points, self.outcomes = [], [], []

    def begin(self, run):
        self.runs.append(run)

    def log(self, metrics, step):
        self.points.append((step, *metrics))

    def end(self, outcome):
        self.outcomes.append(outcome)


def begin(folder, step=0, version=1):
    return {
        "event": "begin",
        "version": version,
        "name": "mine",
        "folder": folder,
        "step": step,
        "epochs": 2,
        "total_steps": 4,
        "config": {"train.epochs": 2},
    }


def step(number, epoch=0):
    return {"event": "step", "step": number, "epoch": epoch, "metrics": {"train/loss": 1.0}}


def epoch(number, at):
    return {"event": "epoch", "step": at, "epoch": number, "metrics": {"eval/loss": 2.0}}


def tell(*records):
    notebook = Notebook()
    follow(notebook, "notebook", [json.dumps(record) for record in records])
    return notebook


class FollowingTest(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = self._folder.name

    def test_a_run_is_told_in_order(self):
        end = {"event": "end", "outcome": "finished"}
        told = tell(begin(self.folder), step(0), step(1), epoch(0, 1), {"event": "news"}, end)
        self.assertEqual(told.points, [(0, "train/loss"), (1, "train/loss"), (1, "eval/loss")])
        self.assertEqual(told.outcomes, ["finished"])
        (run,) = told.runs
        self.assertEqual((run.name, run.folder), ("mine", Path(self.folder)))
        self.assertFalse(run.is_resumed)

    def test_a_resumed_run_is_the_same_and_no_point_comes_twice(self):
        first = tell(begin(self.folder), step(0), step(1), epoch(0, 1), step(2, 1))
        self.assertEqual(first.outcomes, ["failed"], "the trainer was killed")
        second = tell(begin(self.folder, step=2), step(2, 1), step(3, 1), epoch(1, 3))
        self.assertEqual(second.points, [(3, "train/loss"), (3, "eval/loss")])
        self.assertEqual(first.runs[0].id, second.runs[0].id)
        self.assertTrue(second.runs[0].is_resumed)

    def test_another_run_is_another(self):
        with tempfile.TemporaryDirectory() as other:
            one, two = tell(begin(self.folder), step(0)), tell(begin(other), step(0))
        self.assertNotEqual(one.runs[0].id, two.runs[0].id)

    def test_lines_of_a_later_trainer_are_refused(self):
        with self.assertRaisesRegex(SystemExit, "version 2, and this logger reads 1"):
            tell(begin(self.folder, version=2))

    def test_nothing_is_made_of_silence(self):
        self.assertEqual(tell().outcomes, [])


if __name__ == "__main__":
    unittest.main()
