"""The program, as this check runs it: where its libraries are, and what it says."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
DEMO = HERE / "demo"


class Failed(Exception):
    """The program ended with an error."""


class Program:
    """`iterit-host` with the libtorch of this Python, CUDA half included unless another one is named."""

    def __init__(self, device):
        self.device = device
        self.said = ""
        self.binary = HERE / "bin" / "iterit-host"
        libraries = Path(torch.__file__).parent / "lib"
        nvidia = sorted(libraries.parents[1].glob("nvidia/*/lib"))
        self.environment = {
            **os.environ,
            "ITERIT_PLUGIN_PATH": str(HERE / "plugins"),
            "LD_LIBRARY_PATH": ":".join(map(str, [libraries, *nvidia])),
        }
        self.environment.setdefault("ITERIT_LIBTORCH_CUDA", str(libraries))

    def command(self, arguments, device, settings):
        command = [str(self.binary), *map(str, arguments)]
        command += [part for it in settings for part in ("--set", it)]
        if device != "none":
            command += ["--device", device or self.device]
        return command

    def run(self, *arguments, device=None, settings=(), environment=()):
        """What it wrote to stdout, and the seconds it took."""
        command = self.command(arguments, device, settings)
        started = time.monotonic()
        done = subprocess.run(
            command, env={**self.environment, **dict(environment)}, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - started
        self.said = done.stderr
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}\n{done.stderr.strip()}")
        return done.stdout, seconds


    def run_until(self, is_enough, *arguments, settings=(), environment=()):
        """Runs it until it ends by itself or there is enough to be seen; looks ten times a second."""
        command = self.command(arguments, None, settings)
        environment = {**self.environment, **dict(environment)}
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said)
            try:
                while process.poll() is None and not is_enough():
                    time.sleep(0.1)
                if process.poll() not in (None, 0):
                    said.seek(0)
                    raise Failed(f"{' '.join(command)}\n{said.read().decode().strip()}")
            finally:
                process.kill()
                process.wait()


def lines(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
