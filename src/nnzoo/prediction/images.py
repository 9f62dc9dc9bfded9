"""From images in files or arrays to a table of predictions: decode by the model's rule, run the network."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data.imagedata import decoded, name_column, read_source
from nnzoo.data.imagerecipe import ImageRecipe
from nnzoo.data.images import ImageTable
from nnzoo.data.imagestack import IMAGE
from nnzoo.data.rawtable import Reject
from nnzoo.data.recipesteps import trace_image
from nnzoo.errors import DataError
from nnzoo.prediction.decode import NOTE, ROW, Predicts, Traced, coded_columns, predicted_columns

CHUNK = 2048


@dataclass
class ImageDecoder:
    """Turns chunks of images into chunks of predictions.

    Parameters
    ----------
    network : Predicts
    recipe : ImageRecipe
    classes : sequence
        The labels that name the columns of probabilities.
    on_bad_row : "error" or "skip"
        "skip": an image that cannot be used gets an empty prediction and the reason as its note. Else more than 5 % of
        such images are an error, and fewer are counted.

    Attributes
    ----------
    n_rows, n_rejected : int
    """

    network: Predicts
    recipe: ImageRecipe
    classes: Sequence[Any]
    on_bad_row: str = "error"
    n_rows: int = 0
    n_rejected: int = 0
    extra: tuple[str, ...] = ()
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    _pending: list[Reject] = field(default_factory=list)

    def read(self, source: object) -> Iterator[ImageTable]:
        """Yield the images of a source in chunks.

        Raises
        ------
        DataError
            The source holds no images.
        """
        table: Any = read_source(source, "image", need_labels=False)
        self._pending = list(table.rejects)
        for start in range(0, max(len(table.rows), 1), CHUNK):
            place = slice(start, start + CHUNK)
            index = np.arange(len(table.rows))[place]
            yield replace(
                table, frame=table.frame[place], rows=table.rows[place], images=table.images.take(index), rejects=[]
            )

    def encode(self, table: ImageTable) -> pl.DataFrame:
        """Return the vector of each image of a chunk: "file" or "row", then "code_1", "code_2", ..."""
        name = name_column(table.frame)
        images, good, bad = decoded(table, self.recipe.rule)
        key = ROW if name == IMAGE else name
        keys = pl.Series(key, table.rows if name == IMAGE else table.frame[name]).filter(pl.Series(good))
        self.n_rows, self.n_rejected = self.n_rows + len(good), self.n_rejected + len(bad) + len(self._pending)
        self._pending = []
        return coded_columns({key: keys}, self.network.transform(images))

    def trace(self, table: ImageTable) -> Traced:
        """Return the only image of a chunk as the network reads it, and as numbers.

        Raises
        ------
        DataError
            The image cannot be used.
        """
        images, _, bad = decoded(table, self.recipe.rule)
        if bad:
            raise DataError(
                f"{table.origin}, row {bad[0].row} needs an image; it {bad[0].reason}.", "Give another one."
            )
        return Traced(images, [trace_image(self.recipe, images[0])], ())

    def decode(self, table: ImageTable) -> pl.DataFrame:
        """Return the predictions of a chunk: "file" or "row", "prediction", "probability_<label>", "note"."""
        name = name_column(table.frame)
        rejects, self._pending = self._pending, []
        images, good, bad = decoded(table, self.recipe.rule)
        rejects = [*rejects, *bad]
        keys = table.rows if name == IMAGE else table.frame[name]
        key = ROW if name == IMAGE else name
        columns: dict[str, Any] = {key: pl.Series(key, keys).filter(pl.Series(good)), "_at": table.rows[good]}
        columns |= predicted_columns(self.network, images, self.recipe.target, self.classes)
        out = pl.DataFrame(columns | {NOTE: [""] * int(good.sum())}, schema_overrides={NOTE: pl.String})
        self.n_rows += len(images) + len(rejects)
        self.n_rejected += len(rejects)
        if rejects:
            lost = {key: [reject.row if key == ROW else reject.file for reject in rejects]}
            lost |= {"_at": [reject.row for reject in rejects], NOTE: [reject.reason for reject in rejects]}
            types = {key: out[key].dtype, "_at": out["_at"].dtype, NOTE: pl.String}
            out = pl.concat([out, pl.DataFrame(lost, schema=types)], how="diagonal").sort("_at", maintain_order=True)
        return out.drop("_at")

    def warn(self) -> None:
        """Say once, as a warning, how many images have no prediction."""
        if self.n_rejected:
            warnings.warn(
                f"{self.n_rejected:,} of {self.n_rows:,} images have no prediction; see the notes", stacklevel=3
            )
