"""Stand-in."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Gap:
    first: str
    second: str
    mean: float
    low: float
    high: float
    p: float
    n_folds: int
    outcome: str


def _t(d, share, level):
    d = np.asarray(d)
    n = len(d)
    se = np.sqrt((1 / n + share) * d.var(ddof=1)) if n > 1 else np.nan
    h = stats.t.ppf((1 + level) / 2, n - 1) * se if n > 1 else np.nan
    return (
        float(d.mean()),
        float(d.mean() - h),
        float(d.mean() + h),
        float(2 * stats.t.sf(abs(d.mean() / se), n - 1)) if se > 0 else 1.0,
    )


def interval(scores, share, level=0.95):
    if len(scores) < 2:
        return float(np.mean(scores)), None, None
    return _t(scores, share, level)[:3]


def gaps(scores, share, *, better, level=0.95, family=None):
    out = []
    for a, b in family:
        f = [k for k in scores[a] if k in scores[b]]
        d = np.array([scores[a][k] - scores[b][k] for k in f]) * (1 if better == "higher" else -1)
        if len(f) < 2:
            continue
        m, l, h, p = _t(d, share, 1 - (1 - level) / len(family))
        out.append(
            Gap(
                a,
                b,
                m,
                l,
                h,
                p,
                len(f),
                "beats" if l > 0 else "is worse than" if h < 0 else "cannot be told apart from",
            )
        )
    return out
