"""Checkpoints survive crashes, damage and full disks; fault ids of the specification stand in the names."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnzoo import files
from nnzoo.errors import CheckpointError
from nnzoo.tensorfile import write_tensors
from nnzoo.training.checkpoint import Checkpoints

SRC = str(Path(files.__file__).parents[1])
KILLED = """if True:
    import os, signal, sys
    import numpy as np
    from nnzoo import files
    from nnzoo.training.checkpoint import Checkpoints
    folder, point, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seen = []
    def crash(name):
        seen.append(name)
        if seen.count(point) == count:
            os.kill(os.getpid(), signal.SIGKILL)
    files.crash_point = crash
    Checkpoints(folder).save(2, {"step": 2}, {"w": np.full(1000, 2.0)})
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "m.nnzoo.run"


def fill(folder, *steps, keep=2):
    checkpoints = Checkpoints(folder, keep)
    for step in steps:
        assert checkpoints.save(step, {"step": step}, {"w": np.full(3, float(step))})
    return checkpoints


def name(step):
    return f"checkpoint-{step:018d}.nnzoo"


def steps(folder):
    return sorted(int(path.name[11:29]) for path in folder.glob("checkpoint-*.nnzoo"))


def damage(folder, step):
    path = folder / name(step)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def assert_latest_is(folder, step):
    values, tensors = Checkpoints(folder).latest()
    assert values == {"step": step}
    assert tensors["w"][0] == step


class TestSaveAndLatest:
    def test_the_latest_comes_back_to_the_bit(self, folder):
        values = {"epoch": 3, "losses": [0.1, 1e-300], "order": {"seed": 2**127}, "best": None}
        tensors = {"w": np.array([[1.5, np.nan]]), "chain.state": np.arange(4, dtype=np.uint8), "i": np.array(7)}
        assert Checkpoints(folder).save(10**9 * 2000 + 5, values, tensors)
        back_values, back_tensors = Checkpoints(folder).latest()
        assert back_values == values
        for key, tensor in tensors.items():
            assert back_tensors[key].dtype == tensor.dtype
            assert back_tensors[key].shape == tensor.shape
            assert back_tensors[key].tobytes() == tensor.tobytes()

    @pytest.mark.parametrize("keep", [1, 2, 4])
    def test_the_newest_stay_and_the_pointer_names_the_last(self, folder, keep):
        fill(folder, 1, 2, 3, 5, 8, keep=keep)
        assert steps(folder) == [1, 2, 3, 5, 8][-keep:]
        assert (folder / "LATEST").read_text() == name(8) + "\n"
        assert len(os.listdir(folder)) == keep + 1

    def test_a_step_can_be_saved_again(self, folder):
        checkpoints = fill(folder, 1, 2)
        assert checkpoints.save(2, {"step": 2}, {"w": np.array([2.0, 9.0])})
        assert steps(folder) == [1, 2]
        assert checkpoints.latest()[1]["w"][1] == 9

    @pytest.mark.parametrize("content", [None, b"", b"\xff\0", b"../../x\n", b"checkpoint-7.nnzoo\n"])
    def test_without_a_good_pointer_the_newest_step_is_taken(self, folder, content):
        fill(folder, 1, 2)
        (folder / "LATEST").unlink()
        if content is not None:
            (folder / "LATEST").write_bytes(content)
        assert_latest_is(folder, 2)

    @pytest.mark.parametrize("make", [True, False])
    def test_no_checkpoint_is_a_checkpoint_error(self, folder, make):
        if make:
            folder.mkdir()
        with pytest.raises(CheckpointError, match=r'm\.nnzoo\.run" holds no checkpoint\. Train without resume\.'):
            Checkpoints(folder).latest()

    def test_content_beyond_a_limit_raises_and_leaves_what_was_there(self, folder):
        checkpoints = fill(folder, 1)
        with pytest.raises(CheckpointError, match=r'the manifest needs plain values; got set at "values\.a"'):
            checkpoints.save(2, {"a": {1}}, {})
        with pytest.raises(CheckpointError, match="needs tensor names"):
            checkpoints.save(2, {}, {"a b": np.zeros(1)})
        assert_latest_is(folder, 1)

    def test_clear_removes_what_is_ours_and_nothing_else(self, folder):
        checkpoints = fill(folder, 1, 2)
        (folder / f".{name(3)}.00.tmp").write_bytes(b"half")
        (folder / "rejects.csv").write_bytes(b"row")
        checkpoints.clear()
        assert os.listdir(folder) == ["rejects.csv"]
        checkpoints.clear()

    def test_clear_of_a_folder_that_was_never_made_is_quiet(self, folder):
        Checkpoints(folder).clear()


class TestD1Crashes:
    @pytest.mark.parametrize(
        ("point", "count", "latest"),
        [
            ("after-temp-write", 1, 1),
            ("before-rename", 1, 1),
            ("after-rename", 1, 1),
            ("before-pointer", 1, 1),
            ("after-temp-write", 2, 1),
            ("before-rename", 2, 1),
            ("after-rename", 2, 2),
        ],
    )
    def test_D1_a_kill_at_any_point_leaves_a_good_checkpoint_and_the_next_save_cleans_up(
        self, folder, point, count, latest
    ):
        fill(folder, 0, 1)
        before = (folder / name(1)).read_bytes()
        command = [sys.executable, "-c", KILLED, str(folder), point, str(count)]
        process = subprocess.run(command, env={**os.environ, "PYTHONPATH": SRC}, check=False)
        assert process.returncode == -signal.SIGKILL
        assert (folder / name(1)).read_bytes() == before
        assert_latest_is(folder, latest)
        assert not list(folder.glob(".*"))
        fill(folder, 3, 4)
        assert sorted(os.listdir(folder)) == ["LATEST", name(3), name(4)]
        assert_latest_is(folder, 4)

    def test_D1_a_save_removes_leftovers_of_any_step(self, folder):
        fill(folder, 1)
        (folder / f".{name(7)}.00.tmp").write_bytes(b"half")
        fill(folder, 2)
        assert sorted(os.listdir(folder)) == ["LATEST", name(1), name(2)]

    def test_D4_the_pointer_moves_after_the_checkpoint_is_safe(self, folder, monkeypatch):
        fill(folder, 1)
        calls = []
        real = os.replace

        def replace(old, new):
            calls.append(Path(new).name)
            real(old, new)

        monkeypatch.setattr(os, "replace", replace)
        monkeypatch.setattr(files, "crash_point", calls.append)
        fill(folder, 2)
        write = ["after-temp-write", "before-rename"]
        assert calls == [*write, name(2), "after-rename", "before-pointer", *write, "LATEST", "after-rename"]


class TestD2Damage:
    def test_D2_a_damaged_checkpoint_is_passed_over_with_a_warning(self, folder):
        fill(folder, 1, 2)
        damage(folder, 2)
        words = rf"1 newer checkpoint.* passed over; going on from .*{name(1)}.*{name(2)}.* is damaged: its SHA-256"
        with pytest.warns(UserWarning, match=words):
            assert_latest_is(folder, 1)

    def test_D2_every_flipped_bit_of_the_newest_is_noticed(self, folder):
        fill(folder, 1, 2)
        good = (folder / name(2)).read_bytes()
        for at in range(len(good)):
            (folder / name(2)).write_bytes(good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :])
            with pytest.warns(UserWarning, match="passed over"):
                assert_latest_is(folder, 1)

    def test_D2_two_damaged_ones_give_one_warning_with_their_count(self, folder):
        fill(folder, 1, 2, 3, keep=3)
        damage(folder, 2)
        damage(folder, 3)
        with pytest.warns(UserWarning, match=r"^2 newer checkpoint.* passed over") as record:
            assert_latest_is(folder, 1)
        assert len(record) == 1

    def test_D2_when_the_pointed_one_is_damaged_a_newer_good_one_is_taken(self, folder):
        fill(folder, 1, 2)
        (folder / "LATEST").write_text(name(1) + "\n")
        assert_latest_is(folder, 1)
        damage(folder, 1)
        with pytest.warns(UserWarning, match="passed over"):
            assert_latest_is(folder, 2)

    def test_D2_none_that_is_good_is_a_checkpoint_error(self, folder):
        fill(folder, 1, 2)
        damage(folder, 1)
        (folder / name(2)).write_bytes(b"")
        with pytest.raises(
            CheckpointError, match=r"holds no usable checkpoint, only 2 damaged: .* it is empty\. Train"
        ):
            Checkpoints(folder).latest()

    def test_D2_a_damaged_one_does_not_count_among_those_that_stay(self, folder):
        fill(folder, 1, 3)
        damage(folder, 3)
        checkpoints = Checkpoints(folder)
        with pytest.warns(UserWarning, match="passed over"):
            checkpoints.latest()
        assert checkpoints.save(4, {"step": 4}, {"w": np.full(3, 4.0)})
        assert steps(folder) == [1, 4]

    def test_D2_one_of_a_later_step_that_was_passed_over_goes_at_the_next_save(self, folder):
        fill(folder, 1, 9)
        damage(folder, 9)
        checkpoints = Checkpoints(folder)
        with pytest.warns(UserWarning, match="passed over"):
            checkpoints.latest()
        assert checkpoints.save(2, {"step": 2}, {"w": np.full(3, 2.0)})
        assert steps(folder) == [1, 2]

    def test_one_of_a_later_step_that_the_run_did_not_go_on_from_goes_at_the_next_save(self, folder):
        fill(folder, 1, 9)
        (folder / "LATEST").write_text(name(1) + "\n")
        fill(folder, 2)
        assert steps(folder) == [1, 2]

    def test_D2_a_damaged_one_that_is_saved_again_counts_as_good(self, folder):
        fill(folder, 1, 2)
        damage(folder, 2)
        checkpoints = Checkpoints(folder)
        with pytest.warns(UserWarning, match="passed over"):
            checkpoints.latest()
        assert checkpoints.save(2, {"step": 2}, {"w": np.full(3, 2.0)})
        assert checkpoints.save(3, {"step": 3}, {"w": np.full(3, 3.0)})
        assert steps(folder) == [2, 3]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"step": 8}, "needs to be the checkpoint of step 7; it is not"),
            ({"format": "nnzoo model"}, "needs to be the checkpoint of step 7; it is not"),
            ({"values": []}, "needs to be the checkpoint of step 7; it is not"),
            ({"format_version": 2}, "has checkpoint format 2; this nnzoo reads 1"),
            ({"format_version": True}, "has checkpoint format True; this nnzoo reads 1"),
            ({"format_version": None}, "has checkpoint format None; this nnzoo reads 1"),
        ],
    )
    def test_D5_a_file_that_is_no_checkpoint_of_this_step_and_version_is_refused(self, folder, change, words):
        folder.mkdir()
        manifest = {"format": "nnzoo checkpoint", "format_version": 1, "step": 7, "values": {}, **change}
        write_tensors(folder / name(7), manifest, {})
        with pytest.raises(CheckpointError, match=words):
            Checkpoints(folder).latest()


class TestC6FullDisk:
    def test_C6_a_full_disk_warns_once_and_leaves_the_old_checkpoints(self, folder, monkeypatch):
        def refuse(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")

        checkpoints = fill(folder, 1, 2)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuse)
            with pytest.warns(UserWarning, match=r"took no checkpoint: no space left on device\. Training goes on"):
                assert not checkpoints.save(3, {"step": 3}, {"w": np.zeros(3)})
            assert not checkpoints.save(4, {"step": 4}, {"w": np.zeros(3)})  # a second warning would be an error
        assert checkpoints.n_failed == 2
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert checkpoints.save(5, {"step": 5}, {"w": np.full(3, 5.0)})
        assert_latest_is(folder, 5)

    def test_C6_a_full_disk_at_the_pointer_leaves_it_on_the_old_checkpoint(self, folder, monkeypatch):
        checkpoints = fill(folder, 1, 2)

        def crash(point):
            if point == "before-pointer":
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(files, "crash_point", crash)
        with pytest.warns(UserWarning, match="took no checkpoint"):
            assert not checkpoints.save(3, {"step": 3}, {"w": np.full(3, 3.0)})
        assert_latest_is(folder, 2)

    def test_C6_an_old_checkpoint_that_cannot_be_removed_is_no_failure(self, folder, monkeypatch):
        def refuse(*_, **__):
            raise PermissionError(errno.EPERM, "Operation not permitted")

        checkpoints = fill(folder, 1, 2)
        monkeypatch.setattr(Path, "unlink", refuse)
        assert checkpoints.save(3, {"step": 3}, {"w": np.full(3, 3.0)})
        assert steps(folder) == [1, 2, 3]

    @pytest.mark.parametrize("kind", ["gone", "file"])
    def test_C7_a_folder_that_cannot_be_written_is_a_failed_save(self, tmp_path, kind):
        (tmp_path / "file").touch()
        folder = tmp_path / "gone" / "run" if kind == "gone" else tmp_path / "file"
        with pytest.warns(UserWarning, match="took no checkpoint: no(t a| such)"):
            assert not Checkpoints(folder).save(1, {}, {})


def test_the_checkpoint_is_plain_json_and_tensors(folder):
    fill(folder, 1)
    data = (folder / name(1)).read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    manifest = json.loads(header["__metadata__"]["nnzoo"])
    assert manifest == {"format": "nnzoo checkpoint", "format_version": 1, "step": 1, "values": {"step": 1}}
    assert header["w"] == {"dtype": "F64", "shape": [3], "data_offsets": [0, 24]}
