"""Do the units of a sweep over a ledger, so that a test can kill this process and let another one go on.

python sweeping.py FOLDER BACKEND RUN

Prints what the ledger holds in the end as JSON.
"""

import json
import sys
from functools import partial
from pathlib import Path

import chores

from nnzoo.comparison.executor import Failure, Inline, Processes, Unit
from nnzoo.comparison.ledger import Ledger

N_UNITS = 50
ALWAYS_CRASH, CRASH_ONCE, HANG, WANT_MEMORY = (3, 11, 19), (27, 35), (7, 23), (15,)
HANG_SECONDS = 0.5


def units(backend, folder):
    """Return 50 units: what would end or stop the only process of a back end is left out there."""
    for number in range(N_UNITS):
        name = f"unit {number:02}"
        if backend == "processes" and number in ALWAYS_CRASH:
            yield Unit(name, {"kind": "kill"})
        elif backend == "processes" and number in CRASH_ONCE:
            yield Unit(name, {"kind": "kill once", "mark": f"{folder}/{number}"})
        elif backend == "processes" and number in HANG:
            yield Unit(name, {"kind": "hang"}, HANG_SECONDS)
        elif number in WANT_MEMORY:
            yield Unit(name, {"kind": "memory"})
        elif number % 10 == 0:
            yield Unit(name, {"kind": "fail"})
        else:
            yield (
                Unit(name, {"kind": "wait", "for": 0.02}) if number % 2 else Unit(name, {"kind": "double", "x": number})
            )


def main(folder, backend, run):
    """Go on with the sweep in a folder."""
    make = partial(chores.make, folder, run)
    executor = Inline(make) if backend == "inline" else Processes(make, n_workers=2)
    with Ledger(Path(folder) / "ledger.jsonl", {"sweep": backend}) as ledger, executor:
        left = [unit for unit in units(backend, folder) if unit.id not in ledger.results]
        for unit, found in executor.run(left):
            failed = isinstance(found, Failure)
            ledger.add(unit.id, {"failure": [found.kind, found.reason]} if failed else {"result": found.get("double")})
        print(json.dumps(ledger.results))


if __name__ == "__main__":
    main(*sys.argv[1:])
