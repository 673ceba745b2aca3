"""What was measured, printed as it comes and kept for a file of JSON."""

import json
import platform
import subprocess
import time

import torch


class Table:
    def __init__(self, chosen, source):
        self.rows = []
        self.about = {
            "processor": processor(), "threads": chosen.threads, "samples": source, "repeats": chosen.repeats,
            "python": platform.python_version(), "torch": torch.__version__,
        }
        say(f"{chosen.threads} threads of {self.about['processor']}, {source}, the fastest of {chosen.repeats}\n")
        say(f"{'':<64}{'theirs':>10}{'ours':>10}{'ratio':>8}")

    def compare(self, name, theirs, ours, **more):
        """Seconds of both, and what else is known of them."""
        say(f"{name:<64}{theirs:>8.2f} s{ours:>8.2f} s{theirs / ours:>7.2f}x")
        self.keep(name, theirs_seconds=theirs, ours_seconds=ours, ratio=theirs / ours, **more)

    def tell(self, name, value, unit):
        say(f"{name:<64}{value:>10.4g} {unit}")
        self.keep(name, value=value, unit=unit)

    def not_measured(self, name, why):
        say(f"{name:<64}not measured: {why}")
        self.keep(name, not_measured=why)

    def keep(self, name, **figures):
        self.rows.append({"name": name, **figures})

    def write(self, path):
        if path:
            path.write_text(json.dumps({**self.about, "rows": self.rows}, indent=1) + "\n")


def processor():
    fields = {}
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            name, _, value = (part.strip() for part in line.partition(":"))
            fields.setdefault(name, value)
    has = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in fields.get("flags", "").split()]
    return f"{fields.get('model name', platform.machine())} ({', '.join(has)})"


def fastest(repeats, work):
    """The least seconds of so many, and the last result."""
    least = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        result = work()
        least = min(least, time.perf_counter() - started)
    return least, result


def run(*command):
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def say(line):
    print(line, flush=True)
