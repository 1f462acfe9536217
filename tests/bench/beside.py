"""Whether decoding has become slower: this tree beside another one, on the same bytes.

    python -m tests.bench.beside PYTHON [--rounds 9]

PYTHON is the interpreter of the environment in which the other tree is installed, such as ../main/.venv/bin/python.
Each tree has a process that decodes what it is told and answers with its CPU seconds, so that both take turns, and each
measures after a first round that is not counted. What is printed is the median over the rounds and, since rounds differ
with whatever else the machine does, the median of the ratios within each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from stswatch.pipeline.flow.workers import keep_freed_memory
from stswatch.pipeline.readers.formats import chunks, open_source, read
from tests.bench.decode import SHAPED, WHEN, captures
from tests.bench.run import table
from tests.pipeline.decode.captures import wrapped

IN_A_ROW = 3


def serve() -> None:
    """Decode each file named on standard input a few times, and answer with the CPU seconds of the fastest time."""
    keep_freed_memory()
    sources = {}
    for line in sys.stdin:
        path = json.loads(line)
        if path not in sources:
            sources[path] = open_source(path, format="nmea", start_time=WHEN)
        costs = []
        for _ in range(IN_A_ROW):
            started = time.process_time()
            for chunk in chunks(sources[path]):
                for _ in read(chunk):
                    pass
            costs.append(time.process_time() - started)
        print(json.dumps(min(costs)), flush=True)


def asked(server: subprocess.Popen[str], path: Path) -> float:
    """The CPU seconds that a server needs for a file."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(str(path)) + "\n")
    server.stdin.flush()
    return float(json.loads(server.stdout.readline()))


def files(folder: Path) -> dict[str, Path]:
    """The captures, and one for each thing that usually stands round a sentence."""
    texts = captures()
    first = next(iter(texts.values()))
    bare = [line[line.find(b"!") :].strip() for line in first.split(b"\n") if b"!" in line][:SHAPED]
    shaped = {
        kind: b"\n".join(wrapped(line, row // 20)[kind] for row, line in enumerate(bare)) for kind in wrapped(b"", 0)
    }
    found = {}
    for at, (name, text) in enumerate((texts | shaped).items()):
        found[name] = folder / f"{at}.nmea"
        found[name].write_bytes(text)
    return found


def compare(other: str, rounds: int) -> str:
    """A row for each file: median CPU seconds of the other tree and of this one, and the median ratio."""
    command = "from tests.bench.beside import serve; serve()"
    here = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        paths = files(Path(folder))
        pipe = subprocess.PIPE
        servers = [
            subprocess.Popen([python, "-c", command], cwd=here, text=True, stdin=pipe, stdout=pipe)
            for python in (other, sys.executable)
        ]
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in paths}
        for number in range(rounds + 1):
            for name, path in paths.items():
                turn = servers if number % 2 else servers[::-1]
                spent = {id(server): asked(server, path) for server in turn}
                if number:
                    costs[name].append((spent[id(servers[0])], spent[id(servers[1])]))
        for server in servers:
            server.communicate()
    rows = []
    for name, spent_s in costs.items():
        old, new = (median(each) for each in zip(*spent_s, strict=True))
        ratio = median(new / old for old, new in spent_s)
        rows.append([name, f"{old:.4f}", f"{new:.4f}", f"{ratio:.3f}"])
    return table(["capture or shape", "other, s", "this, s", "ratio"], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python")
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    print(compare(given.python, given.rounds))


if __name__ == "__main__":
    main()
