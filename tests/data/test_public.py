import contextlib
import gzip
import hashlib
import io
import struct
import tarfile
import threading
import tracemalloc
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from nnzoo import files
from nnzoo.data import fetching, public
from nnzoo.data.fetching import PublicFile, cache_folder
from nnzoo.data.idx import idx_array
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.public import PUBLIC, PublicSet, read_public, read_set
from nnzoo.errors import DataError, UsageError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
IMAGES = np.random.default_rng(0).integers(0, 256, (10, 5, 4), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 1, 0, 2, 2, 1, 0, 1], dtype=np.uint8)
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


CONTENTS = dict(zip(NAMES, map(idx_bytes, (IMAGES[:6], LABELS[:6], IMAGES[6:], LABELS[6:])), strict=True))


def public_set(*mirrors, contents=CONTENTS, packed=True, **changes):
    described = [
        PublicFile(name, len(content), hashlib.sha256(content).hexdigest(), packed)
        for name, content in contents.items()
    ]
    given = {"class_names": ("boot", "coat", "bag"), "flips": True, "folders": ("", "Invented/raw")} | changes
    return PublicSet("invented", "ten small images", mirrors=mirrors, files=tuple(described), **given)


class Mirror:
    """A server on this machine: path -> content, or a function that answers."""

    def __init__(self):
        self.answers, self.asked = {}, []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.asked.append(self.path)
                answer = mirror.answers.get(self.path.removeprefix("/"))
                with contextlib.suppress(ConnectionError):
                    if callable(answer):
                        answer(self)
                    elif answer is None:
                        self.send_error(404)
                    else:
                        mirror.send(self, answer)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_port}/"

    def send(self, request, content, length=None):
        request.send_response(200)
        request.send_header("Content-Length", str(len(content) if length is None else length))
        request.end_headers()
        request.wfile.write(content)

    def serve(self, contents=CONTENTS):
        self.answers |= {f"{name}.gz": gzip.compress(content) for name, content in contents.items()}
        return self

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def mirrors():
    made = [Mirror(), Mirror()]
    yield made
    for mirror in made:
        mirror.close()


@pytest.fixture
def closed_address():
    mirror = Mirror()
    mirror.close()
    return mirror.address


@pytest.fixture(autouse=True)
def empty_working_directory(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def no_network(address, timeout):
    raise AssertionError(f"asked for {address}")


def read(tmp_path, wanted, *, data_dir=None, opener=DIRECT, timeout=5.0):
    return read_set(wanted, data_dir=data_dir, cache=tmp_path / "cache", opener=opener, timeout=timeout)


def check_table(table):
    assert table.frame["label"].to_list() == [("boot", "coat", "bag")[label] for label in LABELS]
    assert table.target == "label"
    assert table.part.tolist() == [0] * 6 + [2] * 4
    assert table.origin == "invented"
    pixels, bad = table.images.decode(PixelRule(5, 4, 1, ""))
    assert bad == {}
    np.testing.assert_array_equal(pixels[..., 0], IMAGES)


def topics(table):
    return [finding.topic for finding in table.findings]


def cached(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache").glob("**/*")) if (tmp_path / "cache").exists() else []


# downloads


def test_a_dead_mirror_is_passed_over_and_not_asked_for_the_next_files(tmp_path, mirrors, closed_address):
    asked = []

    def opener(address, timeout):
        asked.append(address)
        return DIRECT(address, timeout=timeout)

    mirrors[1].serve()
    table = read(tmp_path, public_set(closed_address, mirrors[1].address), opener=opener)
    check_table(table)
    assert [address.startswith(closed_address) for address in asked] == [True, False, False, False, False]
    assert topics(table) == ["download"] * 4
    host = mirrors[1].address.split("/")[2]
    assert f'"train-images-idx3-ubyte.gz" was downloaded from {host} and is kept in' in table.findings[0].message


def test_a_download_is_kept_and_used_the_second_time_without_a_network(tmp_path, mirrors):
    wanted = public_set(mirrors[0].serve().address)
    first = read(tmp_path, wanted)
    assert cached(tmp_path) == sorted(f"{name}.gz" for name in NAMES)
    second = read(tmp_path, wanted, opener=no_network)
    check_table(second)
    assert second.findings == []
    assert second.fingerprint == first.fingerprint


def test_other_content_is_refused_and_not_kept(tmp_path, mirrors):
    other = CONTENTS | {NAMES[1]: CONTENTS[NAMES[1]][:-1] + b"\7"}
    mirrors[0].serve(other)
    wanted = public_set(mirrors[0].address)
    digests = r"its SHA-256 is [0-9a-f]{12}…, that of the official file [0-9a-f]{12}…"
    with pytest.raises(DataError, match=f'file "train-labels-idx1-ubyte"; .*127.0.0.1:.* has other content: {digests}'):
        read(tmp_path, wanted)
    assert cached(tmp_path) == ["train-images-idx3-ubyte.gz"]
    mirrors[1].serve()
    check_table(read(tmp_path, public_set(mirrors[0].address, mirrors[1].address)))


def test_a_mirror_that_does_not_answer_is_given_up_in_time(tmp_path, mirrors):
    waiting = threading.Event()
    mirrors[0].answers[f"{NAMES[0]}.gz"] = lambda request: waiting.wait(30)
    mirrors[1].serve()
    try:
        check_table(read(tmp_path, public_set(mirrors[0].address, mirrors[1].address), timeout=0.2))
        with pytest.raises(DataError, match="127.0.0.1:.* did not answer in time"):
            read(tmp_path / "other", public_set(mirrors[0].address), timeout=0.2)
    finally:
        waiting.set()


def test_a_mirror_that_stops_in_the_middle_is_given_up_in_time(tmp_path, mirrors):
    waiting = threading.Event()
    packed = gzip.compress(CONTENTS[NAMES[0]])

    def stop(request):
        mirrors[0].send(request, packed[:20], len(packed))
        waiting.wait(30)

    mirrors[0].answers[f"{NAMES[0]}.gz"] = stop
    try:
        with pytest.raises(DataError, match="did not answer in time"):
            read(tmp_path, public_set(mirrors[0].address), timeout=0.2)
    finally:
        waiting.set()


def test_a_mirror_that_drips_is_given_up(tmp_path, mirrors, monkeypatch):
    monkeypatch.setattr(fetching, "LIMIT_S", -1.0)
    with pytest.raises(DataError, match=r"was too slow: it sent \d+ bytes"):
        read(tmp_path, public_set(mirrors[0].serve().address))


def test_an_answer_that_breaks_off_is_refused(tmp_path, mirrors):
    packed = gzip.compress(CONTENTS[NAMES[0]])
    mirrors[0].answers[f"{NAMES[0]}.gz"] = lambda request: mirrors[0].send(request, packed[:-9], len(packed))
    with pytest.raises(DataError, match=f"broke off after {len(packed) - 9} of {len(packed)} bytes"):
        read(tmp_path, public_set(mirrors[0].address))
    assert cached(tmp_path) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda packed: packed[:-9], "is cut off: its gzip data ends early"),
        (lambda packed: packed[:10] + b"\xff" * 10 + packed[20:], "is damaged: it cannot be unpacked"),
        (lambda packed: gzip.compress(CONTENTS[NAMES[0]][:-1]), "needs 136 bytes of content; it has 135 bytes"),
        (lambda packed: b"<html>not here</html>", "needs 136 bytes of content; it has 21 bytes"),
        (lambda packed: b"", "needs 136 bytes of content; it has 0 bytes"),
    ],
)
def test_damaged_content_is_refused_and_not_kept(tmp_path, mirrors, damage, words):
    mirrors[0].answers[f"{NAMES[0]}.gz"] = damage(gzip.compress(CONTENTS[NAMES[0]]))
    with pytest.raises(DataError, match=words):
        read(tmp_path, public_set(mirrors[0].address))
    assert cached(tmp_path) == []


def test_a_gzip_bomb_is_unpacked_no_further_than_the_official_length(tmp_path, mirrors):
    mirrors[0].answers[f"{NAMES[0]}.gz"] = gzip.compress(CONTENTS[NAMES[0]] + bytes(40 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="needs 136 bytes of content; it has more"):
            read(tmp_path, public_set(mirrors[0].address))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_an_endless_answer_is_read_no_further_than_the_official_length(tmp_path, mirrors):
    def endless(request):
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(bytes(100_000))

    mirrors[0].answers[f"{NAMES[0]}.gz"] = endless
    with pytest.raises(DataError, match="sends more than 65,673 bytes"):
        read(tmp_path, public_set(mirrors[0].address))


def test_offline_says_what_was_tried_and_what_to_do(tmp_path, mirrors, closed_address):
    wanted = public_set(mirrors[0].address, closed_address, advice="Or ask a friend.")
    with pytest.raises(DataError) as caught:
        read(tmp_path, wanted)
    first, second = (address.split("/")[2] for address in wanted.mirrors)
    assert caught.value.message == (
        'invented needs the file "train-images-idx3-ubyte"; it is not on this machine, and no mirror gave it: '
        f'{first} answered with status 404; {second} could not be reached: "Connection refused".'
    )
    assert caught.value.hint == (
        f"Connect to the network and run again, or put {', '.join(NAMES)} (as they are, or with .gz) into "
        f"{tmp_path / 'cache'}, or into a folder of yours that you pass as data_dir=FOLDER (--data-dir FOLDER). "
        "Or ask a friend."
    )


def test_an_answer_that_is_not_http_is_a_dead_mirror(tmp_path, mirrors):
    mirrors[0].answers[f"{NAMES[0]}.gz"] = lambda request: request.wfile.write(b"no http\r\n\r\n")
    with pytest.raises(DataError, match=r'could not be reached: "no http'):
        read(tmp_path, public_set(mirrors[0].address))


def test_a_cache_that_cannot_be_written_is_said_and_the_set_is_used(tmp_path, mirrors):
    (tmp_path / "cache").write_text("a file in the way")
    table = read(tmp_path, public_set(mirrors[0].serve().address))
    check_table(table)
    assert topics(table) == ["download not kept"] * 4
    assert "could not be kept in" in table.findings[0].message
    assert table.findings[0].level == "warning"


def test_a_crash_while_a_download_is_kept_leaves_no_half_file(tmp_path, mirrors, monkeypatch):
    wanted = public_set(mirrors[0].serve().address)

    def crash(name):
        if name == "before-rename":
            raise KeyboardInterrupt

    monkeypatch.setattr(files, "crash_point", crash)
    with pytest.raises(KeyboardInterrupt):
        read(tmp_path, wanted)
    assert cached(tmp_path) == []
    monkeypatch.undo()
    check_table(read(tmp_path, wanted))


def test_a_damaged_cache_is_mended(tmp_path, mirrors):
    wanted = public_set(mirrors[0].serve().address)
    read(tmp_path, wanted)
    (tmp_path / "cache" / f"{NAMES[2]}.gz").write_bytes(b"junk")
    table = read(tmp_path, wanted)
    check_table(table)
    assert topics(table) == ["other content", "download"]
    assert read(tmp_path, wanted, opener=no_network).findings == []


# on this machine


def put(folder, contents=CONTENTS, packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content, 1) if packed else content)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("place", ["", "Invented/raw"])
def test_files_in_the_data_folder_are_used_first(tmp_path, place, packed):
    put(tmp_path / "mine" / place, packed=packed)
    table = read(tmp_path, public_set(), data_dir=tmp_path / "mine", opener=no_network)
    check_table(table)
    assert table.findings == []


def test_the_folder_data_is_looked_into_by_default(tmp_path):
    put(Path("data/Invented/raw"))
    check_table(read(tmp_path, public_set(), opener=no_network))


def test_the_folder_of_a_distribution_is_used(tmp_path):
    put(tmp_path / "usr", packed=True)
    check_table(read(tmp_path, public_set(system_folders=(str(tmp_path / "usr"),)), opener=no_network))


def test_files_may_lie_apart(tmp_path, mirrors):
    put(tmp_path / "mine", {name: CONTENTS[name] for name in NAMES[:2]})
    mirrors[0].serve()
    check_table(read(tmp_path, public_set(mirrors[0].address), data_dir=tmp_path / "mine"))
    assert mirrors[0].asked == [f"/{name}.gz" for name in NAMES[2:]]


def test_other_content_in_the_data_folder_is_passed_over_with_a_warning(tmp_path, mirrors):
    put(tmp_path / "mine", {NAMES[0]: idx_bytes(IMAGES[:6] ^ 1)})
    mirrors[0].serve()
    table = read(tmp_path, public_set(mirrors[0].address), data_dir=tmp_path / "mine")
    check_table(table)
    (warning,) = [finding for finding in table.findings if finding.level == "warning"]
    assert warning.topic == "other content"
    assert 'train-images-idx3-ubyte" was passed over: it has other content' in warning.message
    assert warning.hint == 'Remove it, or put the official "train-images-idx3-ubyte" there.'


def test_what_was_passed_over_is_named_when_nothing_else_is_found(tmp_path, closed_address):
    put(tmp_path / "mine", {NAMES[0]: idx_bytes(IMAGES)})
    with pytest.raises(DataError, match=r"refused\"\. invented: .* was passed over: it needs 136 bytes .*it has more"):
        read(tmp_path, public_set(closed_address), data_dir=tmp_path / "mine")


def test_a_file_that_is_far_too_long_is_not_read(tmp_path):
    put(tmp_path / "mine")
    with open(tmp_path / "mine" / NAMES[0], "wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(DataError, match="was passed over: it is too long: 10,737,418,240 bytes"):
        read(tmp_path, public_set(), data_dir=tmp_path / "mine")


def test_A20_a_folder_in_place_of_a_file_is_passed_over(tmp_path):
    (tmp_path / "mine" / NAMES[0]).mkdir(parents=True)
    with pytest.raises(DataError, match="it cannot be read: .* needs to be a regular file; it is a directory"):
        read(tmp_path, public_set(), data_dir=tmp_path / "mine")


def test_a_data_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"data_dir needs to be a folder; .* is none\. Check the path \(--data-dir\)"):
        read(tmp_path, public_set(), data_dir=tmp_path / "nowhere", opener=no_network)


def test_labels_that_are_numbers_stay_numbers(tmp_path):
    put(tmp_path / "mine")
    table = read(tmp_path, public_set(class_names=()), data_dir=tmp_path / "mine")
    assert table.frame["label"].to_list() == LABELS.tolist()
    assert table.frame["label"].dtype.is_signed_integer()


def test_labels_without_a_name_are_refused(tmp_path):
    put(tmp_path / "mine")
    with pytest.raises(DataError, match="invented needs labels below 2; got 2"):
        read(tmp_path, public_set(class_names=("boot", "coat")), data_dir=tmp_path / "mine")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/nnzoo"),
        ("linux", {"XDG_CACHE_HOME": "/elsewhere"}, "/elsewhere/nnzoo"),
        ("linux", {"XDG_CACHE_HOME": "not/absolute"}, "home/.cache/nnzoo"),
        ("darwin", {"XDG_CACHE_HOME": "/elsewhere"}, "home/Library/Caches/nnzoo"),
        ("win32", {}, "home/AppData/Local/nnzoo"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/nnzoo"),
    ],
)
def test_the_cache_is_where_the_platform_has_caches(tmp_path, monkeypatch, platform, variables, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(fetching.sys, "platform", platform)
    assert cache_folder() == tmp_path / expected


# the archive of CIFAR-10


def records(n_rows, first):
    """Rows of one label and 3 planes: red is the number of the row, green its image row, blue its image column."""
    planes = np.zeros((n_rows, 3, 32, 32), np.uint8)
    planes[:, 0] = (first + np.arange(n_rows))[:, None, None]
    planes[:, 1] = np.arange(32)[:, None]
    planes[:, 2] = np.arange(32)
    labels = (first + np.arange(n_rows)) % 3
    return np.concatenate([labels[:, None], planes.reshape(n_rows, -1)], axis=1).astype(np.uint8).tobytes()


MEMBERS = [*public.CIFAR_MEMBERS[0], *public.CIFAR_MEMBERS[2]]
BATCHES = {name: records(2, 2 * place) for place, name in enumerate(MEMBERS)}


def archive(members, links=()):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return stream.getvalue()


def read_archive(tmp_path, content):
    put(tmp_path / "mine", {"cifar-10-binary.tar.gz": content})
    wanted = public_set(contents={"cifar-10-binary.tar.gz": content}, packed=False)
    return read(tmp_path, wanted, data_dir=tmp_path / "mine", opener=no_network)


def test_the_archive_is_read_by_member_with_the_red_plane_first(tmp_path):
    table = read_archive(tmp_path, archive({"cifar-10-batches-bin/readme.html": b"x", "../evil": b"x"} | BATCHES))
    assert table.part.tolist() == [0] * 10 + [2] * 2
    assert table.frame["label"].to_list() == [("boot", "coat", "bag")[place % 3] for place in range(12)]
    pixels, _ = table.images.decode(PixelRule(32, 32, 3, ""))
    np.testing.assert_array_equal(pixels[:, 5, 7], [[place, 5, 7] for place in range(12)])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cifar-10-binary.tar.gz", "here", "mine"]


def test_the_archive_travels_as_it_is(tmp_path, mirrors):
    content = archive(BATCHES)
    mirrors[0].answers["cifar-10-binary.tar.gz"] = content
    read(tmp_path, public_set(mirrors[0].address, contents={"cifar-10-binary.tar.gz": content}, packed=False))
    assert (tmp_path / "cache" / "cifar-10-binary.tar.gz").read_bytes() == content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (archive(dict(list(BATCHES.items())[:5])), 'the member "cifar-10-batches-bin/test_batch.bin"; it has none'),
        (archive(dict(list(BATCHES.items())[:5]), [(MEMBERS[5], MEMBERS[0])]), "test_batch.bin.; it has none"),
        (archive(BATCHES | {MEMBERS[5]: bytes(3073 * 3 + 1)}), "test_batch.bin.; it has none"),
        (archive(BATCHES | {MEMBERS[5]: bytes(3074)}), "cannot be read: cannot reshape"),
        (archive({"other": bytes(8 << 20)} | BATCHES), "cannot be read: it unpacks to more than it should"),
        (archive(BATCHES)[:-200], "cannot be read: Compressed file ended"),
        (b"no archive at all", "cannot be read: Not a gzipped file"),
    ],
    ids=["missing", "link", "long", "uneven", "bomb", "cut", "junk"],
)
def test_an_archive_that_is_not_as_expected_is_refused(tmp_path, monkeypatch, content, words):
    monkeypatch.setattr(public, "CIFAR_ROWS", 3)
    with pytest.raises(DataError, match=f"invented, cifar-10-binary.tar.gz, .*{words}.*Download the archive again"):
        read_archive(tmp_path, content)


# the sets themselves


def test_an_unknown_set_is_refused_with_the_nearest_names():
    with pytest.raises(UsageError, match=r'no public set "fashion-mnits"\. Did you mean "fashion-mnist"'):
        read_public("fashion-mnits")


@pytest.mark.parametrize("name", PUBLIC)
def test_every_set_is_described_whole(name):
    wanted = PUBLIC[name]
    assert wanted.name == name
    assert wanted.description
    assert len(wanted.class_names) in (0, 10)
    assert len(wanted.files) in (1, 4)
    assert all(address.startswith("http") and address.endswith("/") for address in wanted.mirrors)
    assert all(len(bytes.fromhex(file.sha256)) == 32 for file in wanted.files)
    assert len({file.sha256 for file in wanted.files}) == len(wanted.files)


def test_the_lengths_of_the_idx_files_are_those_of_70000_images_of_28_x_28():
    for name in ("mnist", "fashion-mnist"):
        lengths = [file.n_bytes for file in PUBLIC[name].files]
        assert lengths == [16 + 60_000 * 28 * 28, 8 + 60_000, 16 + 10_000 * 28 * 28, 8 + 10_000]


def test_digits_have_no_mirror_images_and_clothes_have():
    assert [PUBLIC[name].flips for name in ("mnist", "fashion-mnist", "cifar-10")] == [False, True, True]


def test_a_named_set_is_sought_in_the_cache_of_the_platform(tmp_path, monkeypatch):
    put(tmp_path / "caches" / "nnzoo" / "invented")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setattr(fetching.sys, "platform", "linux")
    monkeypatch.setitem(PUBLIC, "invented", public_set())
    check_table(read_public("invented", opener=no_network))


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_the_fashion_set_of_debian_is_the_official_one(tmp_path):
    table = read_public("fashion-mnist", cache=tmp_path / "cache", opener=no_network)
    assert len(table.rows) == 70_000
    assert np.bincount(table.part).tolist() == [60_000, 0, 10_000]
    assert table.frame["label"].value_counts()["count"].to_list() == [7_000] * 10
    with gzip.open(DEBIAN / "t10k-images-idx3-ubyte.gz") as file:
        test = idx_array("test", file.read())
    np.testing.assert_array_equal(table.images.decode(PixelRule(28, 28, 1, ""))[0][60_000:, ..., 0], test)
    assert not (tmp_path / "cache").exists()
