"""The comparison as plain text for a terminal, and the sentences that its page says as well."""

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nnzoo.errors import counted
from nnzoo.evaluation.metrics import ABOUT, figure
from nnzoo.evaluation.report_text import ARROWS, WIDTH, cell, shown, table, title
from nnzoo.training.progress import clock

if TYPE_CHECKING:
    from nnzoo.comparison.result import Comparison, Entry

FEWEST_FOLDS = 3
"""Below, an interval is so wide that it says nothing, and is left out."""
HALF, WHOLE = 0.5, 1.0
CUT = "training cut short by the time limit"
INTERVALS = (
    "Intervals hold with 95 % and know that folds share training rows (corrected resampled t-test, Nadeau and Bengio "
    "2003). Those of differences hold for all pairs together (Bonferroni)."
)


def text(comparison: "Comparison") -> str:
    """Return the comparison as lines of text without control characters."""
    sentence, code = next_step(comparison)
    parts = [
        [shown(heading(comparison)), *_wrapped(" ".join(how(comparison)))],
        _table(comparison),
        _failed(comparison),
        [line for words in more_rows(comparison) for line in _wrapped(words)],
        ["Verdict", *_wrapped(comparison.verdict), *_wrapped(sealed_words(comparison))],
        [*_wrapped(sentence, indent=""), *(f"    {shown(line)}" for line in code.splitlines())],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def heading(comparison: "Comparison") -> str:
    """Return what was compared, in a line."""
    networks = comparison.networks
    ids = {each.network for each in networks}
    who = counted(len(networks), "network")
    if len(networks) > 1 and len(ids) == 1:
        who = f"{len(networks)} settings of {ids.pop() or 'a network'}"
    n_baselines = len(comparison.entries) - len(networks)
    beside = f" with {counted(n_baselines, 'baseline')}" if n_baselines else ""
    where = comparison.about.get("data")
    return f"Comparison of {who}{beside}" + (f" on {where}" if where else "")


def how(comparison: "Comparison") -> list[str]:
    """Return sentences that say what was done."""
    about = comparison.about
    told = []
    if "rows" in about:
        target = f"; the target is {about['target']}" if about.get("target") else ""
        told.append(f"{about['rows']:,} rows{target}. {about.get('sealed', 0):,} of them are sealed as test rows.")
    most = _most(comparison)
    if all(len(each.scores) in (0, most) for each in comparison.networks):
        told.append(f"The others are cut into {counted(most, 'fold')}, the same for all.")
    else:
        told.append(
            f"The others are cut into {counted(most, 'fold')}: all networks were seen on the first one, the better "
            "ones on more, the best and the baselines on all."
        )
    if "seconds" in about:
        limit = about.get("time_limit")
        told.append(f"It took {clock(about['seconds'])}" + (f" of at most {clock(limit)}." if limit else "."))
    if about.get("stopped"):
        told.append("It was stopped before its end: this is what was done until then.")
    return told


def ordered(comparison: "Comparison") -> list["Entry"]:
    """Return all entries: best first, behind them those not seen on all folds, last those without a score."""
    most = _most(comparison)
    return sorted(comparison.entries, key=lambda each: (each.mean is None, len(each.scores) < most))


def _most(comparison: "Comparison") -> int:
    """Return how many folds any was seen on."""
    return max((len(each.scores) for each in comparison.entries), default=0)


def best_network(comparison: "Comparison") -> "Entry | None":
    """Return the best network, first of those that were seen on all folds; None where none has a score."""
    return next((each for each in ordered(comparison) if each.is_network and each.mean is not None), None)


def interval(comparison: "Comparison", entry: "Entry") -> tuple[float, float] | tuple[None, None]:
    """Return the ends of the interval of a mean, within what the metric can be; None on fewer than three folds."""
    if entry.low is None or entry.high is None or len(entry.scores) < FEWEST_FOLDS:
        return None, None
    most = 1.0 if is_share(comparison) else float("inf")
    return max(0.0, entry.low), min(most, entry.high)


def is_share(comparison: "Comparison") -> bool:
    """Return whether the metric is a share of 1, whose differences are told in points."""
    return ABOUT[comparison.metric][1] == "share"


def amount(comparison: "Comparison", value: float) -> str:
    """Return a difference of two scores: in points (hundredths of a share), or in the unit of the metric."""
    return f"{100 * value:.1f}" if is_share(comparison) else figure(value)


def between(low: float | None, high: float | None) -> str:
    """Return an interval in brackets; nothing without one."""
    return "" if low is None or high is None else f"[{figure(low)}, {figure(high)}]"


def duration(seconds: float | None) -> str:
    """Return a time, however short; nothing for none.

    Examples
    --------
    >>> duration(0.00042), duration(0.0423), duration(4.23), duration(80)
    ('0.42 ms', '42 ms', '4.2 s', '1 min 20 s')
    """
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{1000 * seconds:.2g} ms" if seconds < 0.01 else f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else clock(seconds)


def size(n_bytes: int | None) -> str:
    """Return the size of a file; nothing for none.

    Examples
    --------
    >>> size(812), size(41_200), size(1_640_000)
    ('812 bytes', '41 kB', '1.6 MB')
    """
    if n_bytes is None:
        return ""
    if n_bytes < 1000:
        return f"{n_bytes} bytes"
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"


def sealed_words(comparison: "Comparison") -> str:
    """Return what the winner reaches on the sealed test rows, in a sentence; nothing without a winner."""
    score = comparison.test.get("score")
    if comparison.winner is None:
        return ""
    if score is None:
        return "The test rows stay sealed: nothing was scored on them."
    ends = between(comparison.test.get("low"), comparison.test.get("high"))
    rows = counted(comparison.about.get("sealed", 0), "sealed test row")
    return (
        f"On the {rows}, which took no part in the choice, {comparison.winner} reaches {title(comparison.metric)} "
        f"{figure(score)} {ends}".rstrip()
        + "."
    )


def next_step(comparison: "Comparison") -> tuple[str, str]:
    """Return what to do with the outcome, and the lines that do it; both may be empty."""
    name = comparison.winner
    if name is None:
        return "", ""
    entry = comparison[name]
    if not entry.is_network:
        return f"Use {name}" + (", in scikit-learn:" if entry.code else "."), entry.code
    if comparison.model is None or entry is not best_network(comparison):
        return f"Train {name} for good:", train_command(comparison, entry)
    path = comparison.about.get("model")
    if path:
        command = shlex.join(["nnzoo", "predict", str(path)])
        return f"{name} is trained and saved in {path}. Use it:", f"{command} NEW_ROWS"
    return f"{name} is trained. Keep it:", f"comparison.model.save({name + '.nnzoo'!r})"


def train_command(comparison: "Comparison", entry: "Entry") -> str:
    """Return the command that trains a network as it was trained on the first fold, for good."""
    words = ["nnzoo", "train", str(comparison.about.get("data", "DATA"))]
    if comparison.about.get("target"):
        words += ["--target", str(comparison.about["target"])]
    words += ["--network", entry.network or entry.name]
    for name, value in (entry.settings[0] if entry.settings else {}).items():
        words += ["--set", f"{name}={','.join(map(str, value)) if isinstance(value, list | tuple) else value}"]
    return shlex.join(words)


def set_words(settings: Mapping[str, Any]) -> str:
    """Return parameters in words.

    Examples
    --------
    >>> set_words({"dropout": 0.2, "n_hidden": 64}), set_words({})
    ('dropout=0.2, n_hidden=64', 'as suits the data')
    """
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "as suits the data"


def more_rows(comparison: "Comparison") -> list[str]:
    """Return a sentence for each network that has a learning curve, whether more rows would help it, and a last one."""
    told = []
    for entry in comparison.networks:
        halves, wholes = entry.curve.get(HALF, []), entry.curve.get(WHOLE, [])
        if halves and len(halves) == len(wholes):
            sign = 1 if comparison.better == "higher" else -1
            gains = [sign * (whole - half) for half, whole in zip(halves, wholes, strict=True)]
            told.append(_gain_words(comparison, entry.name, gains))
    return [*told, "So few folds are a hint, no proof."] if told else []


def _gain_words(comparison: "Comparison", name: str, gains: Sequence[float]) -> str:
    mean, low, high = sum(gains) / len(gains), min(gains), max(gains)
    if low > 0:
        said = "better on each: more rows would probably help, though each doubling helps less than the one before"
    elif high <= 0:
        said = "better on none: nothing here shows that more rows would help"
    else:
        said = "too uneven to say whether more rows would help"
    unit = " points" if is_share(comparison) else f" in {title(comparison.metric)}"
    return (
        f"From half of the training rows to all of them, {name} {'gained' if mean >= 0 else 'lost'} "
        f"{amount(comparison, abs(mean))}{unit} (gains of {amount(comparison, low)} to {amount(comparison, high)} on "
        f"{counted(len(gains), 'fold')}), {said}."
    )


def _table(comparison: "Comparison") -> list[str]:
    head = ["", f"{title(comparison.metric)} [95 % interval]", "folds", "weights", "training", "a row", "file"]
    rows = [
        [
            cell(each.name),
            f"{figure(each.mean)} {between(*interval(comparison, each))}",
            str(len(each.scores)),
            "" if each.weights is None else f"{each.weights:,}",
            duration(each.seconds) + ("*" if each.is_cut else ""),
            duration(each.latency),
            size(each.bytes),
        ]
        for each in ordered(comparison)
        if each.mean is not None
    ]
    if not rows:
        return []
    used = [i for i in range(len(head)) if any(row[i] for row in rows)]
    lines = table([[row[i] for i in used] for row in rows], [head[i] for i in used])
    notes = [f"  * {CUT}"] if any(each.is_cut for each in comparison.entries) else []
    return [f"Means over the folds ({ARROWS[comparison.better]})", *lines, *notes]


def _failed(comparison: "Comparison") -> list[str]:
    failed = [each for each in comparison.entries if each.mean is None]
    if not failed:
        return []
    return ["Without a score", *(line for each in failed for line in _wrapped(f"{each.name}: {each.failure}"))]


def _wrapped(words: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(shown(words), WIDTH, initial_indent=indent, subsequent_indent=indent)
