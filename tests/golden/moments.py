"""AdamW with moments in 8 bits, blocks of 256 numbers (Dettmers et al. 2022), written plainly in numpy.

Writes moments.json beside itself: codes, scales and weights after some steps along made-up gradients.
"""

import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
BLOCK = 256
# Seventeen blocks and part of one.
COUNT = 17 * BLOCK + 44
STEPS = 6
RATE, BETAS, EPS, DECAY = 1e-2, (0.9, 0.99), 1e-8, 0.1


def numbers(round):
    """Between -0.5 and 0.5, of thirteen sizes; every operation is exact."""
    index = np.arange(COUNT, dtype=np.uint64)
    noise = (index * 2654435761 + round * 3266489917) % 2**32
    noise = (noise * 2246822519 % 2**32) >> 8
    sizes = 2.0 ** -(index % 13).astype(np.float64)
    return ((noise / 2**24 - 0.5) * sizes).astype(np.float32)


def code(signed):
    """Sizes of seven decades, each cut twice as finely as the one below it; 0 and 1."""
    values = [0.0, 1.0]
    for exponent in range(7):
        ends = np.linspace(0.1, 1, 2 ** (exponent if signed else exponent + 1) + 1)
        middles = (ends[:-1] + ends[1:]) / 2 * 10.0 ** (exponent - 6)
        values += [*middles, *(-middles if signed else [])]
    return np.sort(np.array(values, dtype=np.float32))


def pack(moment, values):
    """The code of the nearest value, in shares of the largest size of a block."""
    codes, scales = [], []
    for start in range(0, COUNT, BLOCK):
        block = moment[start : start + BLOCK]
        scale = np.abs(block).max()
        codes.append(np.abs(block[:, None] / scale - values[None, :]).argmin(1))
        scales.append(scale)
    return np.concatenate(codes), np.array(scales, dtype=np.float32)


def unpack(codes, scales, values):
    return values[codes].astype(np.float64) * np.repeat(scales, BLOCK)[:COUNT]


def main():
    weights = numbers(0).astype(np.float64)
    signed, positive = code(True), code(False)
    mean, square = np.zeros(COUNT), np.zeros(COUNT)
    for step in range(1, STEPS + 1):
        gradient = numbers(step).astype(np.float64)
        mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
        square = BETAS[1] * square + (1 - BETAS[1]) * gradient**2
        mean_hat = mean / (1 - BETAS[0] ** step)
        square_hat = square / (1 - BETAS[1] ** step)
        weights -= RATE * DECAY * weights
        weights -= RATE * mean_hat / (np.sqrt(square_hat) + EPS)
        means, mean_scales = pack(mean, signed)
        squares, square_scales = pack(square, positive)
        mean, square = unpack(means, mean_scales, signed), unpack(squares, square_scales, positive)
    golden = {
        "count": COUNT,
        "steps": STEPS,
        "rate": RATE,
        "betas": BETAS,
        "eps": EPS,
        "weight_decay": DECAY,
        "means": bytes(means.astype(np.uint8)).hex(),
        "squares": bytes(squares.astype(np.uint8)).hex(),
        "mean_scales": [float(x) for x in mean_scales],
        "square_scales": [float(x) for x in square_scales],
        "weights": [round(float(x), 9) for x in weights],
    }
    (HERE / "moments.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
