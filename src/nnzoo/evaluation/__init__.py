"""Step 4, evaluate: numbers with intervals, baselines on the same rows, and a report in plain words.

Arrays come in, numbers go out. Nothing here knows a network, a file of the user or how a prediction was made.
"""
