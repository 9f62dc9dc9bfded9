"""The recipe of images: one size, grey or colour, and the target; it travels with the model like that of a table."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from nnzoo.data import stored
from nnzoo.data.kinds import Column
from nnzoo.data.loaded import Part
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.target import Target, encode_column

KEY = "images"


@dataclass(frozen=True)
class ImageRecipe:
    """How images become arrays of one shape.

    Attributes
    ----------
    rule : PixelRule
    name : str
        Column that names the images.
    target : Target or None
    """

    rule: PixelRule
    name: str
    target: Target | None = None
    categorical_features: ClassVar[dict[int, int]] = {}

    @property
    def columns(self) -> tuple[Column, ...]:
        """What an image is, as the only input."""
        return (Column("pixels", f"image {self.rule.height} x {self.rule.width}", self.rule.why),)

    def encode_part(self, part: Part, origin: str) -> np.ndarray:
        """Return the images (n, height, width[, channels]), which loading has brought to one size."""
        return part.images if part.images is not None else np.zeros((0, *self.rule.shape), dtype=np.uint8)

    def encode_target(self, frame: pl.DataFrame, *, origin: str, rows: np.ndarray) -> np.ndarray:
        """Return the targets as ``Target.encode`` does."""
        return encode_column(self.target, frame, origin=origin, rows=rows)

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain JSON."""
        target = None if self.target is None else self.target.to_json()
        return {KEY: {"rule": self.rule.to_json(), "name": self.name}, "target": target}

    @classmethod
    def from_json(cls, value: object) -> "ImageRecipe":
        """Return the recipe that ``to_json`` wrote; raise ModelFileError at anything else."""
        parts = stored.record(value, "recipe", {KEY: stored.anything, "target": stored.anything})
        own = stored.record(parts[KEY], "recipe of images", {"rule": stored.anything, "name": stored.is_text})
        target = None if parts["target"] is None else Target.from_json(parts["target"])
        return cls(PixelRule.from_json(own["rule"]), own["name"], target)
