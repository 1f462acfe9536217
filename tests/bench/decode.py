"""What decoding costs beside what a user would pick otherwise: pyais, libais and aiscat on the same bytes.

    python -m tests.bench.decode [--write]

CPU seconds of this process, one thread, the best of some rounds; in each round all programs take their turn, so that
whatever else the machine does slows all of them. libais and aiscat are in the extra `bench`; a row without one of them
says so. Captures: the AISHub sample where STSWATCH_REAL_DATA names the real data, and the recording of the simulated
sea. `--write` puts the tables into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psutil
from pyais.stream import IterMessages

from stswatch.pipeline.flow.calls import ingest_chunk
from stswatch.pipeline.flow.workers import keep_freed_memory
from stswatch.pipeline.readers.formats import chunks, open_source, read
from stswatch.pipeline.readers.source import Source
from tests.bench.run import put, table
from tests.pipeline.decode.captures import wrapped

BEGIN, END = "<!-- decode bench -->", "<!-- end of decode -->"
RECORDING = Path(__file__).parents[2] / "sample_ais" / "simulated_48h.nmea.gz"
WHEN = datetime(2012, 3, 14, 11, 30, tzinfo=UTC)
IN_A_ROW = 3
DAY_US = 86_400_000_000
SHAPED = 40_000  # sentences of each shape
Work = Callable[[], int]


def by_stswatch(source: Source) -> int:
    """Arrow tables of positions, static reports and rejects, with the evidence of each row; every checksum checked."""
    return sum(decoded.messages for chunk in chunks(source) for decoded in read(chunk))


def by_pyais(text: bytes) -> int:
    """An object for each message of any type, multi-part joined; checksums are not checked."""
    messages = 0
    for sentence in IterMessages(text.splitlines()):
        try:
            sentence.decode()
            messages += 1
        except Exception:
            continue
    return messages


def by_libais(text: bytes) -> int:
    """A dict for each message of any type; sentences are taken apart and parts joined here, nothing is checked."""
    import ais

    messages = 0
    for payload, fill in _payloads(text.decode("latin-1")):
        try:
            ais.decode(payload, fill)
            messages += 1
        except ais.DecodeError:
            continue
    return messages


def _payloads(text: str) -> Iterator[tuple[str, int]]:
    """The payloads of whole messages, as simply as can be."""
    begun: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        fields = line[line.find("!") :].split(",")
        if len(fields) < 7:
            continue
        if fields[1] == "1":
            yield fields[5], int(fields[6][:1])
            continue
        key = fields[3], fields[4]
        begun[key] = begun.get(key, "") * (fields[2] != "1") + fields[5]
        if fields[1] == fields[2]:
            yield begun.pop(key), int(fields[6][:1])


def by_aiscat(text: bytes) -> int:
    """A dict for each message of any type, multi-part joined; checksums are not checked."""
    import aiscat

    decoder, messages = aiscat.Decoder(), 0
    for start in range(0, len(text), 1 << 16):
        decoder.feed(text[start : start + (1 << 16)])
        while decoder.next() is not None:
            messages += 1
    return messages


OTHERS: dict[str, Callable[[bytes], int]] = {"pyais": by_pyais, "libais": by_libais, "aiscat": by_aiscat}
MODULES = {"pyais": "pyais", "libais": "ais", "aiscat": "aiscat"}


def best(works: dict[str, Work], rounds: int) -> dict[str, tuple[float, int]]:
    """The least CPU seconds of each and what it gave, over rounds in which they take turns, a few times in a row."""
    seen: dict[str, list[tuple[float, int]]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            for _ in range(IN_A_ROW):  # a run decodes window after window: the first one pays for memory and caches
                started = time.process_time()
                gave = work()
                seen[name].append((time.process_time() - started, gave))
    return {name: min(costs) for name, costs in seen.items()}


def opened(folder: Path, name: str, text: bytes) -> Source:
    """A text as a file that can be read."""
    path = folder / name
    path.write_bytes(text)
    return open_source(path, format="nmea", start_time=WHEN)


def side_by_side(source: Source, text: bytes, rounds: int) -> list[list[str]]:
    """A row for each program on one capture."""
    works: dict[str, Work] = {"stswatch": lambda: by_stswatch(source)}
    for name, work in OTHERS.items():
        if importlib.util.find_spec(MODULES[name]):
            works[name] = lambda work=work: work(text)
    costs = best(works, rounds)
    sentences = sum(decoded.sentences for chunk in chunks(source) for decoded in read(chunk))
    rows = []
    for name in ("stswatch", *OTHERS):
        if name not in costs:
            rows.append([name, "not installed", "", "", ""])
            continue
        spent_s, messages = costs[name]
        rate, times = sentences / spent_s / 1e6, spent_s / costs["stswatch"][0]
        rows.append([name, f"{messages:,}", f"{spent_s / sentences * 1e6:.2f}", f"{rate:.2f}", f"{times:.1f}"])
    return rows


def ingested(source: Source, folder: Path, rounds: int) -> list[str]:
    """What ingest costs beside the decoding in it: rows are sorted and written as Parquet too."""
    numbers = count()

    def work() -> int:
        reading = f"reading{next(numbers)}"
        return sum(
            ingest_chunk(folder / "data", reading, chunk, DAY_US).counts["sentences"] for chunk in chunks(source)
        )

    costs = best({"decode": lambda: by_stswatch(source), "ingest": work}, rounds)
    decode_us, ingest_us = (costs[name][0] / costs["ingest"][1] * 1e6 for name in ("decode", "ingest"))
    return [f"{decode_us:.2f}", f"{ingest_us:.2f}", f"{ingest_us / decode_us:.2f}"]


def by_shape(text: bytes, folder: Path, rounds: int) -> list[list[str]]:
    """What a sentence costs with each of the things that usually stand round one."""
    bare = [line[line.find(b"!") :].strip() for line in text.split(b"\n") if b"!" in line][:SHAPED]
    works: dict[str, Work] = {}
    for at, kind in enumerate(wrapped(b"", 0)):
        shaped = b"\n".join(wrapped(line, row // 20)[kind] for row, line in enumerate(bare))
        source = opened(folder, f"{at}.nmea", shaped)
        works[kind] = lambda source=source: by_stswatch(source)
    costs = best(works, rounds)
    return [[kind, f"{spent_s / len(bare) * 1e6:.2f}"] for kind, (spent_s, _) in costs.items()]


def captures() -> dict[str, bytes]:
    """The texts that are measured."""
    found = {}
    if real := os.environ.get("STSWATCH_REAL_DATA"):
        found["AISHub"] = gzip.decompress((Path(real) / "nmea" / "aishub_nmea-sample.txt.gz").read_bytes())
    found["recording"] = gzip.decompress(RECORDING.read_bytes())
    return found


def report(folder: Path, rounds: int) -> str:
    """All tables."""
    texts = captures()
    sources = {name: opened(folder, f"{name}.nmea", text) for name, text in texts.items()}
    rows = [[name, *row] for name in texts for row in side_by_side(sources[name], texts[name], rounds)]
    lake = [[name, *ingested(sources[name], folder, rounds)] for name in texts]
    first = next(iter(texts))
    head = ["capture", "program", "messages", "CPU µs a sentence", "million sentences a second", "times stswatch"]
    return "\n".join(
        [
            f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}",
            "",
            table(head, rows),
            "",
            "Ingest, from the bytes of a file to sorted Parquet, beside the decoding in it, CPU µs a sentence:",
            "",
            table(["capture", "decode", "ingest", "ratio"], lake),
            "",
            f"What stands round a sentence ({first}), CPU µs a sentence:",
            "",
            table(["shape", "decode"], by_shape(texts[first], folder, rounds)),
        ]
    )


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    given = parser.parse_args()
    keep_freed_memory()  # as a run does
    with tempfile.TemporaryDirectory() as folder:
        text = report(Path(folder), given.rounds)
    print(text)
    if given.write:
        put(BEGIN, text, END)


if __name__ == "__main__":
    main()
