"""Explanations: every computation in real numbers, step by step."""

from nnzoo.explanation.basics import activation, convolution, image, layer, neuron, padding, pooling, softmax
from nnzoo.explanation.cells import compare, gru, lstm, rnn
from nnzoo.explanation.passes import explain
from nnzoo.explanation.traces import Trace
from nnzoo.explanation.units import look_for

__all__ = [
    "Trace",
    "activation",
    "compare",
    "convolution",
    "explain",
    "gru",
    "image",
    "layer",
    "look_for",
    "lstm",
    "neuron",
    "padding",
    "pooling",
    "rnn",
    "softmax",
]
