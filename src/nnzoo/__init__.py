"""nnzoo: the chart of neural networks, alive.

Five steps: load the data, build the model, train, evaluate, predict. Importing the package loads neither torch nor
scikit-learn; they come with the first name that needs them.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "nnzoo.steps": ("load", "build", "train", "evaluate", "encode", "predict"),
    "nnzoo.model": ("Model", "load_model"),
    "nnzoo.verifying": ("verify",),
    "nnzoo.drawing": ("draw",),
    "nnzoo.comparison.compare": ("compare",),
    "nnzoo.comparison.result": ("Comparison",),
    "nnzoo.explanation.passes": ("explain",),
    "nnzoo.explanation.traces": ("Trace",),
    "nnzoo.networks.autoencoder": ("Autoencoder",),
    "nnzoo.networks.hopfield": ("HopfieldNetwork",),
    "nnzoo.networks.kohonen": ("KohonenNetwork",),
    "nnzoo.networks.attention": ("AttentionNetwork",),
    "nnzoo.networks.boltzmann_machine": ("BoltzmannMachine",),
    "nnzoo.networks.differentiable_computer": ("DifferentiableNeuralComputer",),
    "nnzoo.networks.feed_forward": ("FeedForward",),
    "nnzoo.networks.deep_feed_forward": ("DeepFeedForward",),
    "nnzoo.networks.capsule": ("CapsuleNetwork",),
    "nnzoo.networks.deep_belief": ("DeepBeliefNetwork",),
    "nnzoo.networks.deep_convolutional": ("DeepConvolutionalNetwork",),
    "nnzoo.networks.deconvolutional": ("DeconvolutionalNetwork",),
    "nnzoo.networks.denoising_autoencoder": ("DenoisingAutoencoder",),
    "nnzoo.networks.extreme_learning": ("ExtremeLearningMachine",),
    "nnzoo.networks.deep_residual": ("DeepResidualNetwork",),
    "nnzoo.networks.echo_state": ("EchoStateNetwork",),
    "nnzoo.networks.gan": ("GAN",),
    "nnzoo.networks.gru": ("GRU",),
    "nnzoo.networks.inverse_graphics": ("InverseGraphicsNetwork",),
    "nnzoo.networks.liquid_state": ("LiquidStateMachine",),
    "nnzoo.networks.lstm": ("LSTM",),
    "nnzoo.networks.markov_chain": ("MarkovChain",),
    "nnzoo.networks.perceptron": ("Perceptron",),
    "nnzoo.networks.radial_basis": ("RadialBasisNetwork",),
    "nnzoo.networks.recurrent": ("RNN",),
    "nnzoo.networks.restricted_boltzmann": ("RestrictedBoltzmannMachine",),
    "nnzoo.networks.sparse_autoencoder": ("SparseAutoencoder",),
    "nnzoo.networks.support_vector": ("SupportVectorMachine",),
    "nnzoo.networks.turing_machine": ("NeuralTuringMachine",),
    "nnzoo.networks.variational_autoencoder": ("VariationalAutoencoder",),
    "nnzoo.ragged": ("Ragged",),
    "nnzoo.networks.own_body": ("OwnBody",),
    "nnzoo.errors": (
        "CheckpointError",
        "ClusterError",
        "DataError",
        "ExportError",
        "ModelFileError",
        "NnzooError",
        "ParameterError",
        "ResourceError",
        "SchemaError",
        "TrainingDiverged",
        "UsageError",
    ),
}
_HOME = {name: module for module, names in _WHERE.items() for name in names}
_MODULES = ("catalog", "errors")

__all__ = [*_HOME, *_MODULES, "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _MODULES:
        return import_module(f"nnzoo.{name}")
    raise AttributeError(f"module 'nnzoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
