"""The line of progress: where it shows, what it says."""

import io
import time

import pytest

from nnzoo.training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_line_says_epoch_losses_time_passed_and_time_left(clock):
    stream = Terminal()
    progress = Progress(10, verbose=1, stream=stream)
    clock[0] += 30.0
    progress.update(2.5, lambda: "train loss 0.1")
    assert stream.getvalue() == "\repoch 2.5 of 10  train loss 0.1  30 s, at most 1 min 30 s left"


def test_line_is_written_again_in_place_and_covers_a_longer_one(clock):
    stream = Terminal()
    progress = Progress(10, verbose=1, stream=stream)
    for losses in ("a longer text", "short"):
        clock[0] += 1.0
        progress.update(1, lambda losses=losses: losses)
    first, second = stream.getvalue().split("\r")[1:]
    assert len(second) == len(first)


def test_line_is_not_written_more_often_than_five_times_a_second(clock):
    stream = Terminal()
    progress = Progress(10, verbose=1, stream=stream)
    for _ in range(100):
        clock[0] += 0.01
        progress.update(1, lambda: "x")
    assert 4 <= stream.getvalue().count("\r") <= 6


@pytest.mark.parametrize(
    ("seconds", "words"), [(59.4, "59 s"), (61, "1 min 01 s"), (3599, "59 min 59 s"), (7260, "2 h 01 min")]
)
def test_times_are_said_in_seconds_minutes_or_hours(clock, seconds, words):
    stream = Terminal()
    progress = Progress(2, verbose=1, stream=stream)
    clock[0] += seconds
    progress.update(1, lambda: "")
    assert f"  {words}, at most {words} left" in stream.getvalue()


def test_last_line_stays(clock):
    stream = Terminal()
    Progress(10, verbose=1, stream=stream).finish("done")
    assert stream.getvalue() == "\rdone\n"


@pytest.mark.parametrize(("stream", "verbose"), [(io.StringIO(), 1), (Terminal(), 0)])
def test_nothing_is_written_off_a_terminal_or_when_silent(clock, stream, verbose):
    progress = Progress(10, verbose=verbose, stream=stream)
    clock[0] += 60
    progress.update(1, lambda: "x")
    progress.finish("done")
    assert stream.getvalue() == ""
