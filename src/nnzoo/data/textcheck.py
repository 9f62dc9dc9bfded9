"""What a reader should know about texts before training on them, in plain words."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from nnzoo.data.checkup import Finding, check_parts, check_table
from nnzoo.data.kinds import Column
from nnzoo.data.rawtable import Reject
from nnzoo.data.splits import PART_NAMES, TEST, TRAIN, VALID
from nnzoo.data.text import TextRule
from nnzoo.data.vocabulary import REPLACEMENT, Tokens, Vocabulary
from nnzoo.errors import SchemaError, counted, listing

MAX_LOOKED_AT = 20_000
MANY_UNKNOWN = 0.05
MOSTLY_UNKNOWN = 0.5


def check_texts(
    frame: pl.DataFrame,
    columns: Sequence[Column],
    target: str | None,
    task: str | None,
    part: np.ndarray,
    rule: TextRule,
    rejects: Sequence[Reject] = (),
    *,
    several_labels: bool = False,
    time: str | None = None,
) -> list[Finding]:
    """Look for what misleads: warnings first, then notes.

    Parameters
    ----------
    frame, columns, target, task, part, rejects, several_labels, time
        As for ``check_table``.
    rule : TextRule
        How the texts are read. Pieces of one text are not searched for copies: a refrain is none.

    Returns
    -------
    list of Finding
        Unknown tokens are counted in at most 20,000 texts of each part.
    """
    if rule.in_order:
        findings = list(check_parts(part, "piece")) if (part == TRAIN).any() else []
    else:
        shared = {"several_labels": several_labels, "time": time}
        full = frame.with_columns(pl.col(rule.name).fill_null(""))
        findings = check_table(full, columns, target, task, part, rejects, **shared)
    texts = frame[rule.name].cast(pl.String)
    findings += [*_replaced(texts), *_tokens(texts, part, rule)]
    return sorted(findings, key=lambda finding: finding.level != "warning")


def _replaced(texts: pl.Series) -> Iterator[Finding]:
    n_texts = int(texts.str.contains(REPLACEMENT, literal=True).sum())
    if n_texts:
        n_characters = int(texts.str.count_matches(REPLACEMENT, literal=True).sum())
        message = (
            f"{counted(n_characters, 'character')} in {counted(n_texts, 'text')} {_is_are(n_characters)} U+FFFD, which "
            "stands for what could not be read: NUL, or half of a surrogate pair."
        )
        yield Finding("note", "replaced characters", texts.name, message, "Look at how the text was written.")


def _tokens(texts: pl.Series, part: np.ndarray, rule: TextRule) -> Iterator[Finding]:
    """Yield findings about empty and long texts, and about tokens that the training texts do not know."""
    of_part = {number: texts.filter(pl.Series(part == number)).head(MAX_LOOKED_AT) for number in (TRAIN, VALID, TEST)}
    learned = of_part[TRAIN] if len(of_part[TRAIN]) else of_part[TEST]
    try:
        vocabulary = Vocabulary.learn(learned.to_list(), rule.unit, rule.max_length)
    except SchemaError as error:
        yield Finding("warning", "no vocabulary", texts.name, error.message, error.hint)
        return
    found = {number: vocabulary.encode(some.to_list(), rule.max_length) for number, some in of_part.items()}
    yield from _lengths(list(found.values()), texts.name, rule)
    if len(of_part[TRAIN]):
        for number in (VALID, TEST):
            yield from _unknown(found[number], PART_NAMES[number], texts.name, rule)


def _lengths(found: Sequence[Tokens], name: str, rule: TextRule) -> Iterator[Finding]:
    n_empty, n_cut = sum(int(each.empty.sum()) for each in found), sum(int(each.cut.sum()) for each in found)
    if n_empty:
        message = f"{counted(n_empty, 'text')} {_is_are(n_empty)} empty: read as the single token <empty>."
        yield Finding("note", "empty texts", name, message, "")
    if n_cut:
        is_longer = f"{_is_are(n_cut)} longer than {rule.max_length:,} {rule.unit}s"
        message = f"{counted(n_cut, 'text')} {is_longer}: cut off at the end."
        hint = "" if rule.unit == "word" else 'Pass unit="word" to read more of each text.'
        yield Finding("note", "long texts", name, message, hint)


def _unknown(tokens: Tokens, part: str, name: str, rule: TextRule) -> Iterator[Finding]:
    share = tokens.n_unknown.sum() / max(len(tokens.codes), 1)
    if share > MANY_UNKNOWN:
        level = "warning" if share > MOSTLY_UNKNOWN else "note"
        examples = listing(tokens.examples)
        message = f"{share:.0%} of the {rule.unit}s in the {part} part are rare or new in train, such as {examples}."
        hint = 'Give more texts, or pass unit="character".' if rule.unit == "word" else "Give more texts."
        yield Finding(level, "unknown tokens", name, message, hint)


def _is_are(n: int) -> str:
    return "is" if n == 1 else "are"
