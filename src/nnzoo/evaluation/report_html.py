"""The report as HTML: one page without links to anything, readable on a phone, light and dark.

All text goes through ``escape``; the page's policy forbids scripts and every request. Colours derive from the colour of
the text around, so that a fragment fits a notebook of any theme.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from nnzoo.errors import counted
from nnzoo.evaluation import gallery_html
from nnzoo.evaluation.gallery_html import MAX_PICTURED
from nnzoo.evaluation.metrics import figure
from nnzoo.evaluation.report_text import ARROWS, cell, contestants, ending, percent, shown, sureness, title, worst_title
from nnzoo.pictures import sheets, svg
from nnzoo.pictures.curves import calibration_curve, intervals, training_curves, truth_against_prediction
from nnzoo.pictures.matrices import confusion_matrix
from nnzoo.pictures.page import STYLE, document

if TYPE_CHECKING:
    from nnzoo.evaluation.details import Confusion, Worst
    from nnzoo.evaluation.report import Report

MAX_TABLED = 12
MAX_LABELS = 50
N_EPOCHS = 8
VERDICT = ".nnzoo .verdict{border-left:.4rem solid;padding:.3rem 0 .3rem .8rem;margin:1rem 0}"
SIDES = {"beats": "#009066", "cannot be told apart from": "#7a7f87", "is worse than": "#d55e00"}


def page(report: "Report") -> str:
    """Return the report as a whole HTML page."""
    return document("Evaluation", fragment(report))


def fragment(report: "Report") -> str:
    """Return the report as one ``<div>`` with its own style, for a notebook."""
    first = (_head, _metrics, _sample, _shows, _baselines, behind, _filters, _history, _code)
    body = "".join(section(report) for section in first)
    return f'<div class="nnzoo"><style>{STYLE + VERDICT + image_style(report)}</style>{body}</div>'


def behind(report: "Report") -> str:
    """Return the sections on what stands behind the numbers: labels, mistakes, calibration, the worst rows."""
    return "".join(section(report) for section in (_labels, _confusion, _calibration, _residuals, _worst))


def image_style(report: "Report") -> str:
    """Return the style of the report's images; nothing without any."""
    return sheets.STYLE if report.gallery or report.shows else ""


def verdict_box(verdict: str, outcome: str) -> str:
    """Return a verdict with the colour of its outcome at its side."""
    words = escape(shown(verdict))
    return f'<p class="verdict" style="border-color:{SIDES[outcome]}"><strong>{words}</strong></p>'


def code_block(title: str, code: str, *, is_open: bool = False) -> str:
    """Return lines of code under a title that opens them."""
    return f"<details{' open' * is_open}><summary>{escape(shown(title))}</summary>{code_lines(code)}</details>"


def code_lines(code: str) -> str:
    """Return lines of code as they stand, without control characters."""
    return "<pre>" + "\n".join(escape(shown(line)) for line in code.splitlines()) + "</pre>"


def _head(report: "Report") -> str:
    outcome = report.difference.outcome if report.difference else "cannot be told apart from"
    how = "".join(paragraph(line) for line in report.how)
    return f"<h1>Evaluation on {counted(report.n_rows, 'row')}</h1>{verdict_box(report.verdict, outcome)}{how}"


def _metrics(report: "Report") -> str:
    rows = [
        [title(each.name), figure(each.value), each.interval.strip(), f"{ARROWS[each.better]}. {each.what}"]
        for each in report.metrics.values()
    ]
    return "<h2>How good it is</h2>" + table(rows, ["metric", "value", "95 % interval", "meaning"], (1, 2))


def _sample(report: "Report") -> str:
    return gallery_html.sample(report, report.gallery) if report.gallery else ""


def _shows(report: "Report") -> str:
    parts = []
    for each in report.shows:
        drawn = sheets.image_lines(each.content) if isinstance(each.content, Mapping) else svg(each.content, each.title)
        parts.append(f"<h2>{escape(each.title)}</h2>{paragraph(each.sentence)}{drawn}")
    return "".join(parts)


def _baselines(report: "Report") -> str:
    if not report.baselines:
        return ""
    found = contestants(report)
    ends = [(metric.low, metric.high) for _, metric, _ in found]
    picture = intervals([each[0] for each in found], [each[1].value for each in found], ends, title(report.primary))
    seconds = {each.name: f"{each.seconds:.1f}" for each in report.baselines}
    rows = [
        [name, figure(metric.value), metric.interval.strip(), seconds.get(name, ""), note]
        for name, metric, note in found
    ]
    way = ARROWS[report.metrics[report.primary].better]
    return (
        "<h2>Beside the baselines</h2>"
        + paragraph(
            f"{title(report.primary)} on the same rows, {way}. Lines are 95 % intervals. The verdict compares row by "
            "row, so it can be clear where lines overlap."
        )
        + svg(picture, f"{title(report.primary)} of the network and the baselines with intervals")
        + table(rows, ["", title(report.primary), "95 % interval", "seconds", "note"], (1, 2, 3))
    )


def _labels(report: "Report") -> str:
    if not report.labels:
        return ""
    rows = [
        [cell(each.label), f"{each.rows:,}", percent(each.precision), percent(each.recall), figure(each.f1)]
        for each in report.labels[:MAX_LABELS]
    ]
    sentence = "Of the rows where it says the label, how many have it; of the rows that have it, how many it finds."
    more = len(report.labels) - MAX_LABELS
    sentence += f" {counted(more, 'label')} more are left out here." if more > 0 else ""
    head = ["label", "rows", "right when said (precision)", "found (recall)", "F1"]
    return "<h2>Label by label</h2>" + paragraph(sentence) + table(rows, head, (1, 2, 3, 4))


def _confusion(report: "Report") -> str:
    if report.gallery and report.gallery.cells:
        return gallery_html.confused(report, report.gallery)
    return confusion_section(report.confusion, report.confusions)


def confusion_section(matrix: "Confusion | None", frequent: Sequence[tuple[Any, Any, int]], of: str = "") -> str:
    """Return picture and table of what is taken for what.

    Parameters
    ----------
    matrix : Confusion or None
    frequent : sequence of (true label, predicted label, count)
        Most frequent mistakes, shown where the labels are many.
    of : str, optional
        Words at the end of the title.
    """
    picture = ""
    small = matrix is not None and len(matrix.labels) <= MAX_TABLED
    if matrix is not None and len(matrix.labels) <= MAX_PICTURED:
        picture = svg(confusion_matrix(matrix.counts, matrix.labels), "Counts of true against predicted labels")
    if not picture and not frequent:
        return ""
    if matrix is not None and small:
        rows = [
            [cell(label), *(f"{n:,}" for n in counts)]
            for label, counts in zip(matrix.labels, matrix.counts, strict=True)
        ]
        numbers = table(rows, ["true \\ predicted", *map(cell, matrix.labels)], range(1, len(rows) + 1))
    else:
        rows = [[cell(true), cell(said), f"{n:,}"] for true, said, n in frequent]
        numbers = table(rows, ["true", "predicted", "rows"], (2,))
    sentence = "Rows by true and predicted label: the diagonal is right, all else is a mistake."
    if not small:
        sentence += " The table holds the most frequent mistakes."
    return f"<h2>What is taken for what{escape(of)}</h2>{paragraph(sentence)}{picture}{numbers}"


def _calibration(report: "Report") -> str:
    bins = report.calibration
    if not bins:
        return ""
    picture = calibration_curve(
        [each.said for each in bins], [each.right for each in bins], [(each.low, each.high) for each in bins]
    )
    rows = [
        [percent(each.said), percent(each.right), f"{percent(each.low)} to {percent(each.high)}", f"{each.rows:,}"]
        for each in bins
    ]
    return (
        "<h2>Is it as sure as it should be?</h2>"
        + paragraph("Below the dashed line it is surer than it is right; above, it is too modest.")
        + svg(picture, "Share that is right against the probability given")
        + table(rows, ["it says", "it is right", "95 % interval", "cases"], (0, 1, 2, 3))
    )


def _residuals(report: "Report") -> str:
    found = report.residuals
    if found is None:
        return ""
    rows = [[figure(each.prediction), figure(each.truth), figure(each.rmse), f"{each.rows:,}"] for each in found.bins]
    dots = "" if len(found.truth) == report.n_rows else f" Of {report.n_rows:,} rows {len(found.truth):,} are drawn."
    return (
        "<h2>Truth against prediction</h2>"
        + paragraph(
            f"A dot per row; on the dashed line the prediction is exact.{dots} The table goes by fifths of the "
            "predictions, from low to high: where the means differ, it is off on average."
        )
        + svg(truth_against_prediction(found.truth, found.prediction), "Truth against prediction")
        + table(rows, ["mean prediction", "mean truth", "typical error (RMSE)", "rows"], (0, 1, 2, 3))
    )


def _worst(report: "Report") -> str:
    if report.gallery and report.gallery.worst:
        return gallery_html.mistakes(report, report.gallery)
    if not report.worst:
        return ""
    return worst_section(report.worst, report.task)


def worst_section(worst: Sequence["Worst"], task: str | None, of: str = "") -> str:
    """Return the table of the rows that went worst, at least one, under its title with the words ``of`` at its end."""
    names = ["" if each.name is None else ending(each.name) for each in worst]
    if task == "regression":
        rows = [
            [str(each.row), name, shown(each.truth), shown(each.prediction), figure(each.prediction - each.truth)]
            for each, name in zip(worst, names, strict=True)
        ]
        head, sentence = ["truth", "prediction", "error"], "Look at them for slips and for what it cannot see."
    else:
        rows = [
            [
                str(each.row),
                name,
                cell(each.truth),
                cell(each.prediction),
                "" if each.probability is None else sureness(each.probability),
            ]
            for each, name in zip(worst, names, strict=True)
        ]
        head = ["truth", "prediction", "probability"]
        sentence = "Look at them for wrong labels and for what it cannot see."
    numbers = table(rows, ["row", "name", *head], (0, 4))
    return f"<h2>{worst_title(worst, task)}{escape(of)}</h2>{paragraph(sentence)}{numbers}"


def _filters(report: "Report") -> str:
    return gallery_html.filters(report.gallery) if report.gallery else ""


def _history(report: "Report") -> str:
    history = report.history or {}
    picture = training_curves(history)
    if picture is None:
        return ""
    names = [name for name in history if name == "epoch" or name.endswith("loss")]
    n_values = min(len(history[name]) for name in names)
    kept = np.unique(np.linspace(0, n_values - 1, N_EPOCHS).round().astype(int))
    rows = [[_number(history[name][i]) for name in names] for i in kept]
    return (
        "<h2>How the training went</h2>"
        + paragraph("Loss by epoch, lower is better. The network keeps the weights of the best epoch.")
        + svg(picture, "Loss by epoch")
        + table(rows, [cell(name.replace("_", " ")) for name in names], range(len(names)))
    )


def _code(report: "Report") -> str:
    best = report.best_baseline
    blocks = [
        code_block(each.name, each.code, is_open=report.baseline_wins and each is best)
        for each in report.baselines
        if each.code
    ]
    if not blocks:
        return ""
    return "<h2>The baselines in scikit-learn</h2>" + paragraph("Lines that run as they stand.") + "".join(blocks)


def paragraph(line: str) -> str:
    """Return any text as a paragraph."""
    return f"<p>{escape(shown(line))}</p>"


def _number(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.4g}"


def table(rows: Iterable[Sequence[str]], head: Sequence[str], numbers: Iterable[int]) -> str:
    """Return a table of any text; columns in ``numbers`` are set to the right, one without any entry is left out."""
    rows, right = list(rows), set(numbers)
    used = [i for i in range(len(head)) if any(row[i] for row in rows)]

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(f"<{tag}{_class(i in right)}>{escape(row[i])}</{tag}>" for i in used)

    lines = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{cells("th", head)}</tr></thead><tbody>{lines}</tbody></table></div>'


def _class(is_number: bool) -> str:
    return ' class="n"' if is_number else ""
