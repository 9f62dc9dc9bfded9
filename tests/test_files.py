"""Opening, atomic writing and locking; fault ids of the specification stand in the names."""

import errno
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nnzoo import files
from nnzoo.errors import DataError, ModelFileError, ResourceError

SRC = str(Path(files.__file__).parents[1])
POINTS = ["after-temp-write", "before-rename", "after-rename"]


def start_python(code, *arguments):
    environment = {**os.environ, "PYTHONPATH": SRC}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def no_blocking():
    """Turn a call that blocks into a failure."""

    def ring(*_):
        raise TimeoutError("the call blocked")

    old = signal.signal(signal.SIGALRM, ring)
    signal.alarm(5)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


class TestOpenRegular:
    def test_gives_the_bytes_of_a_file_and_of_a_link_to_it(self, tmp_path):
        (tmp_path / "a.csv").write_bytes(b"x\r\n")
        (tmp_path / "b.csv").symlink_to("a.csv")
        for name in ("a.csv", "b.csv"):
            with files.open_regular(tmp_path / name) as stream:
                assert stream.read() == b"x\r\n"

    def test_A20_refuses_a_directory(self, tmp_path):
        with pytest.raises(DataError, match=r"needs to be a regular file; it is a directory\. Give a file\."):
            files.open_regular(tmp_path)

    def test_A20_refuses_a_pipe_without_blocking(self, tmp_path, no_blocking):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match="needs to be a regular file; it is a pipe"):
            files.open_regular(tmp_path / "pipe")

    def test_A20_refuses_a_pipe_that_takes_the_place_of_a_file(self, tmp_path, no_blocking, monkeypatch):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "file").touch()
        real = os.open
        monkeypatch.setattr(os, "open", lambda path, flags: real(tmp_path / "pipe", flags))
        with pytest.raises(DataError, match="it is a pipe"):
            files.open_regular(tmp_path / "file")

    def test_A20_refuses_an_endless_device(self, no_blocking):
        with pytest.raises(DataError, match="it is a device"):
            files.open_regular("/dev/zero")

    def test_A20_refuses_a_socket(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)  # the address of a socket must be short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
            with pytest.raises(DataError, match="it is a socket"):
                files.open_regular("socket")

    def test_A20_refuses_a_loop_of_links(self, tmp_path):
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        with pytest.raises(DataError, match="cannot be opened: its links form a loop"):
            files.open_regular(tmp_path / "a")

    def test_refuses_a_link_if_told_and_names_the_file_behind_it(self, tmp_path):
        (tmp_path / "a").touch()
        (tmp_path / "b").symlink_to("a")
        with pytest.raises(ModelFileError, match=r"it is a link\. Give the file itself: .*"):
            files.open_regular(tmp_path / "b", ModelFileError, follow=False)

    def test_refuses_a_link_that_takes_the_place_of_a_file(self, tmp_path, monkeypatch):
        (tmp_path / "a").touch()
        (tmp_path / "b").symlink_to("a")
        monkeypatch.setattr(os, "stat", lambda *_, **__: os.lstat(tmp_path / "a"))
        with pytest.raises(ModelFileError, match="cannot be opened: its links form a loop"):
            files.open_regular(tmp_path / "b", ModelFileError, follow=False)

    def test_A21_names_the_nearest_file(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("train.csv").touch()
        with pytest.raises(DataError, match=r'^"trian.csv" was not found\. Did you mean "train.csv"\?$'):
            files.open_regular("trian.csv")

    def test_A21_says_that_the_folder_is_missing(self, tmp_path):
        with pytest.raises(DataError, match=r'was not found\. There is no folder ".*/nowhere"'):
            files.open_regular(tmp_path / "nowhere" / "a.csv")

    def test_A21_says_that_the_folder_is_empty(self, tmp_path):
        with pytest.raises(ModelFileError, match=r"was not found\. Its folder holds no files; check the path"):
            files.open_regular(tmp_path / "a.nnzoo", ModelFileError)

    def test_A21_says_that_a_file_is_not_readable(self, tmp_path, monkeypatch):
        def refuse(*_):
            raise PermissionError(errno.EACCES, "Permission denied")

        (tmp_path / "a").touch()
        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(DataError, match=r"cannot be opened: permission denied\. Check the path and the rights"):
            files.open_regular(tmp_path / "a")

    def test_refuses_a_name_with_a_nul_character(self):
        with pytest.raises(DataError, match=r'"a\\x00b" cannot be the name of a file'):
            files.open_regular("a\0b")

    def test_shows_the_last_part_of_a_long_path(self):
        assert files.shown("d/" * 60 + "end.csv") == '"…/end.csv"'

    def test_leaves_no_descriptor_open_when_it_refuses(self, tmp_path, monkeypatch):
        before = len(os.listdir("/proc/self/fd"))
        self.test_A20_refuses_a_pipe_that_takes_the_place_of_a_file(tmp_path, None, monkeypatch)
        assert len(os.listdir("/proc/self/fd")) == before


class TestAtomicWrite:
    def test_writes_bytes_and_pieces(self, tmp_path):
        for data in (b"abc", bytearray(b"abc"), memoryview(b"abc"), [b"a", b"", memoryview(b"bc")], iter([b"abc"])):
            files.atomic_write(tmp_path / "f", data)
            assert (tmp_path / "f").read_bytes() == b"abc"
            (tmp_path / "f").unlink()

    def test_takes_a_name_of_255_bytes(self, tmp_path):
        name = "ü" * 127 + "x"
        files.atomic_write(tmp_path / name, b"abc")
        assert os.listdir(tmp_path) == [name]

    def test_a_new_file_has_mode_0600_and_a_replaced_one_keeps_its_mode(self, tmp_path):
        files.atomic_write(tmp_path / "f", b"a")
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600
        (tmp_path / "f").chmod(0o644)
        files.atomic_write(tmp_path / "f", b"b")
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o644

    @pytest.mark.parametrize("point", POINTS)
    @pytest.mark.parametrize("backup", [False, True])
    def test_D1_a_kill_leaves_a_whole_file_and_nothing_in_the_way(self, tmp_path, point, backup):
        code = """if True:
            import os, signal, sys
            from nnzoo import files
            def crash(name):
                if name == sys.argv[2]:
                    os.kill(os.getpid(), signal.SIGKILL)
            files.crash_point = crash
            files.atomic_write(sys.argv[1], b"new", backup=sys.argv[3] == "True")
        """
        target = tmp_path / "f"
        target.write_bytes(b"old")
        process = start_python(code, target, point, backup)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert target.read_bytes() == (b"new" if point == "after-rename" else b"old")
        assert (".f.00.tmp" in os.listdir(tmp_path)) == (point != "after-rename")
        files.atomic_write(target, b"newer", backup=backup)
        assert target.read_bytes() == b"newer"
        assert {path.name for path in tmp_path.iterdir()} <= {"f", "f.bak"}

    def test_D1_leftovers_are_removed_but_not_what_another_is_writing(self, tmp_path):
        (tmp_path / ".g.07.tmp").write_bytes(b"half")
        (tmp_path / ".g.07.bak").write_bytes(b"half")
        (tmp_path / ".other").write_bytes(b"kept")

        def pieces():
            yield b"new"
            files.remove_leftovers(tmp_path)
            assert sorted(os.listdir(tmp_path)) == [".f.00.tmp", ".other"]

        files.atomic_write(tmp_path / "f", pieces())
        assert (tmp_path / "f").read_bytes() == b"new"

    def test_D1_a_file_that_is_taken_by_a_cleaner_before_it_is_locked_is_made_anew(self, tmp_path, monkeypatch):
        real, calls = files._flock, []

        def snatch(descriptor, *, wait):
            calls.append(wait)
            if calls == [True]:
                (tmp_path / ".f.00.tmp").unlink()
            real(descriptor, wait=wait)

        monkeypatch.setattr(files, "_flock", snatch)
        files.atomic_write(tmp_path / "f", b"new")
        assert os.listdir(tmp_path) == ["f"]
        assert calls.count(True) == 2

    def test_D1_a_cleaner_does_not_remove_what_took_the_name_of_a_finished_file(self, tmp_path, monkeypatch):
        leftover = tmp_path / ".f.00.tmp"
        leftover.write_bytes(b"finished")

        def finish(descriptor, *, wait):
            leftover.rename(tmp_path / "f")
            leftover.write_bytes(b"being written")

        monkeypatch.setattr(files, "_flock", finish)
        files.remove_leftovers(tmp_path)
        assert leftover.read_bytes() == b"being written"
        assert (tmp_path / "f").read_bytes() == b"finished"

    def test_D1_two_writers_of_one_target_do_not_meet(self, tmp_path):
        contents = [bytes([number]) * 5000 for number in range(4)]

        def write(content):
            for _ in range(15):
                files.atomic_write(tmp_path / "f", [content[:2500], content[2500:]], backup=True)

        threads = [threading.Thread(target=write, args=(content,)) for content in contents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (tmp_path / "f").read_bytes() in contents
        assert (tmp_path / "f.bak").read_bytes() in contents
        assert sorted(os.listdir(tmp_path)) == ["f", "f.bak"]

    def test_D1_gives_up_when_all_temporary_names_are_taken(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "MAX_TEMPORARIES", 2)
        for number in range(2):
            (tmp_path / f".f.0{number}.tmp").mkdir()
        with pytest.raises(FileExistsError, match="too many temporary files"):
            files.atomic_write(tmp_path / "f", b"x")

    def test_D3_the_temporary_file_lies_in_the_folder_of_the_target(self, tmp_path, monkeypatch):
        folder = tmp_path / "out"
        folder.mkdir()
        seen = []
        monkeypatch.setattr(files, "crash_point", lambda name: seen.append((name, os.listdir(folder))))
        monkeypatch.setenv("TMPDIR", "/nowhere")
        files.atomic_write(folder / "f", b"x")
        assert seen == [(POINTS[0], [".f.00.tmp"]), (POINTS[1], [".f.00.tmp"]), (POINTS[2], ["f"])]

    def test_D4_file_then_rename_then_folder_reach_the_disk_in_this_order(self, tmp_path, monkeypatch):
        calls = []
        real_fsync, real_replace = os.fsync, os.replace

        def fsync(descriptor):
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            calls.append(("fsync folder",) if is_folder else ("fsync file", os.fstat(descriptor).st_size))
            real_fsync(descriptor)

        def replace(old, new):
            calls.append(("replace", Path(old).name, Path(new).name))
            real_replace(old, new)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "replace", replace)
        files.atomic_write(tmp_path / "f", [b"ab", b"c"])
        assert calls == [("fsync file", 3), ("replace", ".f.00.tmp", "f"), ("fsync folder",)]

    def test_C6_a_full_disk_leaves_the_old_file_and_no_temporary_one(self, tmp_path):
        (tmp_path / "f").write_bytes(b"old")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                files.atomic_write(tmp_path / "f", [bytes(60_000)] * 3, backup=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert os.listdir(tmp_path) == ["f"]
        assert (tmp_path / "f").read_bytes() == b"old"

    def test_an_interrupt_in_the_content_leaves_the_old_file(self, tmp_path):
        def pieces():
            yield b"new"
            raise KeyboardInterrupt

        (tmp_path / "f").write_bytes(b"old")
        with pytest.raises(KeyboardInterrupt):
            files.atomic_write(tmp_path / "f", pieces())
        assert os.listdir(tmp_path) == ["f"]
        assert (tmp_path / "f").read_bytes() == b"old"

    @pytest.mark.parametrize("with_links", [True, False])
    def test_D11_the_old_file_stays_as_bak_and_open_readers_keep_theirs(self, tmp_path, monkeypatch, with_links):
        def refuse(*_, **__):
            raise OSError(errno.EOPNOTSUPP, "no hard links")

        if not with_links:
            monkeypatch.setattr(os, "link", refuse)
        (tmp_path / "m.nnzoo").write_bytes(b"old")
        (tmp_path / "m.nnzoo.bak").write_bytes(b"older")
        with open(tmp_path / "m.nnzoo", "rb") as reader:
            files.atomic_write(tmp_path / "m.nnzoo", b"new", backup=True)
            assert reader.read() == b"old"
        assert sorted(os.listdir(tmp_path)) == ["m.nnzoo", "m.nnzoo.bak"]
        assert (tmp_path / "m.nnzoo.bak").read_bytes() == b"old"
        assert (tmp_path / "m.nnzoo").read_bytes() == b"new"

    def test_D11_a_first_save_leaves_no_bak(self, tmp_path):
        files.atomic_write(tmp_path / "f", b"x", backup=True)
        assert os.listdir(tmp_path) == ["f"]

    def test_replaces_a_link_and_not_the_file_behind_it(self, tmp_path):
        (tmp_path / "a").write_bytes(b"old")
        (tmp_path / "b").symlink_to("a")
        files.atomic_write(tmp_path / "b", b"new", backup=True)
        assert (tmp_path / "a").read_bytes() == b"old"
        assert (tmp_path / "b").read_bytes() == b"new"
        assert os.readlink(tmp_path / "b.bak") == "a"


class TestCheckWritable:
    def test_C7_takes_a_good_folder_and_leaves_nothing_in_it(self, tmp_path):
        files.check_writable(tmp_path)
        assert os.listdir(tmp_path) == []

    def test_C7_refuses_a_folder_that_is_gone(self, tmp_path):
        with pytest.raises(ResourceError, match="needs to be a folder that can be written; got: no such file"):
            files.check_writable(tmp_path / "gone")

    def test_C7_refuses_a_file(self, tmp_path):
        (tmp_path / "f").touch()
        with pytest.raises(ResourceError, match=r"got: not a directory\. Give another\."):
            files.check_writable(tmp_path / "f")

    @pytest.mark.parametrize("step", ["open", "fsync", "replace"])
    def test_C7_refuses_a_folder_where_a_step_of_the_write_fails(self, tmp_path, monkeypatch, step):
        def refuse(*_):
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(os, step, refuse)
        with pytest.raises(ResourceError, match="got: read-only file system"):
            files.check_writable(tmp_path)


def write_lock(folder, **holder):
    (folder / "lock").write_text(json.dumps({"host": socket.gethostname(), "pid": 1, "started": None, **holder}))


def started(pid):
    process = files._process(pid)
    return process and process[1]


class TestLock:
    def test_makes_the_folder_and_leaves_no_lock_behind(self, tmp_path):
        with files.Lock(tmp_path / "run"):
            assert os.listdir(tmp_path / "run") == ["lock"]
        assert os.listdir(tmp_path / "run") == []

    def test_C15_a_second_run_is_refused_with_the_pid_of_the_first(self, tmp_path):
        code = """if True:
            import sys
            from nnzoo import files
            with files.Lock(sys.argv[1]):
                print("locked", flush=True)
                sys.stdin.read()
        """
        process = start_python(code, tmp_path)
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(ResourceError, match=rf"is in use by pid {process.pid}\. Wait for that run to end"):
            files.Lock(tmp_path).__enter__()
        process.communicate()
        with files.Lock(tmp_path):
            pass

    def test_C15_the_same_process_is_refused_too_and_the_lock_stays(self, tmp_path):
        with files.Lock(tmp_path):
            with pytest.raises(ResourceError, match=f"is in use by pid {os.getpid()}"):
                files.Lock(tmp_path).__enter__()
            assert os.listdir(tmp_path) == ["lock"]

    def test_C15_the_lock_of_a_killed_process_is_taken_over_even_before_it_is_reaped(self, tmp_path):
        code = """if True:
            import os, signal, sys
            from nnzoo import files
            with files.Lock(sys.argv[1]):
                os.kill(os.getpid(), signal.SIGKILL)
        """
        process = start_python(code, tmp_path)
        assert process.stdout.read() == ""
        assert os.listdir(tmp_path) == ["lock"]
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert files._process(process.pid)[0] == "Z"
        with files.Lock(tmp_path):
            assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
        process.communicate()

    def test_C15_a_pid_that_was_given_to_a_new_process_does_not_hold_the_lock(self, tmp_path):
        parent = os.getppid()
        write_lock(tmp_path, pid=parent, started=started(parent))
        with pytest.raises(ResourceError, match=f"is in use by pid {parent}"):
            files.Lock(tmp_path).__enter__()
        write_lock(tmp_path, pid=parent, started=started(parent) - 1)
        with files.Lock(tmp_path):
            pass

    def test_C15_without_proc_the_pid_alone_decides(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "_process", lambda pid: None)
        write_lock(tmp_path, pid=os.getppid(), started=5)
        with pytest.raises(ResourceError, match="is in use by pid"):
            files.Lock(tmp_path).__enter__()
        process = start_python("")
        process.communicate()
        write_lock(tmp_path, pid=process.pid, started=5)
        with files.Lock(tmp_path):
            pass

    def test_C15_a_process_of_another_user_holds_its_lock(self, tmp_path, monkeypatch):
        def refuse(pid, number):
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "kill", refuse)
        write_lock(tmp_path, pid=os.getppid(), started=started(os.getppid()))
        with pytest.raises(ResourceError, match="is in use by pid"):
            files.Lock(tmp_path).__enter__()

    def test_C15_a_lock_of_another_host_is_kept_and_the_hint_says_what_to_delete(self, tmp_path):
        write_lock(tmp_path, host="elsewhere", pid=4)
        with pytest.raises(ResourceError, match=r'by pid 4 on host "elsewhere"\. If nothing runs .* delete ".*lock"'):
            files.Lock(tmp_path).__enter__()

    @pytest.mark.parametrize(
        "content",
        [b"", b"\xff", b"[]", b"{}", b'{"host": 1, "pid": 1, "started": 1}', b'{"host": "a", "pid": -1, "started": 1}'],
    )
    def test_C15_a_damaged_lock_is_taken_over(self, tmp_path, content):
        (tmp_path / "lock").write_bytes(content)
        with files.Lock(tmp_path):
            pass

    def test_C15_a_pid_beyond_all_pids_is_dead(self, tmp_path):
        write_lock(tmp_path, pid=10**30)
        with files.Lock(tmp_path):
            pass

    def test_C15_of_many_that_find_a_dead_lock_one_gets_it(self, tmp_path):
        code = """if True:
            import sys
            from nnzoo import errors, files
            print("ready", flush=True)
            sys.stdin.readline()
            try:
                with files.Lock(sys.argv[1]):
                    print("got", flush=True)
                    sys.stdin.readline()
            except errors.ResourceError:
                print("refused", flush=True)
        """
        dead = start_python("")
        dead.communicate()
        write_lock(tmp_path, pid=dead.pid, started=1)
        processes = [start_python(code, tmp_path) for _ in range(4)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.stdout.readline().strip() for process in processes]
        for process in processes:
            process.communicate("\n")
        assert sorted(answers) == ["got", "refused", "refused", "refused"]

    def test_C15_a_lock_that_another_took_over_is_left_alone(self, tmp_path):
        with files.Lock(tmp_path):
            write_lock(tmp_path, host="elsewhere")
        assert os.listdir(tmp_path) == ["lock"]

    def test_the_end_of_a_run_whose_folder_was_removed_is_quiet(self, tmp_path):
        with files.Lock(tmp_path / "run"):
            (tmp_path / "run" / "lock").unlink()
            (tmp_path / "run").rmdir()

    def test_C7_refuses_a_folder_whose_parent_is_gone(self, tmp_path):
        with pytest.raises(ResourceError, match="needs to be a folder that can be written; got: no such file"):
            files.Lock(tmp_path / "gone" / "run").__enter__()

    def test_C7_refuses_a_file_in_place_of_the_folder(self, tmp_path):
        (tmp_path / "run").touch()
        with pytest.raises(ResourceError, match="needs to be a folder that can be written; got: not a directory"):
            files.Lock(tmp_path / "run").__enter__()
