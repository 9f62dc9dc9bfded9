"""What ``nnzoo.compare`` returns: who took part, what each reached and cost, and the verdict."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from nnzoo.comparison.statistics import Gap
from nnzoo.errors import UsageError, nearest, quote
from nnzoo.files import write_output

if TYPE_CHECKING:
    from nnzoo.evaluation.report import Report
    from nnzoo.model import Model


@dataclass(frozen=True)
class Entry:
    """A candidate or a baseline, and what it reached.

    Attributes
    ----------
    name : str
    is_network : bool
    scores : dict of int to float
        Fold to score, in the unit of the metric.
    mean, low, high : float or None
        Mean over the folds and its 95 % interval, which knows that folds share their training rows; None without any.
    seconds : float or None
        Of one training, median.
    weights, bytes : int or None
        Of the model and its file.
    latency : float or None
        Seconds for one row through ``predict``.
    settings : tuple of dict
        What was set on each fold beyond what suits the data.
    is_cut : bool
        Whether the time ended some training before its end.
    status : str
        "finalist", "given up after 2 folds", "baseline" or "failed".
    failure : str or None
        Why there is no score.
    curve : dict of float to list of float
        Share of the training rows to scores on the first folds.
    labels, counts : list
        Labels, and rows by true and predicted one, summed over folds that test every row once.
    worst : list of dict
        Rows of the first fold on which it was surest and wrong, or farthest off.
    code, note : str
        Of a baseline: the lines that build it, and what was cut short.
    network : str
        Its id in the catalog; empty for a baseline.
    """

    name: str
    is_network: bool
    scores: dict[int, float]
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    seconds: float | None = None
    weights: int | None = None
    bytes: int | None = None
    latency: float | None = None
    settings: tuple[dict[str, Any], ...] = ()
    is_cut: bool = False
    status: str = ""
    failure: str | None = None
    curve: dict[float, list[float]] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    counts: list[list[int]] = field(default_factory=list)
    worst: list[dict[str, Any]] = field(default_factory=list)
    code: str = ""
    note: str = ""
    network: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self) | {
            "scores": {str(fold): score for fold, score in self.scores.items()},
            "settings": list(self.settings),
            "curve": {str(share): scores for share, scores in self.curve.items()},
        }


@dataclass(frozen=True, repr=False)
class Comparison:
    """Networks and baselines beside one another on the same folds. ``print`` shows the table and the verdict.

    Attributes
    ----------
    entries : tuple of Entry
        Best first; those without a score last.
    gaps : tuple of Gap
        Differences between pairs with their intervals, which hold for all pairs together.
    metric, better : str
        "accuracy", "f1_micro" or "rmse"; "higher" or "lower".
    verdict : str
        Sentences.
    winner : str or None
        The candidate or baseline to use.
    test : dict of str to float
        "score", "low", "high" of the winner on the sealed test rows, which chose nothing; empty where it was not asked.
    report : Report or None
        Evaluation of the best network on the sealed test rows.
    model : Model or None
        The best network, trained on the training rows with the validation rows beside them.
    about : dict
        Data, folds, limits, versions, seed, seconds: what the comparison was.
    """

    entries: tuple[Entry, ...]
    gaps: tuple[Gap, ...]
    metric: str
    better: str
    verdict: str
    winner: str | None
    test: dict[str, float | None] = field(default_factory=dict)
    report: "Report | None" = None
    model: "Model | None" = None
    about: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Entry:
        for each in self.entries:
            if each.name == name:
                return each
        raise UsageError(f"The comparison has no {quote(name)}.", nearest(name, [each.name for each in self.entries]))

    @property
    def networks(self) -> Sequence[Entry]:
        """The candidates, best first."""
        return [each for each in self.entries if each.is_network]

    @property
    def winner_is_network(self) -> bool:
        """Whether a network is to be used rather than a baseline."""
        return self.winner is not None and self[self.winner].is_network

    def to_json(self) -> dict[str, Any]:
        """Return everything but the model as plain JSON values."""
        return {
            "verdict": self.verdict,
            "winner": self.winner,
            "metric": self.metric,
            "better": self.better,
            "test": self.test,
            "entries": [each.to_json() for each in self.entries],
            "gaps": [asdict(each) for each in self.gaps],
            "about": dict(self.about),
            "report": None if self.report is None else self.report.to_json(),
        }

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the comparison as one page that needs no other file and no network.

        Raises
        ------
        ResourceError
            The page cannot be written.
        """
        from nnzoo.comparison.report_html import page

        write_output(path, page(self).encode(), "The report")

    def save_json(self, path: str | os.PathLike[str]) -> None:
        """Write ``to_json`` to a file.

        Raises
        ------
        ResourceError
            The file cannot be written.
        """
        write_output(path, json.dumps(self.to_json(), ensure_ascii=False, indent=1).encode(), "The report")

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.networks)} networks: {self.winner}>"

    def __str__(self) -> str:
        from nnzoo.comparison.report_text import text

        return text(self)

    def _repr_html_(self) -> str:
        from nnzoo.comparison.report_html import fragment

        return fragment(self)
