"""Make the bundled fashion-sample.npz: the first 10,000 training and 2,000 test images of Fashion-MNIST, in their order.

    python benchmarks/make_fashion_sample.py [--data-dir FOLDER] [--out src/nnzoo/data/bundled/fashion-sample.npz]

The official files are looked for in FOLDER, where Debian's dataset-fashion-mnist puts them and in the cache, else they
are downloaded; their SHA-256 is verified in each case. The same input gives the same bytes, whatever the clock says.
"""

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np

from nnzoo.data.public import read_public
from nnzoo.data.splits import TEST, TRAIN

N_TRAIN, N_TEST = 10_000, 2_000
MAX_BYTES = 8_000_000
BUNDLED = Path(__file__).parents[1] / "src/nnzoo/data/bundled/fashion-sample.npz"


def first_rows(table, part, n_rows):
    rows = np.flatnonzero(table.part == part)[:n_rows]
    labels = np.array(table.frame["label"].gather(rows).to_list())
    return table.images.take(rows).pixels[..., 0], labels


def write_npz(path, arrays):
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy")  # its date is 1980-01-01
            archive.writestr(member, content.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir")
    parser.add_argument("--out", type=Path, default=BUNDLED)
    options = parser.parse_args()
    table = read_public("fashion-mnist", data_dir=options.data_dir)
    x_train, y_train = first_rows(table, TRAIN, N_TRAIN)
    x_test, y_test = first_rows(table, TEST, N_TEST)
    write_npz(options.out, {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test})
    n_bytes = options.out.stat().st_size
    print(f"{options.out}: {n_bytes:,} bytes")
    for name, labels in (("train", y_train), ("test", y_test)):
        print(name, dict(zip(*(values.tolist() for values in np.unique(labels, return_counts=True)), strict=True)))
    if n_bytes > MAX_BYTES:
        raise SystemExit(f"The sample may take {MAX_BYTES:,} bytes at most.")


if __name__ == "__main__":
    main()
