"""Parameters that several networks have: name, default, text and range stand once, and the constructor is made of them.

A class decorated by :func:`with_parameters` lists its own parameters as fields; those of its bases come with them.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, dataclass_transform

import numpy as np

from nnzoo.checks import OneOf, Range, Real, Truth, Whole, either
from nnzoo.estimator import GRADIENT_RANGES, LEARNER_RANGES, TABLE_RANGES
from nnzoo.networks.coding import CODING_RANGES
from nnzoo.networks.memory import POOLINGS
from nnzoo.networks.parts import DENSE_RANGES
from nnzoo.networks.unlabelled import UNLABELLED_GRADIENT_RANGES, UNLABELLED_RANGES
from nnzoo.sequences import OUTPUTS
from nnzoo.training.readout import READOUT_RANGES

HEADING = re.compile(r"^(\w+)\n-+\n", re.MULTILINE)
OTHERS = re.compile(r"^Others: those of (\w+)\.$", re.MULTILINE)
Class = TypeVar("Class", bound=type)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
def with_parameters(cls: Class) -> Class:
    """Give a class the constructor that assigns its fields and those of its bases, by keyword, and does nothing else.

    In a section of its docstring the line "Others: those of Base." becomes what Base says there of all that the class
    does not describe itself. The constructor shows its parameters in the order of the docstring.
    """
    made: Any = dataclass(kw_only=True, eq=False, repr=False, match_args=False)(cls)
    said = inspect.cleandoc(made.__doc__ or "")
    while found := OTHERS.search(said):
        base = next(each for each in cls.__mro__ if each.__name__ == found[1])
        said = said[: found.start()] + _others(said, found.start(), base) + said[found.end() :]
    made.__doc__ = said
    signature = inspect.signature(made.__init__)
    order = ["self", *_entries(said, "Parameters")]
    in_order = sorted(signature.parameters.values(), key=lambda parameter: order.index(parameter.name))
    made.__init__.__signature__ = signature.replace(parameters=in_order)
    return made


def _others(said: str, place: int, base: type) -> str:
    """Return what a base says, in the section around a place, of what is not described there."""
    heading = [found for found in HEADING.finditer(said) if found.start() < place][-1]
    own = _entries(said, heading[1])
    return "\n".join(text for name, text in _entries(base.__doc__ or "", heading[1]).items() if name not in own)


def _entries(said: str, section: str) -> dict[str, str]:
    """Return the entries of a section of a docstring, by the names before their colon."""
    headings = list(HEADING.finditer(said))
    ends = [*(found.start() for found in headings[1:]), len(said)]
    body = next((said[found.end() : end] for found, end in zip(headings, ends, strict=True) if found[1] == section), "")
    entries: dict[str, list[str]] = {}
    for line in body.strip().split("\n"):
        if line[:1].strip():
            entries[line.partition(" : ")[0]] = []
        entries[next(reversed(entries))].append(line)
    return {name: "\n".join(lines) for name, lines in entries.items()}


@with_parameters
class NetworkParameters:
    """What rows are, and where and how they are computed with.

    Parameters
    ----------
    kind : None, "table", "image" or "sequence", default None
    input_shape : tuple of int or None
    device : "auto", "cpu", "cuda" or "mps", default "auto"
    precision : "auto", "float64", "float32" or "bfloat16", default "auto"
    random_state : int, RandomState or None
    verbose : int, default 0
    """

    kind: str | None = None
    input_shape: Sequence[int] | None = None
    device: str = "auto"
    precision: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: int = 0


@with_parameters
class GradientParameters(NetworkParameters):
    """Of every network that descends a gradient, a batch a step.

    Parameters
    ----------
    optimizer : "adam", "adamw", "sgd" or "lbfgs", default "adam"
    learning_rate : float, default 0.003
        Not used by "lbfgs".
    schedule : "constant", "cosine" or "one_cycle", default "constant"
    batch_size : int, default 64
    n_epochs : int, default 100
        Passes through the training rows, at most.
    early_stopping : bool or "auto", default "auto"
        Stop when the validation loss has not fallen for ``patience`` epochs. "auto": when validation rows are given, or
        from 10,000 rows on, of which ``validation_fraction`` are then held out.
    patience : int, default 20
    validation_fraction : float, default 0.1
    weight_decay : float, default 0.0
        L2 penalty.
    clip_norm : float or None, default None
        Largest norm of the gradient.
    Others: those of NetworkParameters.
    """

    optimizer: str = "adam"
    learning_rate: float = 3e-3
    schedule: str = "constant"
    batch_size: int = 64
    n_epochs: int = 100
    early_stopping: bool | str = "auto"
    patience: int = 20
    validation_fraction: float = 0.1
    weight_decay: float = 0.0
    clip_norm: float | None = None


@with_parameters
class TableParameters(GradientParameters):
    """Of every network that reads tables, learns from a target and descends a gradient.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    learning_rate : float, default 0.001
        Not used by "lbfgs".
    batch_size : int, default 256
        Rows a step; up to this many rows a step takes all.
    n_epochs : int, default 200
        Passes through the training rows, at most.
    weight_decay : float, default 0.0001
        L2 penalty.
    class_weight : None, "balanced" or dict of label to weight
    Others: those of GradientParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised inputs (n, n_features) to scores (n, n_scores).
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        A column a quantity, an entry an epoch.
    best_epoch_ : int
        The epoch whose weights were kept.
    """

    task: str = "classification"
    learning_rate: float = 1e-3
    batch_size: int = 256
    n_epochs: int = 200
    weight_decay: float = 1e-4
    class_weight: str | Mapping[object, float] | None = None

    ranges: ClassVar[Mapping[str, Range]] = {**LEARNER_RANGES, **GRADIENT_RANGES}


@with_parameters
class DenseParameters(TableParameters):
    """Of every network of dense layers alone.

    Parameters
    ----------
    activation : str, default "relu"
        f: "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu" or "selu".
    dropout : float, default 0.0
        Share of hidden units left out at random in a training step.
    normalization : None, "batch" or "layer", default None
    categorical_features : list of int or None
        Columns that hold category codes 0, 1, 2, ... (0 is "unknown"); each gets trained vectors.
    kind : None, "table", "image" or "sequence", default None
        What the arrays are; None takes rows of two dimensions as a table and refuses all else. Images and sequences
        are flattened; images that come as bytes stay bytes, and are divided by 255 and standardised as a whole.
    input_shape : tuple of int or None
        Shape of a row, (height, width[, channels]), where images come flat.
    precision : "auto", "float64", "float32" or "bfloat16", default "auto"
        "auto": float64 below 1,000 rows, else float32.
    Others: those of TableParameters.

    Attributes
    ----------
    Others: those of TableParameters.
    """

    activation: str = "relu"
    dropout: float = 0.0
    normalization: str | None = None
    categorical_features: Sequence[int] | None = None

    ranges: ClassVar[Mapping[str, Range]] = {**TABLE_RANGES, **GRADIENT_RANGES, **DENSE_RANGES}


@with_parameters
class ReadoutParameters:
    """Of every network whose last layer is found by least squares.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    ridge : float or "gcv", default "gcv"
        λ of the readout; "gcv" takes, of 25 values, the one with the least leave-one-out error.
    class_weight : None, "balanced" or dict of label to weight
    kind : None, "table", "image" or "sequence", default None
        What the arrays are; images and sequences are flattened.
    input_shape : tuple of int or None
        Shape of a row, (height, width[, channels]), where images come flat.
    random_state : int, RandomState or None
    verbose : int, default 0

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised inputs (n, n_features) to scores (n, n_scores).
    ridge_ : float
        λ of the readout.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        "train_loss" is the least squared error of the coded targets with its penalty, a row.
    """

    task: str = "classification"
    ridge: float | str = "gcv"
    class_weight: str | Mapping[object, float] | None = None
    kind: str | None = None
    input_shape: Sequence[int] | None = None
    random_state: int | np.random.RandomState | None = None
    verbose: int = 0

    ranges: ClassVar[Mapping[str, Range]] = {
        **{name: allowed for name, allowed in LEARNER_RANGES.items() if name not in ("device", "precision")},
        **READOUT_RANGES,
    }


@with_parameters
class SequenceParameters(GradientParameters):
    """Of every network that reads sequences and descends a gradient.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    output : "sequence", "step" or "next", default "sequence"
        One target a sequence, one a step, or what comes next in the sequence itself; then ``fit(X)`` needs no y. A
        step may have several targets of 0 and 1, as the bits of a copy.
    n_hidden : int, default 128
        Units of a layer.
    dropout : float, default 0.0
        Share of the values left out at random before the last layer.
    differences : bool, default False
        Of forecasts: read and learn the change from step to step in place of the value, for series that wander or grow.
    bptt_steps : int or None, default None
        Truncated backpropagation: walk along long sequences in windows of so many steps, move the weights after each
        and carry the state on; what training needs then does not grow with the length.
    batch_size : int, default 64
        Sequences a step; those of similar length come together.
    clip_norm : float or None, default 1.0
        Largest norm of the gradient; long products of weights make it explode.
    class_weight : None, "balanced" or dict of label to weight
    categorical_features : list of int or None
        Values of a step that are category codes 0, 1, 2, ... (0 is "unknown"); each gets trained vectors.
    kind : None or "sequence", default None
    input_shape : list of int or None
        (steps, values), where rows come flat with more than one value a step.
    precision : "auto", "float64", "float32" or "bfloat16", default "auto"
        "auto": float64 below 1,000 rows of at most 5,000 numbers in all; bfloat16 for classification from 1,000 rows
        on, where the processor multiplies in it; else float32. Predictions are made in float32 at least.
    Others: those of GradientParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised steps to scores.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
        Values of a step; of flat rows their columns.
    n_iter_, best_epoch_ : int
    history_ : dict of str to list
    """

    task: str = "classification"
    output: str = "sequence"
    n_hidden: int = 128
    dropout: float = 0.0
    differences: bool = False
    bptt_steps: int | None = None
    clip_norm: float | None = 1.0
    class_weight: str | Mapping[object, float] | None = None
    categorical_features: Sequence[int] | None = None

    ranges: ClassVar[Mapping[str, Range]] = {
        **TABLE_RANGES,
        **GRADIENT_RANGES,
        "output": OneOf(OUTPUTS),
        "n_hidden": Whole(1, 10**6),
        "dropout": Real(0.0, 0.99),
        "differences": Truth(),
        "bptt_steps": either(OneOf((None,)), Whole(1)),
    }


@with_parameters
class RecurrentParameters(SequenceParameters):
    """Of every recurrent network.

    Parameters
    ----------
    n_hidden : int, default 128
        Units of a layer, in each direction.
    n_layers : int, default 1
    bidirectional : bool, default False
        Read from the end, too, and put both outputs side by side.
    pooling : "last", "mean" or "max", default "last"
        How outputs become one vector a sequence.
    dropout : float, default 0.0
        Share of the values left out at random between the layers and before the last one of the network.
    Others: those of SequenceParameters.

    Attributes
    ----------
    Others: those of SequenceParameters.
    """

    n_layers: int = 1
    bidirectional: bool = False
    pooling: str = "last"

    ranges: ClassVar[Mapping[str, Range]] = {
        **SequenceParameters.ranges,
        "n_layers": Whole(1, 100),
        "bidirectional": Truth(),
        "pooling": OneOf(POOLINGS),
    }


@with_parameters
class SlotParameters(SequenceParameters):
    """Of every network with a memory of slots.

    Parameters
    ----------
    n_hidden : int, default 100
        Units of the controller.
    n_slots : int, default 128
        Slots of the memory.
    slot_size : int, default 20
        Numbers of a slot.
    n_memory_heads : int, default 1
        Heads that read; one more writes.
    pooling : "last", "mean" or "max", default "last"
        How outputs become one vector a sequence.
    bptt_steps : int or None, default None
        Truncated backpropagation: walk along long sequences in windows of so many steps, move the weights after each
        and carry the state and the memory on; what training needs then does not grow with the length.
    clip_norm : float or None, default 10.0
        Largest norm of the gradient; long products of weights make it explode.
    precision : "auto", "float64", "float32" or "bfloat16", default "auto"
        "auto": float64 below 1,000 rows of at most 5,000 numbers in all, else float32; "bfloat16" is that of the last
        layer alone.
    Others: those of SequenceParameters.

    Attributes
    ----------
    Others: those of SequenceParameters.
    """

    n_hidden: int = 100
    n_slots: int = 128
    slot_size: int = 20
    n_memory_heads: int = 1
    pooling: str = "last"
    clip_norm: float | None = 10.0

    ranges: ClassVar[Mapping[str, Range]] = {
        **SequenceParameters.ranges,
        "n_slots": Whole(1, 10**5),
        "slot_size": Whole(1, 10**5),
        "n_memory_heads": Whole(1, 100),
        "pooling": OneOf(POOLINGS),
    }


@with_parameters
class UnlabelledParameters(NetworkParameters):
    """Of every network without a target.

    Parameters
    ----------
    Others: those of NetworkParameters.
    """

    ranges: ClassVar[Mapping[str, Range]] = UNLABELLED_RANGES


@with_parameters
class DescendingParameters(GradientParameters):
    """Of every network without a target that descends a gradient, a batch a step.

    Parameters
    ----------
    optimizer : "adam", "adamw" or "sgd", default "adam"
    learning_rate : float, default 0.003
    Others: those of GradientParameters.
    """

    ranges: ClassVar[Mapping[str, Range]] = {
        **UNLABELLED_GRADIENT_RANGES,
        "optimizer": OneOf(("adam", "adamw", "sgd")),
    }


@with_parameters
class CodingParameters(DescendingParameters):
    """Of every network with an encoder and a decoder that mirrors it.

    Parameters
    ----------
    n_components : int, default 64
        Numbers of the code.
    hidden_layer_sizes : tuple of int, default (256,)
        Dense layers between rows and code; the decoder has them in reverse. () makes a linear one of a table.
    n_filters : tuple of int, default ()
        Of images: convolutions with stride 2 before the dense layers. () takes images as flat rows.
    activation : str, default "relu"
        "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu" or "selu".
    Others: those of DescendingParameters.
    """

    n_components: int = 64
    hidden_layer_sizes: Sequence[int] = (256,)
    n_filters: Sequence[int] = ()
    activation: str = "relu"

    ranges: ClassVar[Mapping[str, Range]] = {**DescendingParameters.ranges, **CODING_RANGES}


@with_parameters
class ImageParameters(GradientParameters):
    """Of every network of images that descends a gradient.

    Parameters
    ----------
    batch_size : int, default 256
        Rows a step.
    class_weight : None, "balanced" or dict of label to weight
    kind : None or "image", default None
        What the arrays are.
    input_shape : list of int or None
        Shape of a row, (height, width[, channels]), where rows come flat.
    precision : "auto", "float64", "float32" or "bfloat16", default "auto"
        "auto": float64 below 1,000 rows of at most 100,000 numbers in all; bfloat16 from 1,000 images on, where the
        processor multiplies in it; else float32. What was trained in bfloat16 predicts in float32.
    Others: those of GradientParameters.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
    best_epoch_ : int
    """

    batch_size: int = 256
    class_weight: str | Mapping[object, float] | None = None

    ranges: ClassVar[Mapping[str, Range]] = {
        **{name: allowed for name, allowed in LEARNER_RANGES.items() if name != "task"},
        **GRADIENT_RANGES,
        "kind": OneOf((None, "image")),
    }
