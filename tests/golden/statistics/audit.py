"""Recomputes every figure of a comparison from the raw files of its runs.

    python tests/golden/statistics/audit.py FOLDER          (Python 3.9 or later, nothing else)

Reads the losses of held-out samples, the picks and the epochs' summaries, and compares what comes of
them with FOLDER/comparison.json. Written from the formulas, not from the program: two-way tables
instead of readings, matrices written out instead of leverages, Student's t by integrating its density.
"""

import hashlib
import json
import math
import string
import sys
from pathlib import Path
from statistics import NormalDist, fmean, median

NORMAL = NormalDist()
MASK = (1 << 64) - 1


class SplitMix:
    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)


def t_upper(t, nu):
    """P(T > t) for t >= 0: with t = sqrt(nu) tan(a) the density is C cos(a)^(nu - 1)."""
    if nu > 1e7:
        return NORMAL.cdf(-t)
    constant = math.exp(math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2)) / math.sqrt(math.pi)
    low, steps = math.atan2(t, math.sqrt(nu)), 4000
    # Far out nothing is left; where the power is below 2 the end is steep, so points crowd there.
    high = min(math.pi / 2, low + 40 / math.sqrt(nu))
    width = (high - low) / steps
    if nu >= 3:
        heights = [max(math.cos(low + i * width), 0.0) ** (nu - 1) for i in range(steps + 1)]
        inner = 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2])
        return constant * width / 3 * (heights[0] + inner + heights[-1])
    # cos(a)^(nu - 1) da with u = (high - a)^nu, which is smooth at the end.
    reach = (high - low) ** nu
    total = 0.0
    for i in range(steps):
        left = ((i + 0.5) / steps * reach) ** (1 / nu)
        total += (math.sin(left) / left) ** (nu - 1) / nu
    return constant * total * reach / steps


def t_quantile(tail, nu):
    low, high = 0.0, 1.0
    while t_upper(high, nu) > tail:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_upper(middle, nu) > tail else (low, middle)
    return (low + high) / 2


def variance(values):
    centre = fmean(values)
    return sum((v - centre) ** 2 for v in values) / (len(values) - 1)


def quantile(ordered, q):
    place = min(max(q, 0.0), 1.0) * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    weight = place - below
    return ordered[below] * (1 - weight) + ordered[above] * weight


def holm(p_values):
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


class Weighted:
    """A weighted mean of the samples."""

    parameters = 1

    def __init__(self, weights):
        total = sum(weights)
        self.k = [w / total for w in weights]
        self.leverage = self.k

    def of(self, values):
        return math.fsum(k * v for k, v in zip(self.k, values))

    def residuals(self, values):
        centre = self.of(values)
        return [v - centre for v in values]


class OnLength:
    """Height at the median length (0) or slope (1) of a line on the logarithm of the length."""

    parameters = 2

    def __init__(self, tokens, column):
        middle = median(tokens)
        self.x = [math.log2(t / middle) for t in tokens]
        n, sx, sxx = len(self.x), sum(self.x), sum(x * x for x in self.x)
        det = n * sxx - sx * sx
        inverse = [[sxx / det, -sx / det], [-sx / det, n / det]]
        self.rows = [
            [inverse[c][0] + inverse[c][1] * x for x in self.x] for c in (0, 1)
        ]
        self.k = self.rows[column]
        self.leverage = [h + s * x for h, s, x in zip(self.rows[0], self.rows[1], self.x)]

    def of(self, values):
        return math.fsum(k * v for k, v in zip(self.k, values))

    def residuals(self, values):
        height = math.fsum(k * v for k, v in zip(self.rows[0], values))
        slope = math.fsum(k * v for k, v in zip(self.rows[1], values))
        return [v - height - slope * x for v, x in zip(values, self.x)]


def hc2(reading, values):
    rest = reading.residuals(values)
    terms = zip(reading.k, rest, reading.leverage)
    return math.fsum((k * r) ** 2 / (1 - h) for k, r, h in terms if h < 1 - 1e-9)


def average(runs):
    return [fmean(column) for column in zip(*runs)]


class Arm:
    def __init__(self, root, plan):
        self.name = plan["name"]
        self.static = "static" in plan["plugins"]
        self.once = "static-random" in plan["plugins"]
        self.costs_as = plan.get("costs_as")
        self.runs = {}
        for seed in plan["seeds"]:
            folder = root / "runs" / folder_name(self.name) / f"seed-{seed}"
            if (folder / "result.json").exists():
                self.runs[seed] = Run(folder)

    def losses(self):
        return [run.losses for run in self.runs.values()]


class Run:
    def __init__(self, folder):
        lines = lambda path: [json.loads(line) for line in path.read_text().splitlines()]
        load = lambda path: json.loads(path.read_text())
        self.epochs, self.picks = [], []
        drawn = load(folder / "drawn.json") if (folder / "drawn.json").exists() else None
        count = 0
        while (folder / "epochs" / str(count) / "summary.json").exists():
            epoch = folder / "epochs" / str(count)
            self.epochs.append(load(epoch / "summary.json"))
            ids = load(epoch / "selection.json")["selected"]
            self.picks.append([drawn["ids"][i] for i in ids] if drawn else ids)
            count += 1
        said = [line for line in lines(epoch / "held-out.jsonl") if line["tokens"] > 0]
        self.losses = [line["nll"] / line["tokens"] for line in said]
        self.tokens = [line["tokens"] for line in said]
        self.pool = load(folder / "manifest.json")["num_samples"]
        self.all = drawn["of"] if drawn else self.pool
        result = load(folder / "result.json")
        self.spared = {"scoring": result["spared_seconds"], "forward_tokens": result["spared_tokens"]}


def folder_name(name):
    kept = string.ascii_letters + string.digits + "-_,"
    plain = "".join(c if c in kept else "_" for c in name)[:48]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class Audit:
    def __init__(self):
        self.count, self.wrong = 0, []

    def check(self, what, found, expected, tolerance=1e-8):
        """`found` is the file's figure, `expected` ours."""
        self.count += 1
        if found is None or expected is None or isinstance(expected, str):
            same = found == expected
        else:
            same = abs(found - expected) <= tolerance * max(1.0, abs(expected))
        if not same:
            self.wrong.append(f"{what}: the file has {found!r}, the raw files give {expected!r}")

    def interval(self, what, found, low, high, tolerance=1e-8):
        self.check(f"{what}.low", found["low"], low, tolerance)
        self.check(f"{what}.high", found["high"], high, tolerance)


def student(value, sources):
    total = sum(v for v, _ in sources)
    if total == 0:
        return value, 0.0, None
    return value, math.sqrt(total), total**2 / sum(v * v / nu for v, nu in sources)


def t_interval(estimate, confidence):
    value, error, nu = estimate
    half = 0.0 if error == 0 else t_quantile((1 - confidence) / 2, nu) * error
    return value - half, value + half


def t_p(estimate):
    value, error, nu = estimate
    if value == 0:
        return 1.0
    return 0.0 if error == 0 else 2 * t_upper(abs(value) / error, nu)


def sign_flip(terms, draws, seed):
    observed = sum(terms)
    threshold = abs(observed) - 1e-12 * sum(abs(t) for t in terms)
    if len(terms) <= 20:
        patterns, extreme = 1 << (len(terms) - 1), 0
        for pattern in range(patterns):
            flipped = sum(-t if pattern >> i & 1 else t for i, t in enumerate(terms[1:]))
            extreme += abs(terms[0] + flipped) >= threshold
        return extreme / patterns
    random, extreme = SplitMix(seed), 0
    chunks = [terms[i : i + 64] for i in range(0, len(terms), 64)]
    for _ in range(draws):
        total = 0.0
        for chunk in chunks:
            signs = random.next()
            total += sum(-t if signs >> i & 1 else t for i, t in enumerate(chunk))
        extreme += abs(total) >= threshold
    return (extreme + 1) / (draws + 1)


def bootstrap(values, weights, draws, seed):
    random, n, found = SplitMix(seed), len(values), []
    products = [w * v for w, v in zip(weights, values)]
    for _ in range(draws):
        rows = [(random.next() * n) >> 64 for _ in range(n)]
        found.append(sum(products[r] for r in rows) / sum(weights[r] for r in rows))
    return found


def bca(value, found, jackknife, confidence):
    below = sum(f < value for f in found) + sum(f <= value for f in found)
    share = below / (2 * len(found))
    z0 = NORMAL.inv_cdf(min(max(share, 0.5 / len(found)), 1 - 0.5 / len(found)))
    u = [fmean(jackknife) - j for j in jackknife]
    squares = sum(x * x for x in u)
    a = sum(x**3 for x in u) / (6 * squares**1.5) if squares else 0.0
    ends = []
    for z in (NORMAL.inv_cdf((1 - confidence) / 2), NORMAL.inv_cdf((1 + confidence) / 2)):
        ends.append(quantile(sorted(found), NORMAL.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))))
    return ends


def raw(reading, arm, baseline, differences, draws, seed):
    over_samples = student(reading.of(differences), [source(reading, differences)])
    if reading.parameters == 1:
        p = sign_flip([k * d for k, d in zip(reading.k, differences)], draws, seed)
    else:
        p = t_p(over_samples)
    across = None
    if len(arm.runs) > 1 and len(baseline.runs) > 1:
        v, nu = source(reading, differences)
        between, shared = [], 0.0
        for runs in (arm.losses(), baseline.losses()):
            seeds, mean_run = len(runs), average(runs)
            means = [reading.of(run) for run in runs]
            between.append((variance(means) / seeds, seeds - 1))
            rest = [[x - m for x, m in zip(run, mean_run)] for run in runs]
            shared += sum(hc2(reading, r) for r in rest) / (seeds * (seeds - 1))
        across = student(reading.of(differences), [(max(v - shared, 0.0), nu), *between])
    return over_samples, p, across


def source(reading, values):
    squares = sum(k**2 for k in reading.k)
    freedom = squares**2 / sum(k**4 for k in reading.k) - reading.parameters
    return hc2(reading, values), max(freedom, 1.0)


def judge(across, difference, p_samples, p_holm, alpha):
    if p_samples > alpha + 1e-12:
        return "none"
    if across is None:
        return "one_seed"
    if p_holm > alpha + 1e-12:
        return "seeds_differ"
    return "better" if difference < 0 else "worse"


def check_family(audit, what, reading, file_estimates, questions, design, is_loss=True):
    confidence, alpha = design["confidence"], 1 - design["confidence"]
    raws = [
        raw(reading, a, b, d, design["resamples"], design["resampling_seed"] + number)
        for number, (a, b, d) in enumerate(questions)
    ]
    by_samples = holm([p for _, p, _ in raws])
    by_both = holm([p if across is None else max(p, t_p(across)) for _, p, across in raws])
    family = sum(across is not None for _, _, across in raws)
    for number, ((over, p, across), (a, b, d)) in enumerate(zip(raws, questions)):
        name, found = f"{what} of {a.name} against {b.name}", file_estimates[number]
        if found is None:
            continue
        audit.check(f"{name}: difference", found["difference"], over[0])
        if is_loss:
            loss = reading.of(average(b.losses()))
            audit.check(f"{name}: relative", found["relative"], over[0] / loss)
        audit.check(f"{name}: p", found["p"], p)
        audit.check(f"{name}: p_samples_holm", found["p_samples_holm"], by_samples[number])
        audit.check(f"{name}: p_holm", found["p_holm"], by_both[number])
        verdict = judge(across, over[0], by_samples[number], by_both[number], alpha)
        audit.check(f"{name}: evidence", found["evidence"], verdict)
        audit.interval(f"{name}: interval", found["interval"], *t_interval(over, confidence))
        if across is None:
            audit.check(f"{name}: across_seeds", found["across_seeds"], None)
            continue
        seeds = found["across_seeds"]
        audit.check(f"{name}: standard error", seeds["standard_error"], across[1])
        if across[2] is not None:
            audit.check(f"{name}: degrees of freedom", seeds["degrees_of_freedom"], across[2], 1e-6)
        audit.check(f"{name}: p over seeds", seeds["p"], t_p(across))
        audit.interval(f"{name}: across", seeds["interval"], *t_interval(across, confidence))
        ends = t_interval(across, 1 - alpha / family)
        audit.interval(f"{name}: simultaneous", seeds["simultaneous"], *ends)
    return raws


def check_pairs(audit, comparison, arms, tokens):
    design = comparison["design"]
    by_name = {arm.name: arm for arm in arms}
    pairs = comparison["pairs"]
    expected = asked(design, arms)
    audit.check("pairs", str([(p["arm"], p["baseline"]) for p in pairs]), str(expected))
    questions = []
    for arm, baseline in expected:
        a, b = by_name[arm], by_name[baseline]
        both = zip(average(a.losses()), average(b.losses()))
        questions.append((a, b, [x - y for x, y in both]))
    weights = [1.0] * len(tokens) if design["measure"] == "sample" else [float(t) for t in tokens]
    by_sample, by_token = Weighted([1.0] * len(tokens)), Weighted([float(t) for t in tokens])
    check_family(audit, "primary", Weighted(weights), pairs, questions, design)
    for key, reading in (("sample_weighted", by_sample), ("token_weighted", by_token)):
        check_family(audit, key, reading, [p[key] for p in pairs], questions, design)
    lines = [p["length_controlled"] for p in pairs]
    if any(line is not None for line in lines):
        check_family(audit, "median length", OnLength(tokens, 0), lines, questions, design)
        slope = OnLength(tokens, 1)
        for line, (a, b, d) in zip(lines, questions):
            over, _, across = raw(slope, a, b, d, 100, 0)
            name = f"per doubling of {a.name}"
            audit.check(name, line["per_doubling"], over[0])
            ends = t_interval(across or over, design["confidence"])
            audit.interval(name, line["per_doubling_interval"], *ends)
            audit.check("median", line["median_tokens"], median(tokens))
    for number, (pair, (a, b, d)) in enumerate(zip(pairs, questions)):
        name, total = f"{a.name} against {b.name}", sum(weights)
        value = Weighted(weights).of(d)
        drawn = bootstrap(d, weights, design["resamples"], design["resampling_seed"] + number)
        whole = sum(w * x for w, x in zip(weights, d))
        jackknife = [(whole - w * x) / (total - w) for w, x in zip(weights, d)]
        # An end may fall on either side of a tie of resamples that differ in their last bits.
        audit.interval(name, pair["bca_interval"], *bca(value, drawn, jackknife, design["confidence"]), 1e-6)
        tail = (1 - design["confidence"]) / 2
        ends = quantile(sorted(drawn), tail), quantile(sorted(drawn), 1 - tail)
        audit.interval(name, pair["percentile_interval"], *ends, 1e-6)
        deviation = math.sqrt(variance(d))
        audit.check(f"{name}: d_z", pair["effect_size"], fmean(d) / deviation if deviation else None)
        wins, losses = sum(x < -design["tie"] for x in d), sum(x > design["tie"] for x in d)
        fell = {"wins": wins, "ties": len(d) - wins - losses, "losses": losses}
        for key, count in fell.items():
            audit.check(f"{name}: {key}", pair["win_tie_loss"][key], count)


def asked(design, arms):
    if design["pairs"] == "all":
        return [(arms[a].name, arms[b].name) for b in range(len(arms)) for a in range(b)]
    pairs = [(arm.name, design["baseline"]) for arm in arms if arm.name != design["baseline"]]
    once = next((arm.name for arm in arms if arm.once), None)
    if once not in (None, design["baseline"]):
        pairs += [(a.name, once) for a in arms if a.static and a.name != design["baseline"]]
    for equal in arms:
        if equal.name != design["baseline"] and equal.costs_as not in (None, design["baseline"]):
            pairs.append((equal.costs_as, equal.name))
    return pairs


def check_arms(audit, comparison, arms, tokens):
    token_measure = comparison["design"]["measure"] == "token"
    reading = Weighted([float(t) if token_measure else 1.0 for t in tokens])
    for found, arm in zip(comparison["arms"], arms):
        means = [reading.of(run.losses) for run in arm.runs.values()]
        audit.check(f"{arm.name}: loss", found["held_out_loss"], fmean(means))
        deviation = math.sqrt(variance(means)) if len(means) > 1 else None
        audit.check(f"{arm.name}: deviation", found["seed_deviation"], deviation)
        for seed, (number, loss) in zip(found["seeds"], zip(arm.runs, means)):
            audit.check(f"{arm.name}: seed", seed["seed"], number)
            audit.check(f"{arm.name}: loss of seed {number}", seed["held_out_loss"], loss)
        runs = list(arm.runs.values())
        per_run = lambda figure: fmean(figure(run) for run in runs)
        distinct = per_run(lambda run: len({i for picks in run.picks for i in picks}))
        audit.check(f"{arm.name}: distinct picks", found["distinct_picks"], distinct)
        cost = found["cost"]
        for key, field in (("samples_scored", "rescored"), ("samples_trained", "picked"), ("tokens_trained", "tokens")):
            spent = per_run(lambda run: sum(epoch[field] for epoch in run.epochs))
            audit.check(f"{arm.name}: {key}", cost[key], spent)
        spent = per_run(lambda run: run.spared["forward_tokens"] + sum(e["forward_tokens"] for e in run.epochs))
        audit.check(f"{arm.name}: tokens_scored", cost["tokens_scored"], spent)
        for phase in ("scoring", "picking", "training"):
            spared = lambda run: run.spared.get(phase, 0.0)
            spent = per_run(lambda run: spared(run) + sum(e["seconds"][phase] for e in run.epochs))
            audit.check(f"{arm.name}: {phase}", cost[f"{phase}_seconds"], spent)
        spread = [variance(column) for column in zip(*arm.losses())] if len(means) > 1 else None
        expected = math.sqrt(fmean(spread)) if spread else None
        audit.check(f"{arm.name}: sample deviation", found["sample_deviation"], expected)


def check_overlap(audit, comparison, arms):
    for a, first in enumerate(arms):
        for b, second in enumerate(arms):
            seen, chance = [], []
            for s, x in first.runs.items():
                for t, y in second.runs.items():
                    if (a == b) == (s == t):
                        continue
                    for p, q in zip(x.picks, y.picks):
                        p, q = set(p), set(q)
                        if p | q:
                            seen.append(len(p & q) / len(p | q))
                        there = x.pool if s == t else x.all
                        shared = len(p) * len(q) / there
                        chance.append(shared / (len(p) + len(q) - shared))
            name = f"overlap of {first.name} and {second.name}"
            audit.check(name, comparison["overlap"][a][b], fmean(seen) if seen else None)
            expected = fmean(chance) if chance else None
            audit.check(f"{name} by chance", comparison["overlap_by_chance"][a][b], expected)


def main(root):
    comparison = json.loads((root / "comparison.json").read_text())
    plan = json.loads((root / "plan.json").read_text())
    arms = [arm for arm in (Arm(root, arm) for arm in plan["arms"]) if arm.runs]
    tokens = next(iter(arms[0].runs.values())).tokens
    audit = Audit()
    held_out = comparison["held_out"]
    audit.check("held-out samples", held_out["samples"], len(tokens))
    audit.check("held-out tokens", held_out["tokens"], sum(tokens))
    audit.check("median tokens", held_out["median_tokens"], median(tokens))
    check_arms(audit, comparison, arms, tokens)
    check_overlap(audit, comparison, arms)
    check_pairs(audit, comparison, arms, tokens)
    for wrong in audit.wrong[:20]:
        print(wrong, file=sys.stderr)
    print(f"{audit.count} figures, {len(audit.wrong)} of them differ")
    return 1 if audit.wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
