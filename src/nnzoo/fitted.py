"""What a model file stores of a fitted network, and how the network comes back from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from nnzoo.engine.device import Arithmetic
from nnzoo.engine.scaling import Standardizer
from nnzoo.heads import HEADS, NO_HEAD
from nnzoo.inputs import Inputs
from nnzoo.targets import Target


@dataclass(frozen=True)
class FittedState:
    """What a model file stores of a fitted network: JSON sizes and labels, and named tensors."""

    sizes: dict[str, Any]
    classes: np.ndarray | None
    tensors: dict[str, np.ndarray]


class Fitted:
    """The stored state of a network: sizes as JSON, labels, and tensors of known names, types and shapes."""

    def fitted_state(self: Any) -> FittedState:
        """Return sizes, labels and tensors of the fitted network, from which :meth:`restore` builds it again."""
        check_is_fitted(self)
        target = self.target_
        sizes = self._sizes() | {
            "n_iter": self.n_iter_,
            "best_epoch": self.best_epoch_,
            "best_by": self.best_by_,
            "stopped": self.stopped_,
            "history": [list(self._timeless_history()), len(self.history_.get("epoch", []))],
        }
        tensors = {
            "input.mean": self.inputs_.standard.mean,
            "input.scale": self.inputs_.standard.scale,
            "target.mean": target.standard.mean,
            "target.scale": target.standard.scale,
        }
        tensors |= {f"history.{name}": np.asarray(column) for name, column in self._timeless_history().items()}
        tensors |= {f"network.{name}": t.detach().cpu().numpy() for name, t in self.network_.state_dict().items()}
        return FittedState(sizes, target.classes, tensors)

    def expected_tensors(self: Any, sizes: Mapping[str, Any]) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        """Return name, type and shape of every tensor that a network of these sizes has; allocates nothing."""
        inputs = _bare_inputs(sizes)
        with torch.device("meta"):
            network = self._bare_network(inputs, sizes)
        d, k = inputs.n_scaled, 1 if sizes["head"] in ("binary", "multiclass") else sizes["n_targets"]
        table = {f"input.{part}": (np.dtype(np.float64), (d,)) for part in ("mean", "scale")}
        table |= {f"target.{part}": (np.dtype(np.float64), (k,)) for part in ("mean", "scale")}
        columns, n_epochs = sizes["history"]
        table |= {f"history.{name}": (np.dtype(np.float64), (n_epochs,)) for name in columns}
        for name, tensor in network.state_dict().items():
            numpy_type = torch.empty((), dtype=tensor.dtype).numpy().dtype
            table[f"network.{name}"] = (numpy_type, tuple(tensor.shape))
        return table

    def restore(self: Any, state: FittedState) -> Any:
        """Take over a stored state; the counterpart of :meth:`fitted_state`."""
        sizes, tensors = state.sizes, state.tensors
        self.inputs_ = replace(
            _bare_inputs(sizes), standard=Standardizer(tensors["input.mean"], tensors["input.scale"])
        )
        with torch.device("meta"):
            network = self._bare_network(self.inputs_, sizes)
        prefix = "network."
        weights = {n.removeprefix(prefix): torch.from_numpy(a) for n, a in tensors.items() if n.startswith(prefix)}
        for name, bare in network.state_dict().items():
            if weights[name].stride() != bare.stride():  # filters, of which a file does not say how they lie in memory
                weights[name] = torch.empty_like(bare, device="cpu").copy_(weights[name])
        network.load_state_dict(weights, assign=True)
        network.scaling = self.inputs_.make_scaling().to(Arithmetic.named(sizes["arithmetic"]).dtype)
        self.network_ = network.to(self._choose_device())
        self.n_features_in_ = self.inputs_.n_features
        if sizes["feature_names"] is not None:
            self.feature_names_in_ = np.array(sizes["feature_names"], dtype=object)
        standard = Standardizer(tensors["target.mean"], tensors["target.scale"])
        head = HEADS.get(sizes["head"], NO_HEAD)
        self.target_ = Target(head, state.classes, sizes["n_targets"], sizes["flat"], standard)
        if state.classes is not None:
            self.classes_ = state.classes
        self.trainer_ = None
        self.arithmetic_, self.stopped_ = sizes["arithmetic"], sizes["stopped"]
        self.n_iter_, self.best_epoch_, self.best_by_ = sizes["n_iter"], sizes["best_epoch"], sizes["best_by"]
        self.history_ = {name: tensors[f"history.{name}"].tolist() for name in sizes["history"][0]}
        return self

    def _timeless_history(self: Any) -> dict[str, list[float]]:
        """Return the history without its durations: equal runs give equal files."""
        return {name: column for name, column in self.history_.items() if name != "seconds"}


def _bare_inputs(sizes: Mapping[str, Any]) -> Inputs:
    """Return the inputs of these sizes, their scaling still unknown."""
    shape = tuple(sizes["shape"])
    codes = {column: n for column, n in sizes["n_codes"]}
    return Inputs(sizes["kind"], shape, sizes["pixels"], codes, Standardizer.identity(shape[-1]))
