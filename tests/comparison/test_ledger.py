"""The ledger: nothing that was added is lost, nothing torn is believed; fault ids stand in the names."""

import builtins
import errno
import json
import os
import resource
import subprocess
import sys
import time

import pytest

from nnzoo.comparison import ledger as ledger_module
from nnzoo.comparison.ledger import Ledger
from nnzoo.errors import DataError, ResourceError, UsageError

IDENTITY = {"data": "d41d8c", "seed": 0, "options": {"time_limit": 300.0, "networks": ["lstm", "gru"]}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "ledger.jsonl"


def filled(path, n=3):
    with Ledger(path, IDENTITY) as ledger:
        for number in range(n):
            ledger.add(f"unit {number}", {"score": number / 7})
    return ledger


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("in_memory", [True, False])
def test_what_is_added_is_there_and_decisions_are_made_once(path, in_memory):
    made = []
    with Ledger(None if in_memory else path, IDENTITY) as ledger:
        ledger.add("a", {"score": 1.5})
        for number in (1, 2):
            assert ledger.decide("plan", lambda number=number: made.append(number) or {"finalists": ("b", "a")}) == {
                "finalists": ["b", "a"]
            }
        assert ledger.decide("nothing", lambda: None) is None
        assert ledger.decide("nothing", lambda: 1) is None
    assert made == [1]
    assert ledger.results == {"a": {"score": 1.5}}
    assert ledger.seconds == 0


def test_a_later_run_finds_results_in_their_order_decisions_and_the_time_that_was_spent(path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for run, seconds in enumerate((5.0, 2.5)):
        with Ledger(path, IDENTITY) as ledger:
            assert ledger.seconds == (0.0, 5.0)[run]
            ledger.add(f"z{run}", {"score": 1 / 3})
            now[0] += seconds
            assert ledger.decide("plan", lambda run=run: run) == 0
            ledger.add(f"a{run}", {"score": 0.1})
            now[0] += 1000.0
    ledger = Ledger(path, dict(reversed(IDENTITY.items())))
    assert list(ledger.results.items()) == [
        (name, {"score": 1 / 3 if name[0] == "z" else 0.1}) for name in ("z0", "a0", "z1", "a1")
    ]
    assert ledger.decide("plan", lambda: 7) == 0
    assert ledger.seconds == 7.5
    ledger.close()


def test_a_result_that_is_recorded_stands(path):
    with Ledger(path, IDENTITY) as ledger:
        ledger.add("a", {"score": 1})
        ledger.add("a", {"score": 2})
    assert len(lines(path)) == 2
    with path.open("a") as stream:
        stream.write('{"result":"a","run":2,"seconds":0,"value":{"score":3}}\n')
    with Ledger(path, IDENTITY) as ledger:
        assert ledger.results == {"a": {"score": 1}}


def test_every_line_is_on_the_disk_before_add_returns(path, monkeypatch):
    synced, fsync = [], os.fsync

    def noted(descriptor):
        fsync(descriptor)
        synced.append(path.read_bytes().count(b"\n"))

    with Ledger(path, IDENTITY) as ledger:
        monkeypatch.setattr(os, "fsync", noted)
        ledger.add("a", {})
        ledger.decide("plan", lambda: [])
        assert synced == [2, 3]


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_F6_a_torn_last_line_is_dropped_and_the_next_one_takes_its_place(path, cut):
    filled(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with Ledger(path, IDENTITY) as ledger:
        assert list(ledger.results) == ["unit 0", "unit 1"]
        ledger.add("unit 2", {"score": 2 / 7})
    with Ledger(path, IDENTITY) as ledger:
        assert ledger.results == {f"unit {number}": {"score": number / 7} for number in range(3)}


def test_F6_a_ledger_cut_at_any_byte_gives_what_was_whole_or_is_refused_as_none(path):
    filled(path)
    whole = path.read_bytes()
    ends = [number + 1 for number, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        if cut < ends[0]:
            with pytest.raises(DataError, match="needs to be the ledger of a comparison"):
                Ledger(path, IDENTITY)
            continue
        with Ledger(path, IDENTITY) as ledger:
            assert len(ledger.results) == sum(end <= cut for end in ends[1:])


def test_zeros_after_the_last_line_as_a_power_cut_leaves_them_are_dropped(path):
    filled(path)
    with path.open("ab") as stream:
        stream.write(bytes(500))
    with Ledger(path, IDENTITY) as ledger:
        ledger.add("after", {})
    with Ledger(path, IDENTITY) as ledger:
        assert len(ledger.results) == 4


@pytest.mark.parametrize(
    ("line", "match"),
    [
        (b'{"result":"a","run":1,"sec', r'"[^"]*ledger.jsonl", line 3, needs closed brackets'),
        (b"", r"line 3, needs strict JSON"),
        (b"[1]", r"line 3, needs a result or a decision; it has neither"),
        (b'{"result":"a","run":1,"seconds":0}', "line 3, needs a result or a decision"),
        (b'{"result":"a","run":1,"seconds":0,"value":3}', "line 3, needs a result or a decision"),
        (b'{"result":3,"run":1,"seconds":0,"value":{}}', "line 3, needs a result or a decision"),
        (b'{"decision":"a","run":1,"seconds":NaN,"value":3}', "line 3, needs strict JSON; got NaN"),
    ],
)  # fmt: skip
def test_any_other_broken_line_is_named(path, line, match):
    filled(path)
    found = path.read_bytes().split(b"\n")
    found[2] = line
    path.write_bytes(b"\n".join(found))
    with pytest.raises(DataError, match=match):
        Ledger(path, IDENTITY)
    assert not (path.parent / "lock").exists()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"seed": 1}, r"is of another comparison: seed was \"0\", now it is \"1\"\. Give what was given then, or"),
        ({"data": "other", "seed": 1}, 'data was "d41d8c", now it is "other"'),
        ({"options": {"time_limit": None, "networks": ["lstm", "gru"]}}, r'options\.time_limit was "300\.0", now it is "null"'),
        ({"options": {"time_limit": 300.0, "networks": ["lstm", "svm"]}}, r'options\.networks\.2 was "gru", now it is "svm"'),
        ({"options": {"time_limit": 300.0, "networks": ["lstm"]}}, r'options\.networks was .*lstm.*gru.*, now it is .*lstm'),
        ({"more": True}, 'more was not there, now it is "true"'),
    ],
)  # fmt: skip
def test_the_ledger_of_another_comparison_is_refused_with_the_first_thing_that_differs(path, change, match):
    filled(path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=match):
        Ledger(path, IDENTITY | change)
    assert path.read_bytes() == before
    assert not (path.parent / "lock").exists()


def test_a_number_that_is_written_otherwise_is_no_difference(path):
    filled(path)
    same = {"data": "d41d8c", "seed": 0, "options": {"time_limit": 300, "networks": ("lstm", "gru")}}
    with Ledger(path, same) as ledger:
        assert len(ledger.results) == 3


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"[]\n", b"{}\n", b'{"format":"nnzoo model"}\n', b"\0" * 50])
def test_a_file_that_is_no_ledger_is_refused_and_stays(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DataError, match="needs to be the ledger of a comparison; it is not"):
        Ledger(path, IDENTITY)
    assert path.read_bytes() == content


def test_a_ledger_of_a_later_format_is_refused(path):
    filled(path)
    path.write_bytes(path.read_bytes().replace(b'"format_version":1', b'"format_version":2'))
    with pytest.raises(DataError, match="has ledger format 2; this nnzoo reads 1"):
        Ledger(path, IDENTITY)


def test_an_empty_file_is_begun(path):
    path.parent.mkdir()
    path.touch()
    filled(path)
    assert len(lines(path)) == 4


def test_without_resume_an_older_ledger_is_replaced_and_kept_beside(path):
    filled(path)
    before = path.read_bytes()
    with Ledger(path, IDENTITY | {"seed": 9}, resume=False) as ledger:
        assert ledger.results == {}
        ledger.add("new", {})
    assert len(lines(path)) == 2
    assert path.with_name("ledger.jsonl.bak").read_bytes() == before


def test_C15_a_second_run_on_one_ledger_is_refused_even_to_replace_it(path):
    with Ledger(path, IDENTITY) as ledger:
        ledger.add("a", {})
        before = path.read_bytes()
        for resume in (True, False):
            with pytest.raises(ResourceError, match=f"is in use by pid {os.getpid()}"):
                Ledger(path, IDENTITY, resume=resume)
        assert path.read_bytes() == before
        ledger.add("b", {})
    assert len(filled(path).results) == 5


def test_C15_the_ledger_of_a_killed_run_is_taken_over(path):
    code = f"""if True:
        import os, pathlib, signal
        from nnzoo.comparison.ledger import Ledger
        ledger = Ledger(pathlib.Path({str(path)!r}), {IDENTITY!r})
        ledger.add("a", {{}})
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert (path.parent / "lock").exists()
    with Ledger(path, IDENTITY) as ledger:
        assert ledger.results == {"a": {}}


def test_C7_a_folder_that_cannot_be_made_is_refused(tmp_path):
    with pytest.raises(ResourceError, match="needs to be a folder that can be written"):
        Ledger(tmp_path / "not" / "there" / "ledger.jsonl", IDENTITY)


def test_C6_a_disk_that_is_full_from_the_start_is_refused(path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ledger_module.files, "atomic_write", full)
    with pytest.raises(ResourceError, match=r"ledger.jsonl\" cannot be written: no space left on device\. Choose"):
        Ledger(path, IDENTITY)
    assert not (path.parent / "lock").exists()


def test_C6_a_full_disk_costs_one_warning_and_what_it_did_not_take_is_written_later(path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Ledger(path, IDENTITY) as ledger:
        ledger.add("a", {"score": 1})
        good = path.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(good) + 20, hard))
        try:
            with pytest.warns(UserWarning, match=r"took no record: file too large\. The comparison goes on in memory"):
                ledger.add("b", {"score": 2})
            ledger.add("c", {"score": 3})
            assert ledger.decide("plan", lambda: 4) == 4
            assert list(ledger.results) == ["a", "b", "c"]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes()[: len(good)] == good
        ledger.add("d", {"score": 5})
        assert len(lines(path)) == 6
    with Ledger(path, IDENTITY) as again:
        assert again.results == ledger.results
        assert again.decide("plan", lambda: 5) == 4


def test_C6_what_the_disk_did_not_take_is_tried_once_more_at_the_end(path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with Ledger(path, IDENTITY) as ledger:
        monkeypatch.setattr(builtins, "open", full)
        with pytest.warns(UserWarning, match="took no record: no space left on device"):
            ledger.add("a", {})
        monkeypatch.undo()
        assert len(lines(path)) == 1
    assert len(lines(path)) == 2


def test_C7_a_folder_that_goes_on_the_way_costs_a_warning(path):
    with Ledger(path, IDENTITY) as ledger:
        path.unlink()
        with pytest.warns(UserWarning, match="took no record: no such file or directory"):
            ledger.add("a", {})
    assert ledger.results == {"a": {}}


@pytest.mark.parametrize("value", [float("nan"), {1}, {"a": object()}, {2: 3}])
def test_what_is_not_plain_json_is_refused_before_anything_is_written(path, value):
    with Ledger(path, IDENTITY) as ledger:
        with pytest.raises(DataError, match='The result of "a" needs'):
            ledger.add("a", {"score": value})
        with pytest.raises(DataError, match='The decision of "b" needs'):
            ledger.decide("b", lambda: [value])
        assert ledger.results == {}
    assert len(lines(path)) == 1
