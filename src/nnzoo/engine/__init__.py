"""The arithmetic: devices, precision, batches and the batched forward pass."""
