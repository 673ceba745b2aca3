"""Makes values.json: what SciPy says on fixed inputs.

    python tests/golden/statistics/oracle.py        (packages: tests/golden/requirements.txt)

Holm's correction is not in SciPy; its adjusted p-values are taken from the closure principle it was
derived from, over every subset, which is another algorithm than the one under test.
"""

import itertools
import json
from pathlib import Path

import numpy as np
import scipy
from scipy import optimize, spatial, stats

rng = np.random.default_rng(20241217)


def floats(values):
    return [float(value) for value in values]


def distributions():
    xs = [-8.0, -3.2, -1.0, -0.1, 0.0, 0.5, 1.96, 4.0, 7.5]
    ps = [1e-12, 1e-4, 0.0125, 0.025, 0.2, 0.5, 0.8, 0.975, 0.9999]
    nus = [1.0, 2.0, 3.7, 4.0, 8.25, 30.0, 999.0]
    return {
        "normal_cdf": [[x, float(stats.norm.cdf(x))] for x in xs],
        "normal_quantile": [[p, float(stats.norm.ppf(p))] for p in ps],
        "student_t_cdf": [[x, nu, float(stats.t.cdf(x, nu))] for x in xs for nu in nus],
        "student_t_quantile": [[p, nu, float(stats.t.ppf(p, nu))] for p in ps[2:] for nu in nus],
    }


def correlations():
    cases = []
    for n, levels in [(2, 2), (5, 3), (12, 4), (40, 7), (200, 12), (200, 10**6)]:
        x = rng.integers(0, levels, n) / 8
        y = np.round(0.5 * x + rng.integers(0, levels, n) / 8, 3)
        x[0], x[1] = 0.0, 1.0
        y[0], y[1] = 1.0, 0.0
        cases.append({
            "x": floats(x),
            "y": floats(y),
            "spearman": float(stats.spearmanr(x, y).statistic),
            "kendall_tau_b": float(stats.kendalltau(x, y, variant="b").statistic),
            "ranks_of_x": floats(stats.rankdata(x)),
        })
    return cases


def jaccards():
    cases = []
    for chance in [0.1, 0.4, 0.9]:
        a, b = rng.random(60) < chance, rng.random(60) < chance
        cases.append({
            "a": np.flatnonzero(a).tolist(),
            "b": np.flatnonzero(b).tolist(),
            "jaccard": 1.0 - float(spatial.distance.jaccard(a, b)),
        })
    return cases


def sign_flips():
    cases = []
    for n, shift in [(2, 0.5), (5, 0.8), (9, 0.3), (12, 0.6), (13, 0.0)]:
        x = np.round(rng.normal(shift, 1.0, n), 2)
        result = stats.permutation_test(
            (x, np.zeros(n)),
            lambda a, b, axis: np.mean(a - b, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf,
        )
        cases.append({"differences": floats(x), "p": float(result.pvalue)})
    return cases


def bootstraps():
    cases = []
    for n, resamples in [(8, 300), (40, 500), (150, 800)]:
        x = np.round(rng.lognormal(0.0, 0.8, n) - 1.2, 4)
        rows = rng.integers(0, n, (resamples, n))
        means = x[rows].mean(axis=1)
        case = {
            "values": floats(x),
            "distribution": floats(means),
            "jackknife": floats([np.delete(x, i).mean() for i in range(n)]),
        }
        for method in ["percentile", "BCa"]:
            # SciPy takes a distribution that was drawn before, and draws nothing more.
            drawn = stats._resampling.BootstrapResult(
                confidence_interval=None, bootstrap_distribution=means, standard_error=None
            )
            for confidence in [0.9, 0.95]:
                interval = stats.bootstrap(
                    (x,), np.mean, n_resamples=0, bootstrap_result=drawn,
                    confidence_level=confidence, method=method,
                ).confidence_interval
                case[f"{method} {confidence}"] = floats(interval)
        own = stats.bootstrap((x,), np.mean, n_resamples=100_000, method="BCa", rng=rng)
        case["BCa, 100,000 resamples"] = floats(own.confidence_interval)
        case["standard error"] = float(own.standard_error)
        cases.append(case)
    return cases


def lines():
    cases = []
    for n in [3, 25]:
        tokens = rng.integers(1, 400, n)
        y = np.round(rng.normal(0.1, 1.0, n), 3)
        x = np.log2(tokens / np.median(tokens))
        found = stats.linregress(x, y)
        cases.append({
            "tokens": tokens.tolist(),
            "differences": floats(y),
            "intercept": float(found.intercept),
            "slope": float(found.slope),
        })
    return cases


def effects():
    cases = []
    for n in [5, 60]:
        x, y = rng.normal(2.0, 0.5, n), rng.normal(2.2, 0.5, n)
        paired = stats.ttest_rel(x, y)
        cases.append({
            "differences": floats(x - y),
            "cohens_d_z": float(paired.statistic / np.sqrt(n)),
        })
    return cases


def welch():
    cases = []
    for n, m in [(3, 5), (5, 5), (2, 9)]:
        x, y = rng.normal(2.0, 0.1, n), rng.normal(2.1, 0.4, m)
        found = stats.ttest_ind(x, y, equal_var=False)
        interval = found.confidence_interval(0.95)
        cases.append({
            "x": floats(x), "y": floats(y), "df": float(found.df),
            "interval": [float(interval.low), float(interval.high)],
        })
    return cases


def holms():
    cases = []
    for n in [1, 3, 6]:
        p = np.round(rng.beta(0.4, 2.0, n), 4)
        adjusted = []
        for i in range(n):
            others = [j for j in range(n) if j != i]
            subsets = (
                (i, *rest) for size in range(n) for rest in itertools.combinations(others, size)
            )
            adjusted.append(max(min(1.0, len(s) * min(p[j] for j in s)) for s in subsets))
        cases.append({"p": floats(p), "adjusted": floats(adjusted)})
    return cases


def powers():
    """Power of the two-sided t test by the noncentral t distribution."""
    cases = []
    for freedom in [2.0, 4.0, 8.0, 18.5, 200.0]:
        for effect in [0.5, 2.8, 4.5]:
            for alpha in [0.05, 0.01]:
                t = stats.t.isf(alpha / 2, freedom)
                above, below = stats.nct.sf(t, freedom, effect), stats.nct.cdf(-t, freedom, effect)
                cases.append([effect, freedom, alpha, float(above + below)])
    return cases


def readings():
    """Coefficients of weighted least squares with their HC2 variance, by matrices."""
    cases = []
    for n in [6, 40]:
        tokens = rng.integers(1, 300, n)
        d = np.round(rng.normal(0.1, 1.0, n) / np.sqrt(tokens), 4)
        x = np.log2(tokens / np.median(tokens))
        one = np.ones(n)
        case = {"tokens": tokens.tolist(), "differences": floats(d)}
        for name, design, weights, column in [
            ("sample", one[:, None], one, 0),
            ("token", one[:, None], tokens.astype(float), 0),
            ("median", np.stack([one, x], 1), one, 0),
            ("doubling", np.stack([one, x], 1), one, 1),
        ]:
            bread = np.linalg.inv(design.T @ (weights[:, None] * design)) @ (design.T * weights)
            hat = design @ bread
            residual = d - hat @ d
            meat = np.diag(residual**2 / (1.0 - np.diag(hat)))
            case[name] = [float(bread[column] @ d), float((bread @ meat @ bread.T)[column, column])]
        cases.append(case)
    return cases


def crossed():
    """The variance of a difference of two arms by the mean squares of their two-way tables."""
    cases = []
    for seeds_a, seeds_b, n in [(3, 3, 12), (2, 5, 30)]:
        sample = rng.normal(2.0, 0.5, n)
        tables = [
            np.round(sample + rng.normal(0, 0.05, (s, 1)) + rng.normal(0, 0.1, (s, n)), 4)
            for s in (seeds_a, seeds_b)
        ]
        d = tables[0].mean(0) - tables[1].mean(0)
        sources = [(d.var(ddof=1) / n, n - 1)]
        for table in tables:
            s = len(table)
            rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
            mean_square = (rest**2).sum() / ((n - 1) * (s - 1))
            sources[0] = (sources[0][0] - mean_square / (n * s), n - 1)
            sources.append((table.mean(1).var(ddof=1) / s, s - 1))
        sources[0] = (max(sources[0][0], 0.0), n - 1)
        variance = sum(v for v, _ in sources)
        freedom = variance**2 / sum(v * v / k for v, k in sources)
        error = np.sqrt(variance)
        low, high = stats.t.interval(0.95, freedom, d.mean(), error)
        cases.append({
            "a": [floats(run) for run in tables[0]], "b": [floats(run) for run in tables[1]],
            "standard_error": float(error), "df": float(freedom),
            "interval": [float(low), float(high)],
            "p": float(2 * stats.t.sf(abs(d.mean()) / error, freedom)),
        })
    return cases


VALUES = {
    "made by": f"scipy {scipy.__version__}, numpy {np.__version__}",
    "distributions": distributions(),
    "correlations": correlations(),
    "jaccard": jaccards(),
    "sign_flip": sign_flips(),
    "bootstrap": bootstraps(),
    "lines": lines(),
    "effects": effects(),
    "welch": welch(),
    "holm": holms(),
    "power": powers(),
    "readings": readings(),
    "crossed": crossed(),
}
(Path(__file__).parent / "values.json").write_text(json.dumps(VALUES) + "\n")
