"""The vocabulary: which characters or words have a code of their own, learned on the training texts only.

Code 0 is every token that training did not show often enough; codes 1, 2, ... are the known tokens, the most frequent
first; the last code stands for a text without any token.
"""

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from nnzoo.data import stored
from nnzoo.data.cells import joined_surrogates
from nnzoo.errors import SchemaError

UNITS = ("character", "word")
UNKNOWN, EMPTY = "<unk>", "<empty>"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MAX_TOKENS = 20_000
MAX_WORD = 64
MIN_COUNT = {"character": 3, "word": 2}
MAX_EXAMPLES = 5

_WORD = re.compile(r"\w+|[^\w\s]")
_NO_SPACE = re.compile(r" (?=[.,;:!?)\]}…])|(?<=[(\[{]) ")


@dataclass(frozen=True, eq=False)
class Tokens:
    """Texts as codes.

    Attributes
    ----------
    codes : ndarray of int64, shape (n_tokens_in_all,)
        The codes of text 0, then those of text 1, ...
    lengths : ndarray of int64, shape (n_texts,)
        Tokens of each text, from 1.
    n_unknown : ndarray of int64, shape (n_texts,)
        Tokens of each text that have code 0.
    empty, cut : ndarray of bool, shape (n_texts,)
        Whether a text has no token, and whether its end was cut off.
    examples : list of str
        At most five of the unknown tokens.
    """

    codes: np.ndarray
    lengths: np.ndarray
    n_unknown: np.ndarray
    empty: np.ndarray
    cut: np.ndarray
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Vocabulary:
    """Which tokens have a code.

    Parameters
    ----------
    unit : "character" or "word"
        What a token is. A character is one code point of the text in Unicode's form NFC. A word is a run of letters,
        digits and underscores, or one other character that is no space, in the form NFC and without case; of a word
        of more than 64 characters only these count.
    tokens : tuple of str
        The known tokens, the most frequent first: characters that occur at least 3 times, words that occur at least
        twice, at most 20,000.

    Examples
    --------
    >>> vocabulary = Vocabulary.learn(["To be, or not to be"], "word")
    >>> vocabulary.tokens, vocabulary.n_codes
    (('be', 'to'), 4)
    >>> vocabulary.encode(["be or", ""]).codes.tolist()
    [1, 0, 3]
    """

    unit: str
    tokens: tuple[str, ...]

    @classmethod
    def learn(cls, texts: Iterable[str | None], unit: str, max_length: int | None = None) -> "Vocabulary":
        """Learn from training texts, of each the first ``max_length`` tokens.

        Raises
        ------
        SchemaError
            No token repeats often enough.
        """
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(_tokens(text, unit, max_length))
        least = MIN_COUNT[unit]
        kept = sorted((token for token, n in counts.items() if n >= least), key=lambda token: (-counts[token], token))
        if not kept:
            raise SchemaError(
                f"A vocabulary needs {unit}s that occur at least {least} times in the training texts; got none among "
                f"{len(counts):,} different ones.",
                "Give more or longer texts." if unit == "character" else 'Give more texts, or pass unit="character".',
            )
        return cls(unit, tuple(kept[:MAX_TOKENS]))

    @property
    def n_codes(self) -> int:
        """Number of codes: that of unknown tokens, one for each known token, that of an empty text."""
        return len(self.tokens) + 2

    @property
    def empty_code(self) -> int:
        """The code of the only token of a text that has none."""
        return len(self.tokens) + 1

    @cached_property
    def _code_of(self) -> dict[str, int]:
        return {token: code for code, token in enumerate(self.tokens, start=1)}

    def encode(self, texts: Sequence[str | None], max_length: int | None = None) -> Tokens:
        """Return the codes of texts, of each the first ``max_length`` tokens; None is an empty text."""
        code_of, pieces = self._code_of, []
        n_unknown, empty, cut = np.zeros(len(texts), np.int64), np.zeros(len(texts), bool), np.zeros(len(texts), bool)
        examples: dict[str, None] = {}
        for place, text in enumerate(texts):
            tokens = _tokens(text, self.unit, None if max_length is None else max_length + 1)
            if max_length is not None and len(tokens) > max_length:
                tokens, cut[place] = tokens[:max_length], True
            codes = [code_of.get(token, 0) for token in tokens]
            n_unknown[place] = codes.count(0)
            empty[place] = not codes
            if n_unknown[place] and len(examples) < MAX_EXAMPLES:
                examples |= dict.fromkeys(token for token, code in zip(tokens, codes, strict=True) if not code)
            pieces.append(np.array(codes or [self.empty_code], dtype=np.int64))
        codes = np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
        lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
        return Tokens(codes, lengths, n_unknown, empty, cut, list(examples)[:MAX_EXAMPLES])

    def decode(self, codes: Iterable[int]) -> str:
        """Return codes as text: words with spaces between them, unknown tokens as U+FFFD or ``<unk>``."""
        if self.unit == "character":
            known = (REPLACEMENT, *self.tokens, "")
            return "".join(known[int(code)] for code in codes)
        known = (UNKNOWN, *self.tokens, EMPTY)
        return _NO_SPACE.sub("", " ".join(known[int(code)] for code in codes))

    def to_json(self) -> dict[str, Any]:
        """Return the vocabulary as plain JSON."""
        return {"unit": self.unit, "tokens": list(self.tokens)}

    @classmethod
    def from_json(cls, value: object) -> "Vocabulary":
        """Return the vocabulary that ``to_json`` wrote; raise ModelFileError on anything else."""
        state = stored.record(value, "vocabulary", {"unit": stored.one_of(UNITS), "tokens": stored.is_texts})
        tokens, longest = state["tokens"], 1 if state["unit"] == "character" else MAX_WORD
        if not 1 <= len(tokens) <= MAX_TOKENS or not all(1 <= len(token) <= longest for token in tokens):
            raise stored.refuse("vocabulary", f"1 to {MAX_TOKENS} tokens of its unit", "others")
        return cls(state["unit"], tuple(tokens))


def cleaned(text: str) -> str:
    """Return the text with U+FFFD in place of NUL and of halves of surrogate pairs, which no file can hold.

    Examples
    --------
    >>> cleaned(chr(0) + chr(0xD800)) == 2 * REPLACEMENT
    True
    """
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        return joined_surrogates(text)
    return text


def _tokens(text: str | None, unit: str, most: int | None) -> Sequence[str]:
    """Return the first tokens of a text; a string is the sequence of its characters."""
    if not text:
        return ""
    text = unicodedata.normalize("NFC", text)
    if unit == "character":
        return text[:most]
    # casefold can undo the form NFC
    folded = unicodedata.normalize("NFC", text.casefold())
    return [found[0][:MAX_WORD] for found in itertools.islice(_WORD.finditer(folded), most)]
