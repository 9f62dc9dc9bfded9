"""The forward pass over many rows, in blocks whose borders follow the row number alone."""

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.engine.batches import BLOCK_ROWS


def forward_in_blocks(network: nn.Module, inputs: Tensor) -> np.ndarray:
    """Return what the network computes for every row of ``inputs``, as float64 on the CPU.

    Blocks of 256 rows keep memory flat, and give the same bits however a long table was cut into chunks of a multiple
    of 256 rows. The network is put into evaluation mode and no gradient is kept.
    """
    network.eval()
    with torch.inference_mode():
        blocks = [network(block).double().cpu() for block in inputs.split(BLOCK_ROWS)]
    return torch.cat(blocks).numpy()
