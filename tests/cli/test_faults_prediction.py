"""Faults of prediction, case by case, through the command line; those of single rows stand with the tables."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import nnzoo

pytestmark = pytest.mark.usefixtures("folder")

KILLED = """
import os, signal, sys
from nnzoo.cli import main
from nnzoo.prediction.decode import Decoder
decode, n_seen = Decoder.decode, 0
def decode_or_die(self, table):
    global n_seen
    n_seen += 1
    if n_seen == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return decode(self, table)
Decoder.decode = decode_or_die
main(["predict", "m.nnzoo", "many.csv", "--out", "p.csv"])
"""


def test_E4_no_rows_give_an_empty_table_and_the_estimator_refuses_them(cli):
    header = Path("new.csv").read_text().splitlines()[0]
    Path("none.csv").write_text(header + "\n")
    cli.done("predict", "m.nnzoo", "none.csv", "--out", "p.csv")
    cli.done("predict", "m.nnzoo", "new.csv", "--out", "some.csv")
    empty, some = pl.read_csv("p.csv"), pl.read_csv("some.csv")
    assert empty.height == 0
    assert empty.columns == some.columns
    network = nnzoo.load_model("m.nnzoo").network
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        network.predict(np.empty((0, network.n_features_in_)))


@pytest.mark.slow
def test_E5_prediction_killed_on_its_way_leaves_nothing_and_starts_again_to_the_same_bytes(cli):
    rows = pl.read_csv("new.csv", infer_schema=False)
    pl.concat([rows] * (5 * 65_536 // rows.height)).write_csv("many.csv")
    before = cli.contents(".")
    ended = subprocess.run([sys.executable, "-c", KILLED], check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    left = cli.contents(".").keys() - before.keys()
    assert not {name for name in left if not name.startswith(".")}
    cli.done("predict", "m.nnzoo", "many.csv", "--out", "p.csv")
    assert cli.contents(".").keys() - before.keys() == {"p.csv"}
    cli.done("predict", "m.nnzoo", "many.csv", "--out", "whole.csv")
    assert Path("p.csv").read_bytes() == Path("whole.csv").read_bytes()
    found = pl.read_csv("p.csv", columns=["row"])["row"].to_numpy()
    np.testing.assert_array_equal(found, np.arange(1, len(found) + 1))
    assert len(found) == 5 * 65_536 // rows.height * rows.height
