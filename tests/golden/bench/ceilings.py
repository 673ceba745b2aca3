"""What the machine itself can do: large products of matrices, and memory that is read and written."""

import time

import torch

SIZE = 2048
BYTES = 1 << 28


def measure(table):
    """Products in float32 a second, which everything else is held against."""
    peak = products(torch.float32)
    table.tell(f"a product of {SIZE}³ in float32", peak / 1e9, "GFLOP/s")
    if any(flag in table.about["processor"] for flag in ("avx512_bf16", "amx_bf16")):
        table.tell(f"a product of {SIZE}³ in bfloat16", products(torch.bfloat16) / 1e9, "GFLOP/s")
    else:
        table.not_measured(f"a product of {SIZE}³ in bfloat16", "this processor has none in hardware")
    table.tell("memory read and written", copied() / 1e9, "GB/s")
    return peak


def products(kind):
    a, b = (torch.randn(SIZE, SIZE).to(kind) for _ in range(2))
    return 2 * SIZE**3 / least(lambda: a @ b)


def copied():
    a = torch.zeros(BYTES // 4)
    b = torch.empty_like(a)
    return 2 * BYTES / least(lambda: b.copy_(a))


def least(work, repeats=8):
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
