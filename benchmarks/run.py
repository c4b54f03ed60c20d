"""Compare Gatewise with its peers, all in one run.

python benchmarks/run.py                              every row, every peer: a few minutes
python benchmarks/run.py --row svm-200 --row deep     some rows
python benchmarks/run.py --peers "gatewise,torch eager" --rounds 3 --budget 0.1
python benchmarks/run.py --write                      everything, and the table in README.md anew
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from measure import measure, measure_processes, measured_limits
from peers import PEERS
from report import report, table, write
from rows import COMPILED, ROWS, Row


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", action="append", choices=ROWS, metavar="NAME", help=f"one of {', '.join(ROWS)}")
    parser.add_argument("--peers", help=f"separated by commas, of: {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=6, help="times that each peer gets its turn")
    parser.add_argument("--budget", type=float, default=0.2, help="seconds of one turn")
    parser.add_argument("--limit", type=float, default=120, help="seconds after which a silent peer is given up")
    parser.add_argument("--write", action="store_true", help="rewrite the table in README.md; needs all rows and peers")
    options = parser.parse_args(arguments)
    if options.write and (options.row or options.peers):
        parser.error("--write needs all rows and all peers: numbers of different runs do not compare")
    peers = options.peers.split(",") if options.peers else list(PEERS)
    if unknown := [peer for peer in peers if peer not in PEERS]:
        parser.error(f"no peer {', '.join(unknown)}; there are {', '.join(PEERS)}")
    limits = measured_limits() if COMPILED in peers else None
    measured = []
    for name in options.row or ROWS:
        row = ROWS[name]
        if isinstance(row, Row):
            measurements = measure(row, peers, options.rounds, options.budget, options.limit)
        else:
            measurements = measure_processes(row, options.rounds)
        measured.append((row, measurements))
        print(table(row, measurements), end="\n\n", flush=True)
    text = report(measured, limits)
    print(text.partition("\n\n###")[0])
    if options.write:
        write(text)


if __name__ == "__main__":
    main()
