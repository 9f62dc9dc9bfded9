"""What a reader should know about a set of images before training on it, in plain words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from nnzoo.data.borders import border_range, flat, full_range, value_range
from nnzoo.data.checkup import FEW_ROWS, Finding, check_classes, check_label_sets, check_parts
from nnzoo.data.imagecopies import Copies, Digests
from nnzoo.data.pixelrule import PixelRule, is_grey
from nnzoo.data.rawtable import Reject
from nnzoo.data.splits import TEST, TRAIN
from nnzoo.data.target import SEPARATOR
from nnzoo.errors import counted, listing, quote

MUCH_LARGER = 4
MUCH_SMALLER = 2
OTHER_SHAPE = 2
BLANK = 0.03
DARK, LIGHT = 64, 191
FEW_OF_A_GROUND = 0.01


@dataclass(frozen=True)
class _Context:
    """What every check may look at."""

    images: np.ndarray
    heights: np.ndarray
    widths: np.ndarray
    grey: np.ndarray
    digests: Digests
    labels: pl.Series | None
    part: np.ndarray
    rejects: Sequence[Reject]
    rule: PixelRule
    task: str | None
    several_labels: bool
    names: Sequence[str] | None

    def __len__(self) -> int:
        return len(self.heights)

    def image(self, place: int) -> str:
        """Return how a message names an image: its number from 1, and its file if it has one."""
        return f"image {place + 1:,}" + ("" if self.names is None else f" ({quote(self.names[place])})")

    def first_of(self, chosen: np.ndarray) -> str:
        """Return the name of the first image for which ``chosen``, shape (n_images,), is true."""
        return self.image(int(chosen.argmax()))

    @property
    def classes(self) -> pl.Series | None:
        """The labels as text, if they are one class an image."""
        if self.labels is None or self.task != "classification" or self.several_labels:
            return None
        return self.labels.cast(pl.String)


def check_images(
    images: np.ndarray,
    heights: np.ndarray,
    widths: np.ndarray,
    modes: Sequence[str],
    digests: Digests,
    labels: pl.Series | None,
    part: np.ndarray,
    rejects: Sequence[Reject],
    rule: PixelRule,
    *,
    task: str | None,
    several_labels: bool = False,
    names: Sequence[str] | None = None,
) -> list[Finding]:
    """Look for what misleads: warnings first, then notes.

    Where no image is for training, only files left out, sizes, colours and blank images are reported.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width) or (n_images, height, width, n_channels)
        The images as the rule made them, uint8 or float.
    heights, widths : ndarray of int, shape (n_images,)
        Pixels of every image in its source.
    modes : sequence of str, length n_images
        Pillow's names of the modes in the source, such as "L" or "RGB".
    digests : sequence of bytes of one length, or ndarray of shape (n_images,) or (n_images, n_bytes)
        Equal for images of equal content.
    labels : polars.Series of length n_images, or None
        The target, under its name.
    part : ndarray of int8, shape (n_images,)
        TRAIN, VALID or TEST for every image.
    rejects : sequence of Reject
        Images that were left out.
    rule : PixelRule
        The rule that made the images.
    task : str or None
        "classification", "regression", or None without a target.
    several_labels : bool
        The target holds label sets, joined by ``|``.
    names : sequence of str, optional
        The file of every image.
    """
    context = _Context(
        images, heights, widths, is_grey(modes), digests, labels, part, rejects, rule, task, several_labels, names
    )
    checks = [_rejects]
    if len(context):
        checks += [_sizes, _enlarged, _shapes, _colours, _blank]
    if (part == TRAIN).any():
        checks += [_parts, _copies, _given_away, _grounds, _classes]
    findings = [finding for check in checks for finding in check(context)]
    return sorted(findings, key=lambda finding: finding.level != "warning")


def _rejects(context: _Context) -> Iterator[Finding]:
    if context.rejects:
        first = context.rejects[0]
        where = f"image {first.row}" if first.file is None else quote(first.file)
        message = f"{counted(len(context.rejects), 'image')} left out; the first, {where}, {first.reason}."
        yield Finding("warning", "images left out", None, message, "Replace broken files by whole ones.")


def _sizes(context: _Context) -> Iterator[Finding]:
    heights, widths, rule = context.heights, context.widths, context.rule
    other = (heights != rule.height) | (widths != rule.width)
    n_other = int(other.sum())
    if n_other:
        who = f"All {counted(len(context), 'image')}" if n_other == len(context) else _of(n_other, context)
        message = (
            f"{who} {_are(n_other)} brought to {rule.height} x {rule.width} pixels (height x width) from heights of "
            f"{_span(heights[other])} and widths of {_span(widths[other])}."
        )
        yield Finding("note", "sizes", None, message, "")
    lossy = (heights >= MUCH_LARGER * rule.height) & (widths >= MUCH_LARGER * rule.width)
    n_lossy = int(lossy.sum())
    if n_lossy:
        pixels = float(np.median(heights[lossy].astype(np.float64) * widths[lossy]))
        message = (
            f"{_of(n_lossy, context)} {_are(n_lossy)} at least {MUCH_LARGER} times as high and wide as the network "
            f"sees {'it' if n_lossy == 1 else 'them'}: about {pixels / (rule.height * rule.width):,.0f} pixels become "
            "one, and finer detail is lost."
        )
        yield Finding(
            "note",
            "detail lost",
            None,
            message,
            "If such detail tells the classes apart, pass a larger size= (--size).",
        )


def _enlarged(context: _Context) -> Iterator[Finding]:
    rule = context.rule
    tiny = (MUCH_SMALLER * context.heights <= rule.height) & (MUCH_SMALLER * context.widths <= rule.width)
    n_tiny = int(tiny.sum())
    if n_tiny:
        message = (
            f"{_of(n_tiny, context)} {_are(n_tiny)} at most half as high and wide as the network sees "
            f"{'it' if n_tiny == 1 else 'them'}, so enlarged and blurred; the first is {context.first_of(tiny)}."
        )
        yield Finding("note", "enlarged", None, message, "")


def _shapes(context: _Context) -> Iterator[Finding]:
    ratio = context.heights * context.rule.width / (context.widths * context.rule.height)
    unlike = (ratio >= OTHER_SHAPE) | (ratio <= 1 / OTHER_SHAPE)
    n_unlike = int(unlike.sum())
    if n_unlike:
        message = (
            f"{_of(n_unlike, context)} {'is' if n_unlike == 1 else 'are'} so much higher or wider in shape than "
            f"{context.rule.height} x {context.rule.width} that half or more of what the network sees is padding; the "
            f"first is {context.first_of(unlike)}."
        )
        yield Finding("note", "padding", None, message, "")


def _colours(context: _Context) -> Iterator[Finding]:
    n_grey = int(context.grey.sum())
    n_colour = len(context) - n_grey
    if not n_grey or not n_colour:
        return
    if context.rule.channels == 1:
        odd, n_odd, message = ~context.grey, n_colour, "in colour and will be seen in grey"
    elif n_grey <= n_colour:
        odd, n_odd, message = context.grey, n_grey, "grey among images in colour"
    else:
        odd, n_odd, message = ~context.grey, n_colour, "in colour, so the grey ones are seen as colour images too"
    message = f"{_of(n_odd, context)} {_are(n_odd)} {message}; the first is {context.first_of(odd)}."
    yield Finding("note", "grey and colour", None, message, "")


def _blank(context: _Context) -> Iterator[Finding]:
    blank = flat(*value_range(context.images), BLANK * full_range(context.images))
    n_blank = int(blank.sum())
    if n_blank:
        message = (
            f"{_of(n_blank, context)} {_are(n_blank)} blank: no two pixels differ by more than "
            f"{100 * BLANK:.0f} % of the full range; the first is {context.first_of(blank)}."
        )
        yield Finding("warning", "blank images", None, message, "Look at them, and remove what shows nothing.")


def _parts(context: _Context) -> Iterator[Finding]:
    yield from check_parts(context.part, "image")


def _copies(context: _Context) -> Iterator[Finding]:
    copies = Copies(context.digests, context.image)
    yield from copies.across_parts(context.part)
    if context.labels is not None:
        yield from copies.contradictions(_sorted_sets(context.labels) if context.several_labels else context.labels)
    yield from copies.repeats()


def _sorted_sets(sets: pl.Series) -> pl.Series:
    """Return label sets such that equal sets are equal texts."""
    labels = sets.str.split(SEPARATOR).list.eval(pl.element().str.strip_chars())
    return labels.list.sort().list.join(SEPARATOR)


def _given_away(context: _Context) -> Iterator[Finding]:
    """Yield a warning if every class has one size, or one of grey and colour, and not all classes the same."""
    if context.classes is None:
        return
    table = pl.DataFrame(
        {"label": context.classes, "height": context.heights, "width": context.widths, "grey": context.grey}
    ).filter(pl.Series(context.part == TRAIN))
    size = pl.format("{} x {}", "height", "width")
    shade = pl.when("grey").then(pl.lit("grey")).otherwise(pl.lit("colour"))
    for what, value in (("The size", size), ("Grey or colour", shade)):
        kinds = table.group_by("label", maintain_order=True).agg(
            n_images=pl.len(), n_values=value.n_unique(), value=value.first()
        )
        apart = kinds["value"].n_unique() > 1 and (kinds["n_values"] == 1).all()
        if apart and (kinds["n_images"] >= FEW_ROWS).all():
            each = [f"{label}: {value}" for label, value in kinds.select("label", "value").iter_rows()]
            message = f"{what} tells classes apart, whatever the images show: {listing(each)}."
            hint = "If new images will not differ so, the result is too good: bring all to one size and mode first."
            yield Finding("warning", "target given away", context.classes.name, message, hint)


def _grounds(context: _Context) -> Iterator[Finding]:
    if context.images.dtype != np.uint8:
        return
    low, high = border_range(context.images, 1)
    dark, light = high.max(axis=1) < DARK, low.min(axis=1) > LIGHT
    n_dark, n_light = int(dark.sum()), int(light.sum())
    if min(n_dark, n_light) >= max(FEW_ROWS, FEW_OF_A_GROUND * len(context)):
        message = (
            f"{n_dark:,} images have a dark border and {n_light:,} a light one; the first are {context.first_of(dark)} "
            f"and {context.first_of(light)}."
        )
        yield Finding("note", "dark and light", None, message, "If some are negatives of the others, invert them.")


def _classes(context: _Context) -> Iterator[Finding]:
    if context.labels is None or context.task != "classification":
        return
    if context.classes is None:
        yield from check_label_sets(context.labels, "image")
        return
    yield from check_classes(context.classes, context.part, "image")
    if (context.part == TEST).any():
        tested = context.classes.filter(pl.Series(context.part == TEST)).unique()
        many = context.classes.value_counts().filter(pl.col("count") >= FEW_ROWS)[context.classes.name]
        untested = many.filter(~many.is_in(tested.implode())).sort().to_list()
        if untested:
            message = f"No image of {listing(untested)} is in test: predictions of it are not tested."
            hint = "Move some of its images to the test part."
            yield Finding("warning", "class not in test", context.classes.name, message, hint)


def _of(n: int, context: _Context) -> str:
    return f"{n:,} of {counted(len(context), 'image')}"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _span(values: np.ndarray) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low}" if low == high else f"{low} to {high}"
