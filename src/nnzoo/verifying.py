"""Train a model again from what its file records, and compare the bits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import clone

from nnzoo.data.dataset import load_like
from nnzoo.engine.threads import kernel_threads
from nnzoo.errors import DataError, UsageError, quote
from nnzoo.model import Model, surroundings
from nnzoo.networks.own_body import OwnBody
from nnzoo.steps import build, fit
from nnzoo.training.loop import Run

STOPPED = ("time", "interrupt", "terminate")


@dataclass(frozen=True)
class Verification:
    """What came out of training again.

    Attributes
    ----------
    n_tensors : int
        Tensors that were compared.
    differences : tuple of str
        What is not the same to the bit, a sentence each; empty where all is.
    surroundings : tuple of str
        What the bits depend on and is different here: versions, threads, arithmetic.
    """

    n_tensors: int
    differences: tuple[str, ...]
    surroundings: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Return whether nothing differs."""
        return not self.differences

    def __str__(self) -> str:
        if self.same:
            return f"Trained again, the same bits: {self.n_tensors} tensors, the recipe, the split."
        reasons = [f"Different here: {each}." for each in self.surroundings]
        return "\n".join([f"Trained again, not the same: {each}." for each in self.differences] + reasons)


def verify(model: Model, source: Any, *, data_dir: Any = None) -> Verification:
    """Train a model again, with the data, the settings, the seed and the threads that it records, and compare.

    A run that was stopped (by time, Ctrl-C or SIGTERM) is repeated up to the last whole epoch, from which its weights
    are. Bits may differ where versions, the processor or a smaller micro-batch after lack of memory were others.

    Parameters
    ----------
    model : Model
        Trained with ``nnzoo.train``; it is left as it is.
    source : path or data
        What it was trained on, for ``nnzoo.load``.
    data_dir : path, optional
        Folder that holds public sets.

    Returns
    -------
    Verification

    Raises
    ------
    DataError
        The content is not that which the model was trained on.
    UsageError
        The model was not trained with ``nnzoo.train``, has a body of the user's own, or was stopped before the end of
        its first epoch.
    """
    origin = model.provenance
    if not origin.settings or isinstance(model.network, OwnBody):
        raise UsageError(
            "verify needs a model that was built and trained by nnzoo alone.", "Train with nnzoo.build and nnzoo.train."
        )
    stop_after = model.network.n_iter_ if model.network.stopped_ in STOPPED else None
    if stop_after == 0:
        raise UsageError("verify needs a model of one whole epoch; it was stopped before.", "Train it for longer.")
    data = load_like(source, origin.settings, data_dir=data_dir)
    if data.fingerprint != origin.fingerprint:
        raise DataError(
            f"verify needs the data that the model was trained on, {quote(origin.origin)}; {data.origin} has another "
            "content.",
            "Give the same file, unchanged.",
        )
    untrained: Any = clone(model.network)
    again = build(untrained, data, seed=model.seed)
    with kernel_threads(model.made_with["threads"]):
        fit(again, data, Run(stop_after=stop_after))
        different = _different_surroundings(model, again)
    old, new = model.network.fitted_state().tensors, again.network.fitted_state().tensors
    return Verification(len(old), tuple(_differences(model, again, old, new)), tuple(different))


def _differences(
    model: Model, again: Model, old: Mapping[str, np.ndarray], new: Mapping[str, np.ndarray]
) -> Iterator[str]:
    recipes = [None if each.recipe is None else each.recipe.to_json() for each in (model, again)]
    if recipes[0] != recipes[1]:
        yield "the recipe"
    if not np.array_equal(model.provenance.part, again.provenance.part):
        yield "the split"
    if old.keys() != new.keys():
        yield "the names of the tensors"
        return
    for name in sorted(old):
        if old[name].shape != new[name].shape:
            yield f"tensor {quote(name)} has shape {new[name].shape}, before {old[name].shape}"
        elif old[name].tobytes() != new[name].tobytes():
            far = np.abs(old[name].astype(np.float64) - new[name].astype(np.float64)).max()
            yield f"tensor {quote(name)} is off by up to {far:.3g}"


def _different_surroundings(model: Model, again: Model) -> list[str]:
    before, now = model.made_with["versions"], surroundings()["versions"]
    names = sorted({*before, *now})
    found = [
        f"{name} {now.get(name)}, before {before.get(name)}" for name in names if now.get(name) != before.get(name)
    ]
    arithmetic = model.network.arithmetic_, again.network.arithmetic_
    if arithmetic[0] != arithmetic[1]:
        found.append(f"arithmetic {arithmetic[1]}, before {arithmetic[0]}")
    return found
