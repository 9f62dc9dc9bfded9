"""The recipe of any kind of data: learned from what ``load`` gave, applied to parts of it, read from a model file."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data import imagerecipe, sequencerecipe, text
from nnzoo.data.dataset import Data, Part
from nnzoo.data.imagerecipe import ImageRecipe
from nnzoo.data.kinds import parse
from nnzoo.data.recipe import Recipe
from nnzoo.data.sequencerecipe import SequenceRecipe
from nnzoo.data.target import Target
from nnzoo.data.textrecipe import TextRecipe
from nnzoo.ragged import Ragged

AnyRecipe = Recipe | ImageRecipe | SequenceRecipe | TextRecipe


def learn_recipe(data: Data, *, with_codes: bool, with_target: bool = True, symbols: bool = False) -> AnyRecipe:
    """Return the recipe that the training rows set.

    Parameters
    ----------
    data : Data
    with_codes : bool
        Whether the network takes codes of categories.
    with_target : bool
        Whether the network learns the target, where there is one.
    symbols : bool
        Whether a step of sequences is to be one symbol.
    """
    target = _learn_target(data) if with_target else None
    if data.kind == "image" and data.rule is not None:
        return ImageRecipe(data.rule, str(data.image_column), target)
    if data.kind == "text" and data.text is not None:
        return TextRecipe.learn(data.train.frame[data.text.name], data.text, target=target)
    if data.schema is not None and symbols:
        return SequenceRecipe.learn_symbols(data.train, data.schema)
    if data.schema is not None:
        return SequenceRecipe.learn(data.train, data.schema, target=target, with_codes=with_codes)
    recipe = Recipe.learn(
        data.train.frame,
        data.roles.inputs,
        target_name=data.target,
        task=data.task,
        several_labels=data.several_labels,
        with_codes=with_codes,
    )
    return replace(recipe, target=target)


def encode_rows(recipe: AnyRecipe, part: Part, origin: str) -> tuple[Any, Any]:
    """Return X and y of some rows as the network takes them.

    X is float64 (n, d), images, or sequences as Ragged. y is one value a row; Ragged where every step has one; None
    where what is next is learned.
    """
    X: Any = recipe.encode_part(part, origin)
    if isinstance(recipe, SequenceRecipe):
        y = recipe.encode_target(part, origin)
        return X, Ragged(y[:, None], X.lengths) if recipe.output == "step" and y is not None else y
    if recipe.target is None:
        return X, None
    return X, recipe.encode_target(_with_target(recipe, part, origin), origin=origin, rows=part.rows)


def read_recipe(value: Any) -> AnyRecipe:
    """Return the recipe that ``to_json`` of any of them wrote; raise ModelFileError at anything else."""
    kinds = {imagerecipe.KEY: ImageRecipe, sequencerecipe.KEY: SequenceRecipe, text.TEXT: TextRecipe}
    found = next((kinds[key] for key in kinds if type(value) is dict and key in value), Recipe)
    return found.from_json(value)


def kind_of(recipe: AnyRecipe) -> str:
    """Return the kind of data that a recipe is of."""
    return {ImageRecipe: "image", SequenceRecipe: "sequence", TextRecipe: "text"}.get(type(recipe), "table")


def output_of(recipe: AnyRecipe) -> str | None:
    """Return "sequence", "step" or "next" of sequences and texts, None of all else."""
    return recipe.output if isinstance(recipe, SequenceRecipe | TextRecipe) else None


def _learn_target(data: Data) -> Target | None:
    if data.target is None or data.task is None or data.output == "next":
        return None
    steps = data.sequences.frame if data.output == "step" and data.sequences is not None else data.frame
    return Target.learn(steps[data.target], data.task, several_labels=data.several_labels)


def _with_target(recipe: AnyRecipe, part: Part, origin: str) -> pl.DataFrame:
    target = recipe.target
    if target is None or target.name not in part.frame.columns:
        return part.frame
    return parse(part.frame, [target.column], origin=origin, rows=part.rows).frame


def labels_as_bytes(y: Any, n_rows: int) -> list[bytes]:
    """Return the target of each row as bytes, for hashes of rows."""
    if y is None:
        return [b""] * n_rows
    return [str(label.tolist() if isinstance(label, np.ndarray) else label).encode() for label in y]
