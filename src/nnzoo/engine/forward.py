"""The forward pass over many rows, in blocks whose borders follow the row number alone."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.engine.batches import BLOCK_ROWS
from nnzoo.engine.steps import Steps, groups_of_like_length

WINDOW = 1024
"""Steps that a network with memory computes at a time; memory does not grow with the length of a sequence."""
MAX_CELLS = 2**17
"""Steps of a group of sequences, their padding counted."""


def forward_in_blocks(network: nn.Module, inputs: Tensor) -> np.ndarray:
    """Return what the network computes for every row of ``inputs``, as float64 on the CPU.

    Blocks of 256 rows keep memory flat, and give the same bits however a long table was cut into chunks of a multiple
    of 256 rows. The network is put into evaluation mode and no gradient is kept.
    """
    if network.training:
        network.eval()
    with torch.inference_mode():
        blocks = [network(block).double().cpu() for block in inputs.split(BLOCK_ROWS)]
    return torch.cat(blocks).numpy()


def forward_sequences(network: Any, inputs: Steps, *, per_step: bool, head: bool = True) -> np.ndarray:
    """Return what a network with memory computes for every sequence, or for every step, as float64 on the CPU.

    Within blocks of 256 sequences those of similar length go together, in windows of time where the network reads
    forward only.

    Parameters
    ----------
    network : ScoreNetwork
        Its body has ``advance``.
    inputs : Steps
        One row behind the other.
    per_step : bool
        Whether to return (n_steps_in_all, k) in the order of the steps, or (n_sequences, k).
    head : bool
        Whether to return scores, or the features of the body.
    """
    if network.training:
        network.eval()
    last = network.head if head else nn.Identity()
    body, k = network.body, network.head.out_features if head else network.body.n_out
    with torch.inference_mode():
        if len(inputs) == 1 and inputs.longest <= WINDOW and body.per_step == per_step:
            return last(body(network.scaling(inputs))).double().cpu().numpy()
        out = np.zeros((int(inputs.lengths.sum()) if per_step else len(inputs), k))
        for start in range(0, len(inputs), BLOCK_ROWS):
            block = inputs[start : start + BLOCK_ROWS]
            for rows in groups_of_like_length(block.lengths.numpy(), MAX_CELLS):
                group, carried = block[torch.from_numpy(rows)], None
                for window in group.windows(group.longest if body.bidirectional else WINDOW):
                    outputs, carried = body.advance(network.scaling(window), carried)
                    if per_step:
                        out[window.places().numpy()] = last(body.flat(outputs, window)).double().cpu().numpy()
                if not per_step:
                    out[start + rows] = last(body.summary(carried)).double().cpu().numpy()
    return out
