"""Parameters that networks share: the constructor that comes of them, and their text in every docstring."""

import inspect

import pytest

from nnzoo import GRU, NeuralTuringMachine
from nnzoo.catalog import CATALOG
from nnzoo.networks.parameters import with_parameters


@with_parameters
class Base:
    """Of all.

    Parameters
    ----------
    first : int, default 1
        One
        line and another.
    second : str, default "b"

    Attributes
    ----------
    one_, two_ : int
    """

    first: int = 1
    second: str = "b"


@with_parameters
class Narrow(Base):
    """Of one.

    Parameters
    ----------
    third : float, default 0.5
    second : str, default "c"
        Its own text.
    Others: those of Base.

    Attributes
    ----------
    Others: those of Base.

    Notes
    -----
    The end.
    """

    second: str = "c"
    third: float = 0.5


def test_constructor_assigns_the_fields_of_the_class_and_of_its_bases():
    assert vars(Narrow()) == {"first": 1, "second": "c", "third": 0.5}
    assert vars(Narrow(third=2.0, first=0)) == {"first": 0, "second": "c", "third": 2.0}
    assert vars(Base()) == {"first": 1, "second": "b"}
    assert Narrow() != Narrow()


def test_constructor_takes_keywords_alone_and_no_other():
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        GRU(16)
    with pytest.raises(TypeError, match="unexpected keyword argument 'n_slot'"):
        NeuralTuringMachine(n_slot=3)
    kinds = {parameter.kind for parameter in inspect.signature(GRU).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def test_others_become_what_the_base_says_of_what_the_class_does_not_describe():
    assert Narrow.__doc__.split("Of one.")[1] == (
        "\n\nParameters\n----------\nthird : float, default 0.5\n"
        'second : str, default "c"\n    Its own text.\n'
        "first : int, default 1\n    One\n    line and another.\n\n"
        "Attributes\n----------\none_, two_ : int\n\nNotes\n-----\nThe end."
    )


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.abbreviation)
def test_docstring_describes_every_parameter_once(row):
    cls = row.load_class()
    lines = [line.strip() for line in cls.__doc__.split("Attributes\n")[0].splitlines()]
    counts = {name: sum(line.startswith(f"{name} : ") for line in lines) for name in inspect.signature(cls).parameters}
    assert set(counts.values()) == {1}
    assert "Others: " not in cls.__doc__
