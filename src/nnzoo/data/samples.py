"""Small real data sets that come with the package, so that the first try needs no download.

Each stands in ``bundled/`` with its license beside it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nnzoo.errors import UsageError, nearest, quote

SAMPLES = {
    "penguins": "344 penguins of 3 species: island, bill, flipper, body mass, sex, year; some cells missing (CC0)",
    "fashion-sample": "12,000 of the pictures of Fashion-MNIST, 10 classes of clothes, grey, 28 x 28 (MIT)",
    "sunspots": "one series: the mean number of sunspots of each year, 1700 to 2008 (public domain)",
    "flights-log": "22,927 flights of 500 aircraft, January to March 2013: is the aircraft late in April? (CC0)",
    "genesis": "a text: the book of Genesis, King James version (public domain outside the United Kingdom)",
}

DEFAULTS = MappingProxyType(
    {
        "sunspots": MappingProxyType({"kind": "sequence", "time": "year"}),
        "flights-log": MappingProxyType({"entity": "tailnum", "time": "time", "target": "late_next_month"}),
        "genesis": MappingProxyType({"kind": "text"}),
    }
)
"""Arguments of ``load`` that a sample has where the caller says nothing."""

_FILES = {
    "penguins": "penguins.csv",
    "fashion-sample": "fashion-sample.npz",
    "sunspots": "sunspots.csv",
    "flights-log": "flights-log.csv.gz",
    "genesis": "genesis.txt",
}
_FOLDER = Path(__file__).parent / "bundled"


def with_defaults(source: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``load`` with the defaults of a bundled set in place of None.

    Where the caller says another kind, only its target is a default.

    Parameters
    ----------
    source : Any
        As for ``load``.
    said : mapping
        Argument to value; "kind" is among them.

    Examples
    --------
    >>> with_defaults("flights-log", {"kind": None, "entity": None})
    {'kind': None, 'entity': 'tailnum'}
    """
    known = DEFAULTS.get(source, {}) if isinstance(source, str) and not Path(source).exists() else {}
    if said["kind"] not in (None, known.get("kind", "sequence")):
        known = {name: value for name, value in known.items() if name == "target"}
    return {name: known.get(name) if value is None else value for name, value in said.items()}


def sample_path(name: str) -> Path:
    """Return the file of a bundled data set.

    Parameters
    ----------
    name : str
        One of ``SAMPLES``.

    Raises
    ------
    UsageError
        If there is no such data set; the nearest names are listed.

    Examples
    --------
    >>> sample_path("penguins").name
    'penguins.csv'
    """
    if name not in _FILES:
        raise UsageError(f"nnzoo has no bundled data set {quote(name)}.", nearest(name, SAMPLES))
    return _FOLDER / _FILES[name]


def bundled_or_same(source: Any) -> Any:
    """Return the file of a bundled data set for its name, where no file is called so; all else as it is."""
    is_name = isinstance(source, str) and source in SAMPLES and not os.path.exists(source)
    return sample_path(source) if is_name else source
