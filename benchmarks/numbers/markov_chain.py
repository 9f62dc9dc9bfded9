"""The numbers of the Markov chain: Markov's own table, and what a character of the King James Bible tells."""

import re
import shutil
import subprocess
from functools import cache

from figures import Figure, NotRun

from nnzoo import MarkovChain

HELD_OUT = 0.1
NEW = "<new>"
VOWELS, PAIRS, TRIPLES = (8_638, 11_362), (1_104, 3_827), (115, 505)
"""Of Markov 1913: vowels and consonants among 20,000 letters, pairs of each, and triples."""


def markovs_letters() -> str:
    """Return 20,000 letters with Markov's counts, a consonant first and last."""
    runs = []
    for letter, n, n_pairs, n_triples in zip("VC", VOWELS, PAIRS, TRIPLES, strict=True):
        n_long = n_pairs - n_triples
        lengths = [3] * n_triples + [2] * (n_long - n_triples)
        runs.append([letter * length for length in lengths + [1] * (n - sum(lengths))])
    vowels, consonants = runs
    return "".join(c + v for c, v in zip(consonants, vowels, strict=False)) + consonants[-1]


def behind_a_vowel(seed: int) -> float:
    """Return how likely a vowel is behind a vowel."""
    return float(MarkovChain().fit(markovs_letters()).predict_proba(["V"])[0, 1])


def behind_a_consonant(seed: int) -> float:
    """Return how likely a vowel is behind a consonant."""
    return float(MarkovChain().fit(markovs_letters()).predict_proba(["C"])[0, 1])


def behind_two_vowels(seed: int) -> float:
    """Return how likely a third vowel is behind two."""
    return float(MarkovChain(order=2).fit(markovs_letters()).predict_proba(["VV"])[0, 1])


@cache
def king_james() -> tuple[str, str]:
    """Return the text without the names of its verses, in order: nine tenths to train, and the last one.

    Raises
    ------
    NotRun
        The text of Debian's package bible-kjv is not on this machine.
    """
    program = shutil.which("bible")
    if program is None:
        raise NotRun("no King James text: apt-get install bible-kjv")
    said = subprocess.run([program, "-f", "gen1:1-rev22:21"], capture_output=True, text=True, check=True).stdout
    text = re.sub(r"(?m)^\w+:\d+ ", "", said)
    cut = round((1 - HELD_OUT) * len(text))
    return text[:cut], text[cut:]


def bits_a_character(order: int, backoff: str) -> float:
    """Return the bits that a character of the last tenth tells."""
    known, new = king_james()
    return -MarkovChain(order=order, backoff=backoff).fit(known).score(new)


def bits_a_word(order: int) -> float:
    """Return the bits that a word or mark of the last tenth tells, words that training has not seen as one symbol.

    Training reads each word as this symbol where it comes first, and so learns how often and behind what new ones come.
    """
    known, new = (re.findall(r"\w+|[^\w\s]", text.casefold()) for text in king_james())
    first = dict(zip(reversed(known), reversed(range(len(known))), strict=True))
    read = [NEW if first[word] == place else word for place, word in enumerate(known)]
    chain = MarkovChain(order=order, backoff="kneser_ney").partial_fit([read], classes=list(first))
    return -chain.score([[word if word in first else NEW for word in new]])


def _figure(what: str, wanted: float, measure: object) -> Figure:
    return Figure(what, wanted, "own target", "", "down", measure, n_seeds=1)  # pyright: ignore[reportArgumentType]


MARKOV = {"kind": "paper", "source": "Markov 1913", "better": "equal", "n_seeds": 1, "tolerance": 5e-4}
FIGURES = (
    Figure("vowel behind a vowel, from Markov's counts", 0.128, measure=behind_a_vowel, **MARKOV),
    Figure("vowel behind a consonant, from Markov's counts", 0.663, measure=behind_a_consonant, **MARKOV),
    Figure("vowel behind two vowels, from Markov's counts", 0.104, measure=behind_two_vowels, **MARKOV),
    *(
        _figure(
            f"bits a character, King James, last tenth, order {order}, Kneser-Ney",
            wanted,
            lambda seed, order=order: bits_a_character(order, "kneser_ney"),
        )
        for order, wanted in ((1, 3.5), (2, 2.9), (3, 2.4), (4, 2.1), (5, 2.0))
    ),
    _figure(
        "bits a character, King James, last tenth, order 5, Witten-Bell",
        2.3,
        lambda seed: bits_a_character(5, "witten_bell"),
    ),
    _figure("bits a word, King James, last tenth, order 3, Kneser-Ney", 7.0, lambda seed: bits_a_word(3)),
)
