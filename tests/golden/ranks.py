"""Ranks as others start them, and ranks that are killed: their runs must be to the byte those of `--ranks`.

    python tests/golden/ranks.py HOST

torch's own `torchrun` starts four processes, then two of it two each, as on two machines, at two loopback addresses;
Slurm's variables are set as `srun` sets them. Then a run of three ranks is killed twelve times at random moments, and
resumed or begun anew. All with the moments in parts, and with the gradient in parts too.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEMO = Path(__file__).parent.parent / "data" / "demo"
KILLS = 12
PORT = 29_500


def main(host):
    with tempfile.TemporaryDirectory() as scratch:
        for shard in ["moments", "gradients"]:
            compare(host, Path(scratch) / shard, shard)


def compare(host, folder, shard):
    def command(out):
        sets = {
            "train.learning_rate": "1e-3", "train.batch": 8, "train.epochs": 3, "output.save_every": 2, "train.shard": shard,
            "train.micro_batch": 1,
        }
        sets = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
        return [host, "--plugins", "ifd,diversity", "--ratio", "80", "--model", DEMO / "model", "--data",
                DEMO / "instructions.json", "--device", "cpu", "--out", folder / out, *sets]

    def weights(out):
        return (folder / out / "model" / "model.safetensors").read_bytes()

    succeed([start([*command("four"), "--ranks", 4])])
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--no-python"]
    succeed([start([*torchrun, "--nproc-per-node", 4, "--master-port", PORT, *command("torchrun")])])
    say(f"{shard}: four processes of torchrun", weights("torchrun") == weights("four"))

    nodes = [*torchrun, "--nnodes", 2, "--nproc-per-node", 2, "--master-addr", "127.0.0.1", "--master-port", PORT + 1]
    node = lambda rank, address: start([*nodes, "--node-rank", rank, "--local-addr", address, *command("nodes")])
    succeed([node(0, "127.0.0.1"), node(1, "127.0.0.2")])
    say(f"{shard}: two torchruns of two processes", weights("nodes") == weights("four"))

    slurm = {"SLURM_STEP_NUM_TASKS": 4, "SLURM_JOB_ID": 4711, "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_STEP_TASKS_PER_NODE": 4}
    task = lambda rank: start(command("slurm"), {**slurm, "SLURM_PROCID": rank, "SLURM_LOCALID": rank})
    succeed([task(rank) for rank in range(4)])
    say(f"{shard}: four tasks of Slurm's", weights("slurm") == weights("four"))

    three = [*command("three"), "--ranks", 3]
    began = time.monotonic()
    succeed([start(three)])
    took = time.monotonic() - began
    rng = random.Random(shard)
    named = sum(kill(start([*command("cut"), "--ranks", 3, *resume(folder / "cut")]), rng, took) for _ in range(KILLS))
    succeed([start([*command("cut"), "--ranks", 3, *resume(folder / "cut")])])
    lines = [(folder / out / "metrics.jsonl").read_text().count("\n") for out in ("cut", "three")]
    say(f"{shard}: {KILLS} kills, {named} of a rank that was named", weights("cut") == weights("three") and lines[0] == lines[1])


def kill(run, rng, took):
    """Kills rank 0 or another at a random moment; whether rank 0 was left to name it, and did."""
    time.sleep(rng.uniform(0.1, 0.8) * took)
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    victim = int(rng.choice([run.pid, *children]))
    os.kill(victim, signal.SIGKILL)
    _, said = run.communicate(timeout=300)
    if victim == run.pid:
        return False
    assert run.returncode == 0 or "rank " in said, said
    return run.returncode != 0


def resume(out):
    return ["--resume"] if (out / "manifest.json").exists() else []


def start(command, variables=None):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **{name: str(value) for name, value in (variables or {}).items()}}
    return subprocess.Popen([str(word) for word in command], env=environment, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)


def succeed(runs):
    for run in runs:
        _, said = run.communicate(timeout=600)
        assert run.returncode == 0, said


def say(what, is_same):
    assert is_same, f"{what}: other bytes"
    print(f"{what}: the same bytes", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
