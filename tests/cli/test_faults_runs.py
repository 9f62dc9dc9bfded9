"""Faults of runs, case by case, through the command line: interruption, kill, full disk, locks, files that are there."""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import nnzoo
from nnzoo import files
from nnzoo import model as model_module
from nnzoo.cli.running import run
from nnzoo.data import dataset
from nnzoo.files import Lock
from nnzoo.training.loop import Loop
from nnzoo.training.progress import Progress

pytestmark = pytest.mark.usefixtures("folder")

TARGET = ("--target", "label")
NETWORK = ("--network", "feed-forward", "--set", "n_hidden=4", "--set", "early_stopping=false")
LONG = ("train", "people.csv", *TARGET, *NETWORK, "--set", "n_epochs=1500", "--out", "long.nnzoo", "--quiet")
EARLY_CHECKPOINTS = """
import sys
from nnzoo.training import loop
loop.FIRST_CHECKPOINT_SECONDS = 0.1
from nnzoo.cli import main
sys.exit(main(sys.argv[1:]))
"""


def short(*words, out="short.nnzoo"):
    return ("train", "people.csv", *TARGET, *NETWORK, "--set", "n_epochs=6", "--out", out, *words)


def in_own_process(*words):
    """Start a command in its own process, and wait for its first checkpoint."""
    process = subprocess.Popen(
        [sys.executable, "-c", EARLY_CHECKPOINTS, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    pointer = Path("long.nnzoo.run/LATEST")
    while not pointer.exists() and process.poll() is None:
        time.sleep(0.005)
    assert process.poll() is None, process.communicate()
    return process


def signal_in_epoch(monkeypatch, number, epoch):
    """Send this process a signal once so many epochs are done."""
    update = Progress.update

    def update_and_signal(self, epochs_done, losses):
        if epochs_done >= epoch:
            monkeypatch.setattr(Progress, "update", update)
            signal.raise_signal(number)

    monkeypatch.setattr(Progress, "update", update_and_signal)


@pytest.fixture
def nothing_is_read(monkeypatch):
    """Make every attempt to load data fail."""
    monkeypatch.setattr(dataset, "load", None)


def test_C3_ctrl_c_saves_the_best_model_keeps_the_checkpoint_and_says_how_to_resume(cli, monkeypatch):
    cli.done(*short(out="whole.nnzoo"))
    signal_in_epoch(monkeypatch, signal.SIGINT, 3)
    ended = cli(*short())
    assert ended.code == 130
    assert "stopped by Ctrl-C after 3 epochs; the best model so far is saved" in ended.err
    assert os.path.exists("short.nnzoo.run/LATEST")
    assert not os.path.exists("short.nnzoo.run/lock")
    cli.done("predict", "short.nnzoo", "new.csv", "--out", "p.csv")
    resume = shlex.split(next(line for line in ended.err.splitlines() if "Go on with" in line).partition("nnzoo ")[2])
    cli.done(*resume)
    assert Path("short.nnzoo").read_bytes() == Path("whole.nnzoo").read_bytes()
    assert not os.path.exists("short.nnzoo.run")


def test_C3_a_second_ctrl_c_ends_at_once_with_the_old_model_intact(cli, monkeypatch, trained):
    signal_in_epoch(monkeypatch, signal.SIGINT, 3)

    def interrupted(loop):
        if loop.place.stopped:  # not at a checkpoint before the first Ctrl-C
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Loop, "_save_checkpoint", interrupted)
    assert cli(*short(out="m.nnzoo")).code == 130
    assert Path("m.nnzoo").read_bytes() == trained


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_C4_sigterm_ends_with_143_within_10_seconds_and_a_usable_model(cli):
    words = ["n_epochs=100000000" if word.startswith("n_epochs") else word for word in LONG]
    process = in_own_process(*words)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 143
    assert "stopped by SIGTERM" in err
    assert "--resume" in err
    assert os.path.exists("long.nnzoo.run/LATEST")
    cli.done("predict", "long.nnzoo", "new.csv", "--out", "p.csv")


def test_C4_sigterm_outside_training_ends_with_143_and_leaves_nothing(cli, monkeypatch):
    monkeypatch.setattr(dataset, "load", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    before = cli.contents(".")
    assert cli(*short()).code == 143
    assert cli.contents(".") == before


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_C5_a_killed_run_resumes_to_the_bits_of_an_undisturbed_one(cli):
    process = in_own_process(*LONG)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not os.path.exists("long.nnzoo")
    resumed = json.loads(cli.done(*LONG, "--resume", "--json").out)
    whole = ["whole.nnzoo" if word == "long.nnzoo" else word for word in LONG]
    assert json.loads(cli.done(*whole, "--json").out)["sha256"] == resumed["sha256"]
    assert Path("long.nnzoo").read_bytes() == Path("whole.nnzoo").read_bytes()


def test_C5_resume_without_a_checkpoint_is_refused(cli):
    cli.refused(*short("--resume", "--quiet"), code=4, message='"short.nnzoo.run" holds no checkpoint')


def test_C5_resume_with_other_data_is_refused_and_keeps_the_checkpoint(cli, monkeypatch):
    signal_in_epoch(monkeypatch, signal.SIGINT, 2)
    assert cli(*short()).code == 130
    cli.people(119).write_csv("people.csv")
    cli.refused(*short("--resume", "--quiet"), code=4, message="different now: data")


def test_C5_a_new_run_says_that_it_drops_the_checkpoints_of_an_interrupted_one(cli, monkeypatch):
    signal_in_epoch(monkeypatch, signal.SIGINT, 2)
    assert cli(*short()).code == 130
    ended = cli.done(*short())
    assert "checkpoints of an interrupted run are removed; --resume would" in ended.err


def full_disk(monkeypatch, *refusing):
    """Let saving fail in the folders given."""
    write = model_module.write_tensors

    def write_or_fail(path, *rest, **options):
        if any(Path(path).parent == Path(folder) for folder in refusing):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, *rest, **options)

    monkeypatch.setattr(model_module, "write_tensors", write_or_fail)


def test_C6_a_model_that_finds_no_room_goes_to_the_fallback_folder(cli, monkeypatch):
    os.mkdir("spare")
    full_disk(monkeypatch, ".")
    ended = cli.done(*short("--fallback-dir", "spare"))
    assert 'warning: "short.nnzoo" did not take the model (no space left on device)' in ended.err
    assert not os.path.exists("short.nnzoo")
    cli.done("predict", "spare/short.nnzoo", "new.csv", "--out", "p.csv")


def test_C6_a_model_that_finds_no_room_anywhere_is_exit_6_with_the_places_tried(cli, monkeypatch):
    os.mkdir("spare")
    full_disk(monkeypatch, ".", "spare")
    message = r'tried "m\.nnzoo", "spare/m\.nnzoo": no space left on device\.\nMake room .* then train again'
    cli.refused(*short("--fallback-dir", "spare", "--quiet", out="m.nnzoo"), code=6, message=message)


@pytest.mark.parametrize("place", ["absent/m.nnzoo", "people.csv/m.nnzoo", "/proc/m.nnzoo"])
@pytest.mark.usefixtures("nothing_is_read")
def test_C7_a_folder_that_cannot_be_written_is_exit_6_before_any_work(cli, place):
    if place.startswith("/proc") and not os.path.isdir("/proc"):
        pytest.skip("no /proc here")
    message = "needs to be a folder that can be written; got"
    cli.refused(*short(out=place), code=6, message=message)
    cli.refused(*short("--fallback-dir", os.path.dirname(place)), code=6, message=message)
    cli.refused("predict", "m.nnzoo", "new.csv", "--out", place + ".csv", code=6, message=message)
    cli.refused("evaluate", "m.nnzoo", "people.csv", "--html", place + ".html", code=6, message=message)


@pytest.mark.usefixtures("nothing_is_read")
def test_C7_a_folder_that_takes_no_rename_is_exit_6_before_any_work(cli, monkeypatch):
    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files.os, "replace", read_only)
    cli.refused(*short(), code=6, message='"." needs to be a folder that can be written; got: read-only file system')


def test_C10_a_bad_parameter_is_refused_before_the_data_are_read(cli, nothing_is_read):
    for text, message in (
        ("learning_rate=-1", "learning_rate needs a number above 0"),
        ("n_hidden=0", "n_hidden needs a whole number from 1"),
        ("hiden=3", 'no parameter "hiden"'),
    ):
        words = ("train", "people.csv", *TARGET, "--network", "feed-forward", "--out", "short.nnzoo")
        cli.refused(*words, "--set", text, code=2, message=message)


@pytest.mark.usefixtures("nothing_is_read")
def test_C15_a_second_run_in_one_place_is_refused_with_the_pid_of_the_first(cli):
    with Lock("short.nnzoo.run"):
        cli.refused(*short(), code=6, message=rf'"short\.nnzoo\.run" is in use by pid {os.getpid()}\.')


@pytest.mark.usefixtures("nothing_is_read")
def test_D11_no_clobber_refuses_before_anything_is_read(cli):
    cli.refused(*short("--no-clobber", out="m.nnzoo"), code=2, message=r'"m\.nnzoo" is there already, and --no-clobber')


def test_D11_training_over_a_model_keeps_the_old_one_as_bak(cli, trained):
    cli.done(*short(out="m.nnzoo"))
    assert Path("m.nnzoo.bak").read_bytes() == trained
    assert Path("m.nnzoo").read_bytes() != trained


def test_D11_training_that_fails_leaves_the_old_model_alone(cli):
    cli.refused(*short("--column", "city=number", "--quiet", out="m.nnzoo"), code=3, message='column "city"')


def test_D12_an_untrained_model_can_neither_be_saved_nor_asked(cli):
    data = nnzoo.load("people.csv", target="label")
    untrained = nnzoo.build("feed-forward", data)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        untrained.save("untrained.nnzoo")
    with pytest.raises(NotFittedError, match="not fitted yet"):
        nnzoo.predict(untrained, "new.csv")
    with pytest.raises(NotFittedError, match="not fitted yet"):
        nnzoo.evaluate(untrained, data)
    assert not os.path.exists("untrained.nnzoo")


class Raising:
    """A command line that ends with an error."""

    def __init__(self, error):
        self.error = error

    def main(self, args, prog_name):
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (NotFittedError("This FeedForward instance is not fitted yet."), 2, "needs a trained model"),
        (OSError(errno.ENOSPC, "No space left on device", "x.csv"), 6, '"x.csv" cannot be used: no space left'),
        (MemoryError(), 6, "needs more memory than there is"),
        (KeyboardInterrupt(), 130, "^$"),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError: by zero\nThis is a bug in nnzoo. Please report it"),
    ],
)
def test_errors_of_other_makers_have_an_exit_code_and_no_traceback(capsys, error, code, message):
    assert run(Raising(error), ["train"]) == code
    err = capsys.readouterr().err
    assert message.strip("^$") in err
    assert "Traceback" not in err


def test_debug_shows_the_traceback_only_before_the_command(capsys):
    assert run(Raising(ZeroDivisionError("by zero")), ["--debug", "train"]) == 1
    assert "Traceback" in capsys.readouterr().err
    assert run(Raising(ZeroDivisionError("by zero")), ["train", "--debug"]) == 1
    assert "Traceback" not in capsys.readouterr().err


class WarningTwice:
    """A command line that warns its user twice of the same, and a developer once."""

    def main(self, args, prog_name):
        for _ in range(2):
            warnings.warn("something\nis odd", UserWarning)
        warnings.warn("an old name", DeprecationWarning)


def test_equal_warnings_are_one_line_and_those_to_developers_none(capsys):
    assert run(WarningTwice(), ["train"]) == 0
    assert capsys.readouterr().err == "nnzoo: warning: something is odd\n"


def test_the_handler_of_sigterm_is_put_back(cli):
    found = signal.getsignal(signal.SIGTERM)
    cli("list")
    assert signal.getsignal(signal.SIGTERM) is found


def test_random_state_of_the_caller_is_left_alone(cli):
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    cli.done(*short("--quiet"))
    assert (np.random.get_state()[1] == before).all()
