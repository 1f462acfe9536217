"""What decoding costs beside what a user would pick otherwise: pyais, libais and aiscat on the same bytes.

    python -m tests.bench.decode [--write]

CPU seconds of this process, one thread, the best of some rounds; in each round all programs take their turn, so that
whatever else the machine does slows all of them. libais and aiscat are in the extra `bench`; a row without one of them
says so. Captures: the AISHub sample where STSWATCH_REAL_DATA names the real data, and the recording of the simulated
sea. `--write` puts the tables into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import importlib.util
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from pyais.stream import IterMessages

from stswatch.pipeline import api
from stswatch.pipeline.decode.decoded_fields import FIELDS, LAYOUT_TYPES, columns_of
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
COPIES = 10  # of a capture that `stswatch decode` writes
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


def best(works: dict[str, Work], rounds: int, in_a_row: int = IN_A_ROW) -> dict[str, tuple[float, int]]:
    """The least CPU seconds of each and what it gave, over rounds in which they take turns, a few times in a row."""
    seen: dict[str, list[tuple[float, int]]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            for _ in range(in_a_row):  # a run decodes window after window: the first one pays for memory and caches
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


def by_command(capture: Path, out: Path) -> int:
    """What `stswatch decode CAPTURE --to parquet --out OUT` does once it has started; gives the sentences."""
    return api.write_messages(capture, to="parquet", out=out).sentences


def by_pyais_and_arrow(text: bytes, out: Path) -> int:
    """The same table as one would write it with pyais: a dict a message, a Parquet file of all; gives the sentences.

    It says nothing of where a message stands and when it was received, and checksums are not checked.
    """
    kept, rows = set(columns_of().names), []
    for sentence in IterMessages(text.splitlines()):
        try:
            row = sentence.decode().asdict(enum_as_int=True)
        except Exception:
            continue
        if row["msg_type"] not in LAYOUT_TYPES:
            head = {name: row.pop(name) for name in ("msg_type", "repeat", "mmsi")}
            row = head | {FIELDS: json.dumps(row, default=lambda raw: base64.b64encode(raw).decode())}
        rows.append(row)
    filled = {name for row in rows for name in row} & kept
    schema = pa.schema([field for field in columns_of() if field.name in filled])
    pq.write_table(pa.Table.from_pylist(rows, schema), out, compression="snappy")
    return text.count(b"\n")


def written(name: str, text: bytes, folder: Path, rounds: int) -> list[list[str]]:
    """What a Parquet file of all messages costs: a capture a few times in a row; for pyais, which is slow, once."""
    capture = folder / f"{name}-in-a-row.nmea"
    capture.write_bytes((text.rstrip(b"\n") + b"\n") * COPIES)
    works: dict[str, Work] = {
        "stswatch decode --to parquet": lambda: by_command(capture, folder / "ours.parquet"),
        "pyais and pyarrow": lambda: by_pyais_and_arrow(text, folder / "theirs.parquet"),
    }
    costs = best(works, rounds, in_a_row=1)
    each_us = {program: spent_s / sentences * 1e6 for program, (spent_s, sentences) in costs.items()}
    least = min(each_us.values())
    return [[name, program, f"{us:.2f}", f"{us / least:.1f}"] for program, us in each_us.items()]


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
    parquet = [row for name in texts for row in written(name, texts[name], folder, rounds)]
    first = next(iter(texts))
    head = ["capture", "program", "messages", "CPU µs a sentence", "million sentences a second", "times stswatch"]
    return "\n".join(
        [
            f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}",
            "",
            table(head, rows),
            "",
            f"A Parquet file of every field of all messages ({COPIES} captures in a row), start left out:",
            "",
            table(["capture", "program", "CPU µs a sentence", "times stswatch"], parquet),
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
