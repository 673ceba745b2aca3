"""Runs of the program, read back by pandas and by the dashboards' own libraries.

`cargo xtask python` says where the program and the demo's data are, and installs what this needs.
"""

import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from iterit import runs

PACKAGE = Path(__file__).resolve().parents[2]
DEMO = Path(os.environ["ITERIT_DEMO"])
SMALL = ["train.batch=4", "train.epochs=2", "data.eval_fraction=0.02"]
DASHBOARDS = ["wandb --project demo", "mlflow --experiment demo", "trackio --project demo"]


def host(folder, *arguments, settings=()):
    """The program in a folder of its own, everything offline."""
    environment = os.environ | {
        "PYTHONPATH": str(PACKAGE),
        "OMP_NUM_THREADS": "1",
        "WANDB_MODE": "offline",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "TRACKIO_DIR": f"{folder}/trackio",
        "HF_HUB_OFFLINE": "1",
    }
    command = [os.environ["ITERIT_HOST"], *arguments, "--device", "cpu"]
    command += ["--model", DEMO / "model", "--data", DEMO / "instructions.json"]
    for setting in [*SMALL, *settings]:
        command += ["--set", setting]
    said = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    done = subprocess.run(command, cwd=folder, env=environment, text=True, **said)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stderr


class FolderTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls._folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls._folder.cleanup)
        cls.folder = Path(cls._folder.name)


class DashboardsTest(FolderTest):
    """The curves are there, under their names, point by point."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        observers = [f"{sys.executable} -m iterit.observers.{it}" for it in DASHBOARDS]
        setting = f"output.observers={json.dumps(observers)}"
        selection = ["--plugins", "length", "--ratio", "24"]
        cls.said = host(cls.folder, *selection, "--out", "mine", settings=[setting])
        run = runs.Run(cls.folder / "mine")
        steps, epochs = run.steps(), run.epochs()
        cls.curves = {
            "train/loss": list(zip(steps["step"], steps["loss"])),
            "train/learning_rate": list(zip(steps["step"], steps["lr"])),
            "train/grad_norm": list(zip(steps["step"], steps["grad_norm"])),
            "eval/loss": list(zip(epochs["steps"] - 1, epochs["eval_loss"])),
            "selection/picked": list(zip(epochs["steps"] - 1, epochs["picked"])),
        }

    def check(self, found, places=12):
        """`found` gives the points of a curve by its name."""
        for name, expected in self.curves.items():
            points = found(name)
            self.assertEqual([step for step, _ in points], [step for step, _ in expected], name)
            for (_, value), (_, wanted) in zip(points, expected):
                self.assertAlmostEqual(value, wanted, places, name)

    def test_nobody_fell_behind(self):
        self.assertEqual(len(self.curves["train/loss"]), 12)
        self.assertNotIn("observer", self.said)

    def test_tensorboard(self):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(self.folder / "mine/tensorboard"))
        events.Reload()
        # Its numbers are of 32 bits.
        self.check(lambda name: [(it.step, it.value) for it in events.Scalars(name)], places=4)

    def test_mlflow(self):
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{self.folder}/mlflow.db")
        (experiment,) = client.search_experiments(filter_string="name = 'demo'")
        (run,) = client.search_runs([experiment.experiment_id])
        self.assertEqual((run.info.run_name, run.info.status), ("mine", "FINISHED"))
        self.assertEqual(run.data.params["train.batch"], "4")
        history = lambda name: client.get_metric_history(run.info.run_id, name)
        self.check(lambda name: sorted((it.step, it.value) for it in history(name)))

    def test_trackio(self):
        os.environ["TRACKIO_DIR"] = f"{self.folder}/trackio"
        from trackio.sqlite_storage import SQLiteStorage

        (run,) = SQLiteStorage.get_runs("demo")
        self.assertTrue(run.startswith("mine-"))
        logs = SQLiteStorage.get_logs("demo", run)
        self.check(lambda name: sorted((it["step"], it[name]) for it in logs if name in it))

    def test_weights_and_biases(self):
        (path,) = self.folder.glob("mine/observers/wandb/offline-run-*/*.wandb")
        points = {}
        for record in wandb_records(path.read_bytes()):
            if record.WhichOneof("record_type") == "history":
                items = {"/".join(it.nested_key) or it.key: it for it in record.history.item}
                values = {name: json.loads(it.value_json) for name, it in items.items()}
                for name in self.curves.keys() & values.keys():
                    points.setdefault(name, []).append((values["_step"], values[name]))
        self.check(lambda name: sorted(points.get(name, [])))


def wandb_records(log):
    """The records of a file that W&B writes offline, in the form of LevelDB's logs: blocks of 32 KiB, in
    each of them pieces of records behind a checksum, a length and a kind."""
    from wandb.proto.wandb_internal_pb2 import Record

    first, middle, last = 2, 3, 4
    place, record = 7, b""
    while place + 7 <= len(log):
        left = 0x8000 - place % 0x8000
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", log[place : place + 7])
        piece = log[place + 7 : place + 7 + length]
        place += 7 + length
        record = piece if kind not in (middle, last) else record + piece
        if kind not in (first, middle):
            yield Record.FromString(record)


class RunTest(FolderTest):
    """A notebook's worth of pandas on a run."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        host(cls.folder, "--plugins", "ifd,diversity", "--ratio", "24", "--out", "run")
        cls.run_ = runs.Run(cls.folder / "run")

    def test_steps_epochs_and_losses_fit_together(self):
        run = self.run_
        steps, epochs, losses = run.steps(), run.epochs(), run.losses()
        self.assertEqual((len(steps), len(epochs), len(losses)), (12, 2, 48))
        by_step = losses.groupby("step")["loss"].mean()
        for loss, mean in zip(steps["loss"], by_step):
            self.assertAlmostEqual(loss, mean, 4)
        self.assertIn("seconds.training", epochs)
        self.assertEqual(run.config["train"]["batch"], 4)
        self.assertEqual(run.manifest["seed"], 42)

    def test_what_was_picked_was_scored(self):
        scores, picks = self.run_.scores(), self.run_.selections()
        self.assertEqual(list(scores.columns[:4]), ["epoch", "id", "score", "eligible"])
        self.assertTrue(any(name.startswith("ifd.") for name in scores), scores.columns)
        self.assertEqual(len(picks), 48)
        first = picks[picks["epoch"] == 0].merge(scores[scores["epoch"] == 0], on="id")
        self.assertEqual((len(first), first["eligible"].all()), (24, True))
        self.assertEqual(list(first["rank"]), list(range(24)))

    def test_held_out_losses_make_the_epochs(self):
        held_out = self.run_.held_out()
        sums = held_out.groupby("epoch")[["nll", "tokens"]].sum()
        for mean, (nll, tokens) in zip(self.run_.epochs()["eval_loss"], sums.itertuples(index=False)):
            self.assertAlmostEqual(mean, nll / tokens, 9)
        self.assertTrue((held_out["loss"] > 0).all())

    def test_a_folder_without_a_run_is_named(self):
        with self.assertRaisesRegex(FileNotFoundError, "holds no run"):
            runs.Run(self.folder)
        with self.assertRaisesRegex(FileNotFoundError, "holds no comparison"):
            runs.Comparison(self.folder / "run")


class ComparisonTest(FolderTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        arms = ["compare", "--arm", "length,static", "--seeds", "1,2", "--ratio", "16"]
        settings = ["train.epochs=1", 'compare.refuse=["full","static-random"]']
        host(cls.folder, *arms, "--out", "comparison", settings=settings)
        cls.comparison = runs.Comparison(cls.folder / "comparison")

    def test_arms_pairs_and_runs_fit_together(self):
        comparison = self.comparison
        self.assertEqual(len(comparison.runs), 4)
        held_out = comparison.held_out()
        means = held_out.groupby(["arm", "seed"])["loss"].mean().groupby("arm").mean()
        arms = comparison.arms()
        self.assertEqual(len(arms), 2)
        self.assertIn("cost.training_seconds", arms)
        for loss in arms["held_out_loss"]:
            self.assertTrue(any(abs(loss - mean) < 1e-6 for mean in means), (arms, means))
        (pair,) = comparison.pairs().to_dict("records")
        self.assertIn("verdict.evidence", pair)

    def test_ids_of_a_drawn_pool_have_their_place_in_the_data(self):
        picks = self.comparison.selections()
        self.assertTrue((picks["input_id"] >= picks["id"]).all())
        self.assertTrue((picks["input_id"] > picks["id"]).any())


if __name__ == "__main__":
    unittest.main()
