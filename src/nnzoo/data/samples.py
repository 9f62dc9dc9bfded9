"""Small real data sets that come with the package, so that the first try needs no download.

Each stands in ``bundled/`` with its license beside it.
"""

from pathlib import Path

from nnzoo.errors import UsageError, nearest, quote

SAMPLES = {
    "penguins": "344 penguins of 3 species: island, bill, flipper, body mass, sex, year; some cells missing (CC0)",
    "fashion-sample": "12,000 of the pictures of Fashion-MNIST, 10 classes of clothes, grey, 28 x 28 (MIT)",
}

_FILES = {"penguins": "penguins.csv", "fashion-sample": "fashion-sample.npz"}
_FOLDER = Path(__file__).parent / "bundled"


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
