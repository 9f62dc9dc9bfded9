"""The comparison as HTML: one page without links to anything, in the style of the report of an evaluation."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from nnzoo.comparison.report_text import (
    CUT,
    INTERVALS,
    amount,
    best_network,
    between,
    duration,
    heading,
    how,
    interval,
    is_share,
    more_rows,
    next_step,
    ordered,
    sealed_words,
    set_words,
    size,
)
from nnzoo.comparison.statistics import Gap, find
from nnzoo.errors import counted
from nnzoo.evaluation import details
from nnzoo.evaluation.metrics import figure
from nnzoo.evaluation.report_html import (
    MAX_LABELS,
    VERDICT,
    behind,
    code_block,
    code_lines,
    confusion_section,
    image_style,
    paragraph,
    table,
    verdict_box,
    worst_section,
)
from nnzoo.evaluation.report_text import ARROWS, cell, percent, shown, title
from nnzoo.pictures import svg
from nnzoo.pictures.curves import intervals, learning_curves
from nnzoo.pictures.page import STYLE, document

if TYPE_CHECKING:
    from nnzoo.comparison.result import Comparison, Entry

MAX_BESIDE = 4
"""Networks whose labels stand side by side."""
OWN_STYLE = ".nnzoo.comparison{max-width:58rem}.nnzoo.comparison>p{max-width:46rem}"


def page(comparison: "Comparison") -> str:
    """Return the comparison as a whole HTML page."""
    return document("Comparison", fragment(comparison))


def fragment(comparison: "Comparison") -> str:
    """Return the comparison as one ``<div>`` with its own style, for a notebook."""
    sections = (_head, _means, _failed, _differences, _curves, _labels, _confusion, _worst, _sealed, _settings, _how)
    body = "".join(section(comparison) for section in (*sections, _again))
    images = "" if comparison.report is None else image_style(comparison.report)
    return f'<div class="nnzoo comparison"><style>{STYLE + VERDICT + OWN_STYLE + images}</style>{body}</div>'


def _head(comparison: "Comparison") -> str:
    sentence, code = next_step(comparison)
    box = verdict_box(comparison.verdict, _outcome(comparison))
    lines = code_lines(code) if code else ""
    told = "".join(paragraph(words) for words in (sealed_words(comparison), sentence) if words)
    return f"<h1>{escape(shown(heading(comparison)))}</h1>{box}{told}{lines}"


def _outcome(comparison: "Comparison") -> str:
    """Return how the best network stands to the best baseline."""
    best = best_network(comparison)
    baseline = next((each for each in ordered(comparison) if not each.is_network and each.mean is not None), None)
    gap = None if best is None or baseline is None else find(best.name, baseline.name, comparison.gaps)
    return "cannot be told apart from" if gap is None else gap.outcome


def _means(comparison: "Comparison") -> str:
    scored = [each for each in ordered(comparison) if each.mean is not None]
    if not scored:
        return ""
    names, values = [each.name for each in scored], [float(each.mean or 0.0) for each in scored]
    ends = [interval(comparison, each) for each in scored]
    picture = intervals(
        names,
        values,
        ends,
        title(comparison.metric),
        marked=names.index(comparison.winner) if comparison.winner in names else None,
        quiet=[i for i, each in enumerate(scored) if not each.is_network],
        within=_within(scored, ends),
    )
    rows = [
        [
            each.name,
            figure(value),
            between(*end),
            str(len(each.scores)),
            "" if each.weights is None else f"{each.weights:,}",
            duration(each.seconds),
            duration(each.latency),
            size(each.bytes),
            each.status,
            "; ".join(note for note in (each.note, CUT if each.is_cut else "") if note),
        ]
        for each, value, end in zip(scored, values, ends, strict=True)
    ]
    head = [
        "",
        title(comparison.metric),
        "95 % interval",
        "folds",
        "weights",
        "a training",
        "a row",
        "file",
        "",
        "note",
    ]
    few = " On fewer than three folds there is a dot without a line." if any(low is None for low, _ in ends) else ""
    return (
        "<h2>How good they are, and what they cost</h2>"
        + paragraph(
            f"Mean {title(comparison.metric)} over the folds, {ARROWS[comparison.better]}. Baselines are grey, the "
            f"diamond is the winner, lines are 95 % intervals.{few} Differences are judged fold by fold, below: they "
            "can be clear where lines overlap."
        )
        + svg(picture, f"Mean {title(comparison.metric)} of all networks and baselines with intervals")
        + table(rows, head, range(1, 8))
    )


def _within(scored: Sequence["Entry"], ends: Sequence[tuple[float | None, float | None]]) -> tuple[float, float]:
    """Return the range of the picture: those seen on all folds, and as much room again on both sides for the others."""
    most = max(len(each.scores) for each in scored)
    kept = [i for i, each in enumerate(scored) if len(each.scores) == most]
    known = [value for i in kept for value in (scored[i].mean, *ends[i]) if value is not None]
    room = max(max(known) - min(known), 1e-9)
    return min(known) - room, max(known) + room


def _failed(comparison: "Comparison") -> str:
    rows = [[each.name, shown(each.failure or "")] for each in comparison.entries if each.mean is None]
    if not rows:
        return ""
    sentence = "They took part like all others; this is why they have no score."
    return "<h2>Without a score</h2>" + paragraph(sentence) + table(rows, ["", "reason"], ())


def _differences(comparison: "Comparison") -> str:
    best = best_network(comparison)
    if not comparison.gaps or best is None:
        return ""
    own = [gap for each in ordered(comparison) if (gap := find(best.name, each.name, comparison.gaps))]
    sides = {frozenset((gap.first, gap.second)) for gap in own}
    others = [gap for gap in comparison.gaps if frozenset((gap.first, gap.second)) not in sides]
    unit = "points (hundredths)" if is_share(comparison) else title(comparison.metric)
    words = (
        f"How much better {best.name}, the best network, is than each other on the same folds. Where a line crosses "
        f"zero, the two cannot be told apart. {INTERVALS}"
    )
    told = _gaps_picture(comparison, own, unit) + _pairs(comparison, own, unit) if own else ""
    if others:
        pairs = counted(len(others), "other pair")
        table_of_others = _pairs(comparison, others, unit)
        told += f"<details{' open' * (not own)}><summary>{pairs}</summary>{table_of_others}</details>"
    return "<h2>Who is better than whom</h2>" + paragraph(words) + told


def _gaps_picture(comparison: "Comparison", gaps: Sequence[Gap], unit: str) -> str:
    """Return the picture of the differences of one to others, above zero where it is better."""
    scale = 100 if is_share(comparison) else 1
    picture = intervals(
        [gap.second for gap in gaps],
        [scale * gap.mean for gap in gaps],
        [(None, None) if gap.low is None or gap.high is None else (scale * gap.low, scale * gap.high) for gap in gaps],
        f"{gaps[0].first} better by, in {unit}",
        marked=None,
        quiet=[i for i, gap in enumerate(gaps) if not comparison[gap.second].is_network],
        line=0.0,
    )
    return svg(picture, f"Differences of {gaps[0].first} to all others with intervals")


def _pairs(comparison: "Comparison", gaps: Sequence[Gap], unit: str) -> str:
    """Return a table of differences, the better one first in each row."""
    rows = []
    for gap in (gap if gap.mean >= 0 else gap.turned() for gap in gaps):
        low, high = gap.low, gap.high
        ends = "" if low is None or high is None else f"{amount(comparison, low)} to {amount(comparison, high)}"
        mean = amount(comparison, gap.mean)
        rows.append([gap.first, gap.outcome, gap.second, mean, ends, str(gap.n_folds)])
    return table(rows, ["", "", "", f"better by, {unit}", "interval", "folds"], (3, 4, 5))


def _curves(comparison: "Comparison") -> str:
    curves = {each.name: each.curve for each in comparison.networks if len(each.curve) > 1}
    if not curves:
        return ""
    shares = sorted({share for curve in curves.values() for share in curve})
    rows = [
        [name, *(figure(float(np.mean(curve[share]))) if share in curve else "" for share in shares)]
        for name, curve in curves.items()
    ]
    picture = learning_curves(curves, title(comparison.metric))
    return (
        "<h2>Would more rows help?</h2>"
        + "".join(map(paragraph, more_rows(comparison)))
        + paragraph(f"A dot is a fold, a line joins the means ({ARROWS[comparison.better]}).")
        + svg(picture, f"{title(comparison.metric)} against the share of the training rows")
        + table(rows, ["share of the rows", *(percent(share) for share in shares)], range(1, len(shares) + 1))
    )


def _beside(comparison: "Comparison") -> list["Entry"]:
    """Return the best networks that were asked for the same rows, and whose labels are known."""
    known = [each for each in ordered(comparison) if each.is_network and each.counts]
    same = [each for each in known if each.labels == known[0].labels and _rows(each) == _rows(known[0])]
    return same[:MAX_BESIDE]


def _rows(entry: "Entry") -> list[int]:
    return np.sum(entry.counts, axis=1).tolist()


def _labels(comparison: "Comparison") -> str:
    networks = _beside(comparison)
    if not networks:
        return ""
    scores = [details.label_scores(*_told_apart(each), np.array(each.labels, dtype=object)) for each in networks]
    by_label = [{score.label: score for score in each} for each in scores]
    labels = networks[0].labels[:MAX_LABELS]
    rows = [
        [cell(label), f"{by_label[0][label].rows:,}", *(percent(each[label].recall) for each in by_label)]
        for label in labels
    ]
    head = ["label", "rows", *(each.name for each in networks)]
    sentence = "Of the rows that have the label, how many are found (recall), over folds that test every row once."
    return "<h2>Label by label</h2>" + paragraph(sentence) + table(rows, head, range(1, len(head)))


def _confusion(comparison: "Comparison") -> str:
    networks = _beside(comparison)
    if not networks:
        return ""
    matrix = details.Confusion(networks[0].labels, np.asarray(networks[0].counts))
    frequent = details.frequent_confusions(*_told_apart(networks[0]))
    return confusion_section(matrix, frequent, f": {networks[0].name}")


def _told_apart(entry: "Entry") -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted label of each row (n,) from the counts."""
    labels = np.array(entry.labels, dtype=object)
    true, said = np.indices((len(labels), len(labels))).reshape(2, -1)
    counts = np.ravel(entry.counts)
    return np.repeat(labels[true], counts), np.repeat(labels[said], counts)


def _worst(comparison: "Comparison") -> str:
    best = best_network(comparison)
    if best is None or not best.worst:
        return ""
    task = "regression" if comparison.metric == "rmse" else "classification"
    return worst_section([details.Worst(**each) for each in best.worst], task, f": {best.name}, first fold")


def _sealed(comparison: "Comparison") -> str:
    report = comparison.report
    if report is None:
        return ""
    rows = [
        [title(each.name), figure(each.value), each.interval.strip(), each.what] for each in report.metrics.values()
    ]
    return (
        "<h2>The network that was trained for good, on the sealed test rows</h2>"
        + paragraph(report.verdict)
        + table(rows, ["metric", "value", "95 % interval", "meaning"], (1, 2))
        + f"<details><summary>What stands behind these numbers</summary>{behind(report)}</details>"
    )


def _settings(comparison: "Comparison") -> str:
    rows = []
    for entry in comparison.networks:
        words = [set_words(settings) for settings in entry.settings]
        folds = list(entry.scores)
        for said in dict.fromkeys(words):
            where = [str(fold) for fold, own in zip(folds, words, strict=True) if own == said]
            rows.append([entry.name, "all" if len(where) == len(folds) else ", ".join(where), shown(said)])
    if not rows:
        return ""
    sentence = (
        "What was set beyond what suits the data. Where several settings were tried, validation rows inside of each "
        "fold's training rows chose, so that its test rows had no part in it."
    )
    return (
        "<h2>What was set</h2>"
        + paragraph(sentence)
        + "<details><summary>The settings on each fold</summary>"
        + table(rows, ["network", "folds", "settings"], ())
        + "</details>"
    )


def _how(comparison: "Comparison") -> str:
    about = comparison.about
    facts = {
        "parts": about.get("how_split"),
        "test rows for a training row of a fold": None if "share" not in about else figure(about["share"]),
        "longest training": duration(about.get("longest_fit")),
        "seed": about.get("seed"),
        "workers": about.get("n_workers"),
        "settings of the final model": set_words(about["settings"]) if about.get("settings") else None,
    } | dict(about.get("versions", {}))
    rows = [[name, shown(value)] for name, value in facts.items() if value not in (None, "")]
    return (
        "<h2>How it was done</h2>"
        + paragraph(" ".join(how(comparison)))
        + paragraph(INTERVALS)
        + (table(rows, ["", ""], ()) if rows else "")
    )


def _again(comparison: "Comparison") -> str:
    command = comparison.about.get("command")
    whole = f"<p>All of it:</p>{code_lines(command)}" if command else ""
    blocks = [
        code_block(each.name, _fold_lines(comparison, each) if each.is_network else each.code)
        for each in ordered(comparison)
        if each.settings or each.code
    ]
    if not whole and not blocks:
        return ""
    sentence = "Each row by itself: a network on its folds, with the seed of each; a baseline in scikit-learn."
    return "<h2>Do it again</h2>" + whole + (paragraph(sentence) + "".join(blocks) if blocks else "")


def _fold_lines(comparison: "Comparison", entry: "Entry") -> str:
    """Return the lines of Python that train a network on each of its folds and print its scores."""
    about: Mapping[str, Any] = comparison.about
    seed, limit = about.get("seed", 0), about.get("longest_fit")
    settings = dict(zip(entry.scores, entry.settings, strict=True))
    each = "".join(f"    {fold}: {value!r},\n" for fold, value in settings.items())
    time_limit = "" if limit is None else f", time_limit={limit:.4g}"
    return (
        "import nnzoo\nfrom nnzoo.comparison.folds import Folds\n\n"
        f"data = {_load_call(about)}\n"
        f"settings = {{\n{each}}}\n"
        "for fold, params in settings.items():\n"
        f"    cut = Folds(data, seed={seed}).make(fold)\n"
        f"    model = nnzoo.build({entry.network!r}, cut, params, seed={seed} + fold)\n"
        f"    nnzoo.train(model, cut{time_limit}, verbose=0)\n"
        f"    print(fold, nnzoo.evaluate(model, cut).metrics[{comparison.metric!r}])\n"
    )


def _load_call(about: Mapping[str, Any]) -> str:
    """Return the call that loads the data, as far as it is known."""
    options = dict(about.get("load") or {"source": about.get("data", ""), "target": about.get("target")})
    source = options.pop("source")
    words = [repr(source), *(f"{name}={value!r}" for name, value in options.items() if value is not None)]
    return f"nnzoo.load({', '.join(words)})"
