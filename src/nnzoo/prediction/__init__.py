"""Step 5, predict: labels and probabilities, row by row, in the order of the input."""
