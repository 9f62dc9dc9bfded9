"""The parts of the benchmark: each measures, and makes its tables from what was measured."""
