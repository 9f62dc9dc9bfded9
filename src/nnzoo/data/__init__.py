"""Step 1, load: from a raw source to parsed rows, their columns, their task and their split."""
