"""Which network fits the data: networks and baselines on the same folds, and what may be said of their differences."""
