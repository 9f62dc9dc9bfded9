"""Units through both back ends: workers that crash, hang and are killed cost nobody else's work."""

import contextlib
import importlib
import json
import math
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

import nnzoo
from nnzoo.comparison import executor as executor_module
from nnzoo.comparison.executor import Failure, Inline, Processes, Unit, n_processors
from nnzoo.errors import ClusterError, DataError, UsageError

HERE = Path(__file__).parent
POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
IMPORTS = f"""
import sys
sys.path[:0] = [{str(HERE)!r}, {str(Path(nnzoo.__file__).parents[1])!r}]
import chores
from nnzoo.comparison.executor import Processes, Unit
"""


@pytest.fixture
def chores(monkeypatch):
    """Give the module with the work, which workers can import as well."""
    monkeypatch.syspath_prepend(HERE)
    return importlib.import_module("chores")


@pytest.fixture
def one(chores):
    with Processes(chores.make, n_workers=1) as executor:
        yield executor


def do(executor, *units):
    return [(unit.id, found) for unit, found in executor.run(units)]


def unit(kind, id="unit", seconds=math.inf, **work):
    return Unit(id, {"kind": kind, **work}, seconds)


def alive(pids):
    """Return which processes have not ended."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.append(pid)
    return found


def members(session):
    """Return the processes that a process has started, and theirs: those of its session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[3]) == session:
                found.append(int(path.parent.name))
    return alive(found)


def gone(look, seconds=20.0):
    """Wait until nothing is found any more; return what is still there."""
    end = time.monotonic() + seconds
    while (found := look()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def start(code, *words, **options):
    """Start Python code as a script in a session of its own."""
    command = [sys.executable, *(["-c", IMPORTS + code] if isinstance(code, str) else [code]), *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, start_new_session=True, **(pipes | options))


# Both back ends


@pytest.fixture(params=["inline", "processes"])
def either(request, chores):
    with Inline(chores.make) if request.param == "inline" else Processes(chores.make, n_workers=1) as executor:
        yield executor


def test_every_unit_gives_plain_json_or_a_failure_that_says_why(either):
    found = do(
        either,
        unit("double", "a", x=2),
        unit("double", "b", x="?"),
        unit("fail"),
        unit("memory"),
        unit("torch memory"),
        unit("double", "missing"),
        unit("not plain"),
        unit("odd"),
        unit("double", "last", x=[1]),
    )
    assert found == [
        ("a", {"double": 4}),
        ("b", {"double": "??"}),
        ("unit", Failure("error", "X needs 3 columns; got 2.")),
        ("unit", Failure("memory", "memory ran out (MemoryError)")),
        ("unit", Failure("memory", "The batch does not fit.")),
        ("missing", Failure("error", "KeyError: 'x'")),
        ("unit", Failure("error", 'Its result needs plain values; got set at "result.score".')),
        ("unit", {"nan": None, "tuple": [1, 2.5, None], "nested": {"b": [None, True], "a": "ü"}}),
        ("last", {"double": [1, 1]}),
    ]


def test_the_next_unit_is_taken_when_a_worker_is_free_and_all_results_so_far_are_known(either):
    known = []

    def units():
        for number in range(4):
            assert len(known) == number
            yield unit("double", str(number), x=known[-1]["double"] if known else 1)

    for _, found in either.run(units()):
        known.append(found)
    assert [found["double"] for found in known] == [2, 4, 8, 16]


def test_no_units_ask_for_no_work(either, monkeypatch):
    monkeypatch.setattr(either, "make", None)
    assert do(either) == []


def test_an_error_of_the_iterable_comes_through_and_the_executor_can_be_used_again(either):
    def units():
        yield unit("double", x=1)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(either.run(units()))
    assert do(either, unit("double", x=2)) == [("unit", {"double": 4})]


def test_work_that_cannot_begin_is_an_error_with_its_reason(chores):
    with Inline(chores.make_nothing) as executor, pytest.raises(DataError, match="The table is gone. Look for it."):
        do(executor, unit("double", x=1))
    with (
        Processes(chores.make_nothing, n_workers=1) as executor,
        pytest.raises(ClusterError, match=r"A worker cannot begin: The table is gone\. Use fewer workers"),
    ):
        do(executor, unit("double", x=1))


def test_a_unit_that_is_not_plain_json_is_refused(either):
    with pytest.raises(DataError, match='"unit" needs plain values; got object at "work.x"'):
        do(either, unit("double", x=object()))


# Processes


def test_F6_a_killed_worker_is_replaced_and_its_unit_tried_once_more(chores, tmp_path):
    with Processes(partial(chores.make, tmp_path), n_workers=2) as executor:
        found = dict(
            do(
                executor,
                unit("kill once", "once", mark=str(tmp_path / "mark")),
                unit("kill", "always"),
                unit("end", "ends", code=7),
                *(unit("double", str(x), x=x) for x in range(5)),
            )
        )
    assert found.pop("once") == {"done": True}
    killed = "its process was ended by SIGKILL, as happens when memory runs out, in two attempts"
    assert found.pop("always") == Failure("crash", killed)
    assert found.pop("ends") == Failure("crash", "its process ended with exit code 7, in two attempts")
    assert found == {str(x): {"double": 2 * x} for x in range(5)}
    tries = [line.split(maxsplit=2) for line in (tmp_path / "attempts").read_text().splitlines()]
    for name, n_tries in {"once": 2, "always": 2, "ends": 2, "0": 1, "4": 1}.items():
        pids = [pid for _, pid, tried in tries if tried == name]
        assert len(set(pids)) == len(pids) == n_tries
    assert not alive({pid for _, pid, _ in tries})


def test_F6_a_unit_past_its_limit_is_killed_and_the_others_go_on(chores, tmp_path):
    with Processes(partial(chores.make, tmp_path), n_workers=2) as executor:
        found = dict(do(executor, unit("hang", "hangs", 0.1), *(unit("double", str(x), 60, x=x) for x in range(5))))
    assert found.pop("hangs") == Failure("hang", "it did not end within its limit of time, in two attempts")
    assert found == {str(x): {"double": 2 * x} for x in range(5)}
    tries = (tmp_path / "attempts").read_text().splitlines()
    assert len([line for line in tries if line.endswith("hangs")]) == 2


def test_a_worker_that_was_killed_while_it_waited_is_replaced(one):
    ((_, found),) = do(one, unit("wait", **{"for": 0}))
    os.kill(found["pid"], signal.SIGKILL)
    ((_, again),) = do(one, unit("wait", **{"for": 0}))
    assert again["pid"] != found["pid"]


def test_workers_stay_for_the_next_run_and_end_with_the_executor(one):
    pids = [do(one, unit("wait", **{"for": 0}))[0][1]["pid"] for _ in range(3)]
    assert len(set(pids)) == 1
    assert alive(pids)
    one.close()
    one.close()
    assert not alive(pids)
    assert do(one, unit("double", x=1)) == [("unit", {"double": 2})]


def test_a_run_that_is_given_up_leaves_no_work_behind(chores):
    with Processes(chores.make, n_workers=2) as executor:
        run = executor.run([unit("wait", "long"), unit("double", "short", x=1)])
        assert next(run)[0].id == "short"
        run.close()
        assert len(multiprocessing.active_children()) == 1
        assert do(executor, unit("double", x=3)) == [("unit", {"double": 6})]


def test_a_run_ends_when_its_executor_is_closed_on_the_way(chores):
    with Processes(chores.make, n_workers=2) as executor:
        for number, _ in enumerate(executor.run([unit("double", str(x), x=x) for x in range(20)])):
            time.sleep(0.03)  # so that both workers have something to say
            if number == 3:
                executor.close()
    assert number == 3
    assert multiprocessing.active_children() == []


def test_the_first_worker_works_while_the_others_start(chores, tmp_path):
    with Processes(partial(chores.make_first_at_once, tmp_path), n_workers=2) as executor:
        found = do(executor, *(unit("wait", str(x), **{"for": 0}) for x in range(4)))
        assert len({result["pid"] for _, result in found}) == 1
        assert sorted(worker.is_ready for worker in executor._workers) == [False, True]
    assert multiprocessing.active_children() == []


def test_long_messages_and_threads(chores):
    with Processes(chores.make, n_workers=1, threads=3) as executor:
        found = dict(
            do(
                executor,
                unit("double", "long", x="ab" * 500_000),
                unit("threads", "threads"),
                unit("say", letters=10**6),
            )
        )
    assert found["long"] == {"double": "ab" * 1_000_000}
    assert found["unit"] == {"text": "x" * 10**6}
    assert found["threads"] == {"OMP": "3", "heavy": []}
    assert os.environ.get("OMP_NUM_THREADS") != "3"


def test_workers_that_die_while_they_start_are_tried_twice_each_and_no_more(chores):
    with Processes(chores.make_and_die, n_workers=1) as executor:
        with pytest.raises(ClusterError, match="Workers cannot start: its process ended with exit code 3"):
            do(executor, unit("double", x=1))
        assert multiprocessing.active_children() == []


def test_workers_that_are_never_ready_are_given_up(chores, tmp_path, monkeypatch):
    monkeypatch.setattr(executor_module, "START_SECONDS", 0.2)
    (tmp_path / "first").touch()
    with (
        Processes(partial(chores.make_first_at_once, tmp_path), n_workers=1) as executor,
        pytest.raises(ClusterError, match=r"Workers cannot start: they are not ready in time\. Use fewer workers, or"),
    ):
        do(executor, unit("double", x=1))


def test_work_of_the_script_itself_is_refused_with_what_is_missing(one, monkeypatch):
    def make():
        return None

    make.__module__, make.__qualname__ = "__main__", "make"
    monkeypatch.setattr(sys.modules["__main__"], "make", make, raising=False)
    one.make = make
    with pytest.raises(ClusterError, match=r"A worker cannot begin: AttributeError: .*'make'"):
        do(one, unit("double", x=1))


def test_the_clock_of_limits_stands_still_while_this_process_does(chores, monkeypatch):
    now = [50.0]
    monkeypatch.setattr(executor_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    executor = Processes(chores.make)
    assert executor._now() == 0
    now[0] += 0.5
    assert executor._now() == 0.5
    now[0] += 3600  # the lid was closed
    assert executor._now() == 0.5 + 2 * executor_module.TICK


@pytest.mark.parametrize("wrong", [{"n_workers": 0}, {"threads": 0}])
def test_no_workers_or_threads_are_refused(chores, wrong):
    with pytest.raises(UsageError, match="Workers and threads need to be at least 1"):
        Processes(chores.make, **wrong)


def test_a_worker_starts_no_workers(chores, monkeypatch):
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {"daemon": True})
    with pytest.raises(UsageError, match=r"it can start no others\. Say n_workers=0"):
        Processes(chores.make)


def test_a_process_that_cannot_be_started_is_an_error_of_the_cluster(one, monkeypatch):
    def refuse():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(executor_module, "_main_hidden", refuse)
    with pytest.raises(ClusterError, match=r"A worker cannot be started: Resource temporarily unavailable\. Use fewer"):
        do(one, unit("double", x=1))


def test_the_number_of_processors_is_that_of_this_process_and_at_most_eight(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(3)), raising=False)
    assert n_processors() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
    assert n_processors() == 8
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert n_processors() == 1


def test_a_script_without_a_guard_runs_once_and_its_workers_keep_standard_output_clean(tmp_path):
    code = """
print("once")
with Processes(chores.make, n_workers=2) as executor:
    for unit, found in executor.run([Unit("a", {"kind": "say", "letters": 3}), Unit("b", {"kind": "double", "x": 2})]):
        print(unit.id, len(found))
"""
    script = tmp_path / "script.py"
    script.write_text(IMPORTS + code)
    process = start(script)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, sorted(out.splitlines())) == (0, ["a 1", "b 1", "once"])
    assert err == "from a worker\n"
    assert not gone(lambda: members(process.pid))


AT_WORK = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup has ignored, in the tests and so in what they start
way, folder = sys.argv[1:]
with Processes(chores.make, n_workers=2) as executor:
    for _ in executor.run(Unit(str(n), {"kind": way, "mark": f"{folder}/{n}"}) for n in range(4)):
        pass
"""


@pytest.fixture(params=["wait", "hang"])
def at_work(request, tmp_path):
    """Start a process whose two workers are in the middle of units; those that hang do not end at SIGTERM."""
    process = start(AT_WORK, request.param, tmp_path)
    assert not gone(lambda: len(os.listdir(tmp_path)) < 2)
    assert len(members(process.pid)) >= 3
    yield process
    assert not gone(lambda: members(process.pid))


@POSIX
def test_C3_ctrl_c_for_all_processes_ends_them_and_only_the_first_one_speaks(at_work):
    os.killpg(at_work.pid, signal.SIGINT)
    out, err = at_work.communicate(timeout=60)
    assert out == ""
    assert err.count("Traceback") == 1
    assert err.endswith("KeyboardInterrupt\n")


@POSIX
def test_C3_a_second_ctrl_c_ends_at_once_and_leaves_nothing(at_work):
    for _ in range(2):
        os.killpg(at_work.pid, signal.SIGINT)
        time.sleep(0.1)
    assert "KeyboardInterrupt" in at_work.communicate(timeout=60)[1]


@POSIX
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_F6_nothing_outlives_a_driver_that_is_killed_in_the_middle_of_its_units(at_work, number):
    at_work.send_signal(number)
    assert at_work.communicate(timeout=60) == ("", "")
    assert at_work.returncode == -number


@POSIX
def test_a_broken_pipe_of_the_driver_ends_its_workers():
    code = """
with Processes(chores.make, n_workers=2) as executor:
    for unit, found in executor.run(Unit(str(n), {"kind": "double", "x": n}) for n in range(10**6)):
        print(unit.id, flush=True)
"""
    process = start(code)
    assert process.stdout.readline()
    process.stdout.close()
    assert "BrokenPipeError" in process.stderr.read()
    process.wait(timeout=60)
    process.stderr.close()
    assert not gone(lambda: members(process.pid))


def test_importing_the_executor_loads_neither_torch_nor_numpy():
    code = "import sys, nnzoo.comparison.executor; print({'torch', 'numpy', 'sklearn', 'polars'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.slow
def test_torch_in_a_worker_uses_the_threads_that_it_was_given(monkeypatch, tmp_path):
    (tmp_path / "with_torch.py").write_text(
        "import torch\ndef make():\n    return lambda unit: {'threads': torch.get_num_threads()}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    make = importlib.import_module("with_torch").make
    for threads in (1, 2):
        with Processes(make, n_workers=1, threads=threads) as executor:
            assert do(executor, Unit("a", {})) == [("a", {"threads": threads})]


# T9 of the specification


def swept(folder, backend, n_kills, draw):
    """Run a sweep to its end, killing it at random moments; return what the ledger held in the end.

    Nothing that the ledger holds when a run starts is tried in that run.
    """
    folder.mkdir()
    for run in range(n_kills + 1):
        recorded = names_in(folder / "ledger.jsonl")
        process = start(HERE / "sweeping.py", folder, backend, run)
        if run < n_kills:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0.1, 2.5))
            process.kill()
        out, err = process.communicate(timeout=60)
        assert not gone(lambda pid=process.pid: members(pid))
        assert not recorded & tried_in(folder / "attempts", run)
    assert process.returncode == 0, err
    return json.loads(out)


def names_in(ledger):
    lines = ledger.read_text().splitlines(keepends=True)[1:] if ledger.exists() else []
    names = [json.loads(line)["result"] for line in lines if line.endswith("\n")]
    assert len(set(names)) == len(names)
    return set(names)


def tried_in(attempts, run):
    lines = attempts.read_text().splitlines() if attempts.exists() else []
    return {name for number, _, name in (line.split(maxsplit=2) for line in lines) if number == str(run)}


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("backend", ["inline", "processes"])
def test_T9_a_sweep_whose_driver_is_killed_twice_ends_with_the_same_results_and_repeats_nothing(
    backend, tmp_path, request
):
    rounds = 20 if request.config.getoption("--soak") else 1
    for number in range(rounds):
        whole = swept(tmp_path / f"whole {number}", backend, 0, None)
        kinds = [result["failure"][0] for result in whole.values() if "failure" in result]
        assert len(whole) == 50
        assert {kind: kinds.count(kind) for kind in set(kinds)} == (
            {"error": 5, "memory": 1} | ({"crash": 3, "hang": 2} if backend == "processes" else {})
        )
        assert swept(tmp_path / f"killed {number}", backend, 2, random.Random(number)) == whole
