"""Step 3, training: the loop, its trainers, its history and its checkpoints."""
