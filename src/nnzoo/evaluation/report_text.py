"""The report as plain text for a terminal."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnzoo.errors import counted
from nnzoo.evaluation.metrics import Metric, figure

if TYPE_CHECKING:
    from nnzoo.evaluation.details import Worst
    from nnzoo.evaluation.report import Report

MAX_LABELS = 12
MAX_WORST = 5
MAX_CELL = 28
MAX_NAME = 40
WIDTH = 98
ARROWS = {"higher": "higher is better", "lower": "lower is better"}


def text(report: "Report") -> str:
    """Return the report as lines of text without control characters."""
    parts = [
        [
            f"Evaluation on {counted(report.n_rows, 'row')}" + (f" ({report.task})" if report.task else ""),
            *(f"  {shown(line)}" for line in report.how),
        ],
        table(
            [[title(metric.name), str(metric), ARROWS[metric.better]] for metric in report.metrics.values()],
            ["metric", "value [95 % interval]", ""],
        ),
        _baselines(report),
        _labels(report),
        _worst(report),
        ["Verdict", *(f"  {line}" for line in textwrap.wrap(shown(report.verdict), WIDTH))],
    ]
    best = report.best_baseline
    if report.baseline_wins and best is not None and best.code:
        parts.append([f"The better one, {best.name}, in scikit-learn:", *(f"    {x}" for x in best.code.splitlines())])
    return "\n\n".join("\n".join(part) for part in parts if part)


def title(name: str) -> str:
    """Return the name of a metric in words.

    Examples
    --------
    >>> title("balanced_accuracy"), title("rmse")
    ('balanced accuracy', 'RMSE')
    """
    short = {"rmse": "RMSE", "mae": "MAE", "r2": "R²", "auc": "AUC", "f1_macro": "macro F1", "f1_micro": "micro F1"}
    return short.get(name, name.replace("_", " "))


def shown(value: Any) -> str:
    """Return user content as text without control characters; numbers as people write them."""
    if isinstance(value, float):
        return figure(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))


def cell(value: Any) -> str:
    """Return user content for a cell of a table: shown, at most 28 characters."""
    content = shown(value)
    return content if len(content) <= MAX_CELL else content[: MAX_CELL - 1] + "…"


def ending(name: str) -> str:
    """Return a name, such as a file's, for a cell of a table: of a long one the end, which tells files apart."""
    content = shown(name)
    return content if len(content) <= MAX_NAME else "…" + content[1 - MAX_NAME :]


def percent(share: float | None) -> str:
    """Return a share for a table; a dash where there is none."""
    return "–" if share is None else f"{share:.0%}"


def sureness(probability: float) -> str:
    """Return a probability in percent that says 100 % only of a certainty.

    Examples
    --------
    >>> sureness(0.62), sureness(0.9971), sureness(0.99999), sureness(1.0)
    ('62%', '99.7%', '>99.9%', '100%')
    """
    if 0.9995 <= probability < 1:
        return ">99.9%"
    return f"{probability:.1%}" if 0.995 <= probability < 1 else percent(probability)


def table(rows: list[list[str]], head: list[str]) -> list[str]:
    """Return a head and rows in columns, indented by two."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    return [f"  {line}".rstrip() for line in lines]


def contestants(report: "Report") -> list[tuple[str, Metric, str]]:
    """Return name, primary metric and note of the network and the baselines, the network first, then the best."""
    sign = -1 if report.metrics[report.primary].better == "higher" else 1
    ordered = sorted(report.baselines, key=lambda each: sign * each.metrics[report.primary].value)
    own = ("this network", report.metrics[report.primary], "")
    return [own, *((each.name, each.metrics[report.primary], each.note) for each in ordered)]


def _baselines(report: "Report") -> list[str]:
    if not report.baselines:
        return []
    rows = [[name, str(metric), note] for name, metric, note in contestants(report)]
    head = f"Baselines on the same rows, {title(report.primary)} ({ARROWS[report.metrics[report.primary].better]})"
    return [head, *table(rows, ["", "value [95 % interval]", ""])]


def _labels(report: "Report") -> list[str]:
    if not report.labels:
        return []
    rows = [
        [cell(each.label), f"{each.rows:,}", percent(each.precision), percent(each.recall)]
        for each in report.labels[:MAX_LABELS]
    ]
    more = len(report.labels) - MAX_LABELS
    lines = table(rows, ["label", "rows", "right when said", "found"])
    return lines + ([f"  and {counted(more, 'label')} more"] if more > 0 else [])


def _worst(report: "Report") -> list[str]:
    if not report.worst:
        return []
    columns = {
        "row": [str(each.row) for each in report.worst],
        "name": [ending(each.name) for each in report.worst if each.name is not None],
        "truth": [cell(each.truth) for each in report.worst],
        "prediction": [cell(each.prediction) for each in report.worst],
        "probability": [sureness(each.probability) for each in report.worst if each.probability is not None],
    }
    used = {name: values[:MAX_WORST] for name, values in columns.items() if values}
    return [
        worst_title(report.worst, report.task),
        *table([list(row) for row in zip(*used.values(), strict=True)], list(used)),
    ]


def worst_title(worst: Sequence["Worst"], task: str | None) -> str:
    """Return what a list of the worst rows, at least one, holds."""
    if task == "regression":
        return "Largest errors"
    return "Surest mistakes" if worst[0].probability is not None else "Mistakes"
