"""What a comparison shows while it runs: a table on a terminal, a line now and then elsewhere."""

import io
import subprocess
import sys
import time

import pytest

from nnzoo.comparison.contest import Progress
from nnzoo.comparison.progress import Screen, ranked


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def progress(stage="finalists", done=3, **changes):
    fields = {
        "stage": stage, "done": done, "planned": 20, "seconds": 65.0, "left": 30.0, "better": "higher",
        "scores": {"gru": [0.8, 0.9], "lstm": [0.8, 0.8], "linear": [0.84, 0.84]}, "failed": {"svm": "[red]no rows"},
    }  # fmt: skip
    return Progress(**(fields | changes))


def test_without_a_terminal_a_line_comes_with_each_stage_and_every_30_seconds(clock):
    stream = io.StringIO()
    with Screen(time_limit=300, stream=stream) as screen:
        for seconds, stage, done in [(0, "fold 1", 1), (5, "fold 1", 2), (5, "fold 2", 1), (29, "fold 2", 2)]:
            clock[0] += seconds
            screen(progress(stage, done))
        clock[0] += 1
        screen(progress("fold 2", 3))
    lines = stream.getvalue().splitlines()
    assert [line.partition(" of")[0] for line in lines] == ["nnzoo: fold 1: 1", "nnzoo: fold 2: 1", "nnzoo: fold 2: 3"]
    assert lines[0] == (
        "nnzoo: fold 1: 1 of 20, 1 min 05 s, about 30 s left of this; all ends by 5 min 00 s; best so far: gru, 0.850"
    )


def test_on_a_terminal_a_table_tells_means_the_best_and_those_that_failed(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    with Screen(stream=stream) as screen:
        screen(progress())
    text = stream.getvalue()
    assert "finalists: 3 of 20" in text
    assert text.index("gru") < text.index("linear") < text.index("lstm") < text.index("svm")
    assert "0.850" in text
    assert "best" in text
    assert "failed: [red]no rows" in text


def test_a_table_longer_than_the_terminal_says_how_many_more_there_are(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("LINES", "12")
    stream = Terminal()
    with Screen(stream=stream) as screen:
        screen(progress(scores={f"network-{i}": [i / 100] for i in range(30)}, failed={}))
    assert "network-29" in stream.getvalue()
    assert "network-9 " not in stream.getvalue()
    assert "and 24 others" in stream.getvalue()


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with Screen(stream=stream) as screen:
        screen(progress())
    assert stream.getvalue().startswith("nnzoo: finalists: 3 of 20")
    assert "\x1b" not in stream.getvalue()


def test_best_is_not_one_that_was_seen_on_few_folds():
    scores = {"lucky": [0.99], "gru": [0.8] * 5, "lstm": [0.9] * 4, "failed": []}
    assert [name for name, _, _ in ranked(progress(scores=scores))] == ["lstm", "gru", "lucky"]
    assert [name for name, _, _ in ranked(progress(scores=scores, better="lower"))] == ["gru", "lstm", "lucky"]


def test_control_characters_of_a_reason_do_not_reach_the_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Screen(stream=stream) as screen:
        screen(progress(failed={"svm": "a\x1b]0;title\x07 b\nc"}))
    assert "\x1b]0" not in stream.getvalue()


def test_rich_is_loaded_where_there_is_a_table_to_show_and_not_before():
    code = "import sys, nnzoo.comparison.progress as p; p.Screen(); print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
