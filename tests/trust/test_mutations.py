"""Model files of every listed network, damaged at random: each is refused with ModelFileError, or is the model still."""

import copy
import hashlib
import json
import random

import numpy as np
import pytest

import nnzoo
from nnzoo.catalog import CATALOG
from nnzoo.errors import ModelFileError
from nnzoo.tensorfile import read_tensors, write_tensors

N_FILES, N_SOAK_FILES = 20_000, 1_000_000
"""How many damaged files there are in all, over all networks."""
ODD = (None, -1, 0, 2**63, 1e308, "", "odd", "\u202e\0", [], [[]], {}, {"odd": 1}, True, [0] * 50, "é" * 300)
PIECES = (b'"', b"{", b"[", b"9", b",", b"\\", b"\0" * 8, b"}", b"e999")


def resigned(data):
    """Return a file with the hash that belongs to it, so that the checks behind the hash see the damage."""
    at = data.find(b'"sha256":"') + 10
    if at < 10:
        return data
    zeroed = data[:at] + b"0" * 64 + data[at + 64 :]
    return data[:at] + hashlib.sha256(zeroed).hexdigest().encode() + data[at + 64 :]


def with_other_bytes(data, draw):
    """Return a file with one to three flips, cuts, insertions or swaps, two thirds of them in its header."""
    data = bytearray(data)
    for _ in range(draw.randint(1, 3)):
        end = int.from_bytes(data[:8], "little") + 8 if draw.random() < 0.67 else len(data)
        first, second = sorted(draw.randrange(min(end, len(data)) + 1) for _ in range(2))
        middle = draw.randint(first, second)
        match draw.randrange(6):
            case 0:
                data[first : first + 1] = bytes([draw.randrange(256)])
            case 1 if first < len(data):
                data[first] ^= 1 << draw.randrange(8)
            case 2:
                del data[first : first + draw.randint(1, 20)]
            case 3:
                data[first:first] = draw.choice([*PIECES, bytes(data[first:second])])
            case 4:
                del data[draw.choice((first, second)) :]
            case _:
                data[first:second] = data[middle:second] + data[first:middle]
    return bytes(data)


def places_in(value, path=()):
    """Return the path of everything inside nested lists and objects."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in pairs for place in [(*path, key), *places_in(inner, (*path, key))]]


def with_other_value(value, draw):
    """Return nested lists and objects with one of their values replaced by an odd one, left out or renamed."""
    changed = copy.deepcopy(value)
    path = draw.choice(places_in(changed))
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    match draw.randrange(4):
        case 0:
            del inner[path[-1]]
        case 1 if isinstance(inner, dict):
            inner[f"{path[-1]}x"] = inner.pop(path[-1])
        case _:
            inner[path[-1]] = copy.deepcopy(draw.choice(ODD))
    return changed


def damaged_files(path, n_files, draw):
    """Yield damaged copies: plain, with their hash set right, and with other values in manifest, recipe or settings."""
    good = path.read_bytes()
    manifest, tensors = read_tensors(path)
    for number in range(n_files):
        match number % 4:
            case 0:
                yield with_other_bytes(good, draw)
            case 1 | 2:
                yield resigned(with_other_bytes(good, draw))
            case _:
                name = draw.choice((None, None, "recipe", "settings"))
                if name is None:
                    yield made_of(path, with_other_value(manifest, draw), tensors)
                else:
                    inner = with_other_value(json.loads(tensors[name].tobytes()), draw)
                    data = json.dumps(inner).encode("utf-8", "surrogatepass")
                    yield made_of(path, manifest, tensors | {name: np.frombuffer(data, np.uint8)})


def made_of(path, manifest, tensors):
    """Return the bytes of a file of such content; of the good one where the writer refuses it."""
    other = path.with_suffix(".made")
    try:
        write_tensors(other, manifest, tensors)
    except ModelFileError:
        return path.read_bytes()
    return other.read_bytes()


@pytest.mark.slow
def test_D7_damaged_model_files_raise_nothing_but_model_file_error(row, trained, soaks, tmp_path):
    good = tmp_path / "good.nnzoo"
    good.write_bytes(trained(row).read_bytes())
    n_files = (N_SOAK_FILES if soaks else N_FILES) // len(CATALOG) + 1
    path, n_refused = tmp_path / "m.nnzoo", 0
    for data in damaged_files(good, n_files, random.Random(row.id)):
        path.write_bytes(data)
        try:
            nnzoo.load_model(path)
        except ModelFileError:
            n_refused += 1
        except Exception as error:
            error.add_note(f"{row.id}: kept as {trained(row).with_suffix('.bad')}")
            trained(row).with_suffix(".bad").write_bytes(data)
            raise
    assert n_refused > 0.8 * n_files
