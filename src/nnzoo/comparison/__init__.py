"""Which network fits: the same folds, the same budget, a verdict with its doubt."""
