"""Sentences for tests: well formed ones, wrapped in every known way, and every kind of rubbish."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from functools import reduce
from operator import xor
from pathlib import Path

SINGLE = (
    (b"13HOI:0P0000VOHLCnHQKwvL05Ip", 0),  # a position
    (b"B>cSnNP00FVur7UaC7WQ3wS1jCJJ", 0),  # a position of class B
    (b"402M??AvAPP000h0MJR07Ug02H0I", 0),  # a base station
    (b"H>cSnNP@4eEL544000000000000", 0),  # a name
    (b"8Nj<9D0000ttt0<D04@<tt<8`H0H@@l44L`<40<@tT`<4T0`=h0", 2),  # a binary message
    (b"13HOI:0P0000", 0),  # too short
    (b"", 0),
)
STATIC = (b"56K8@vh2:w;D`OG??R0dTq9UF0l59F222222221@:HE694o`0@ORT80j0`<r3PDR", b"E0JH882", 2)


def digits(body: bytes) -> bytes:
    return b"%02X" % reduce(xor, body, 0)


def sentence(payload: bytes, fill: int = 0, *, part: int = 1, total: int = 1, seq: bytes = b"") -> bytes:
    body = b"AIVDM,%d,%d,%s,A,%s,%d" % (total, part, seq, payload, fill)
    return b"!" + body + b"*" + digits(body)


def tagged(line: bytes, time_s: int | None, station: bytes = b"", group: bytes = b"") -> bytes:
    fields = [b"g:" + group] * bool(group) + [b"s:" + station] * bool(station)
    fields += [] if time_s is None else [b"c:%d" % time_s]
    tag = b",".join(fields)
    return b"\\" + tag + b"*" + digits(tag) + b"\\" + line


def parts(seq: bytes) -> tuple[bytes, bytes]:
    first, second, fill = STATIC
    return (
        sentence(first, 0, part=1, total=2, seq=seq),
        sentence(second, fill, part=2, total=2, seq=seq),
    )


def capture(seed: int, lines: int) -> bytes:
    """A text that mixes everything: interleaved and lost parts, several sentences on a line, all wrappers, rubbish."""
    rng = random.Random(seed)
    text: list[bytes] = []
    late: list[tuple[int, bytes]] = []  # second parts that come some lines later
    for at in range(lines):
        text += [line for due, line in late if due <= at]
        late = [(due, line) for due, line in late if due > at]
        payload, fill = rng.choice(SINGLE)
        plain = sentence(payload, fill)
        kind = rng.random()
        if kind < 0.35:
            text.append(tagged(plain, 1_600_000_000 + at, rng.choice([b"", b"S1", b"S2"])))
        elif kind < 0.5:
            text.append(plain)
        elif kind < 0.75:
            first, second = parts(b"%d" % rng.randrange(10))
            text.append(tagged(first, 1_600_000_000 + at) if rng.random() < 0.5 else first)
            if rng.random() < 0.9:
                late.append((at + rng.choice([1, 1, 2, 5, 1500]), second))
        elif kind < 0.8:
            text.append(plain + b",r003669987,%d" % (1_152_921_693 + at))
        elif kind < 0.85:
            text.append(tagged(plain, 1_600_000_000 + at) + tagged(plain, 1_600_000_001 + at))
        elif kind < 0.9:
            text += [b"$PGHP,1,2010,6,11,11,46,%d,390,231,45,992190934,1,2B*5B" % (at % 60), plain]
        elif kind < 0.95:
            text.append(plain[:-2] + b"00")
        else:
            text.append(rng.choice([b"", b"# a comment", b"rubbish", b"x" * 5000, b"\xff\x00!AIVDM,", plain[:20]]))
    return rng.choice([b"\n", b"\r\n"]).join(text) + rng.choice([b"", b"\n"])


def wrapped(line: bytes, at: int) -> dict[str, bytes]:
    """A sentence with each of the things that usually stand round one; `at`: seconds."""
    time_s = 1_600_000_000 + at
    gatehouse = b"$PGHP,1,2010,6,%d,11,46,%d,390,231,45,992190934,1,2B*5B\n" % (at // 60 % 28 + 1, at % 60)
    return {
        "bare": line,
        "return": line + b"\r",
        "tag block": tagged(line, time_s, b"r003669945"),
        "tag block with group": tagged(line, time_s, b"S%d" % (at % 3), b"1-2-%d" % (at // 2)),
        "tag block in ms": b"\\s:terrestrial,c:%d123,t:spire\\" % time_s + line,
        "suffix": line + b",r003669987,%d" % time_s,
        "long suffix": line + b",x161434,s26256,d-109,T34.43128733,rB0003669961,%d" % time_s,
        "epoch": b"%d " % time_s + line,
        "epoch with fraction": b"%d.25," % time_s + line,
        "ISO time": b"2020-09-13T12:%02d:%02dZ " % (at // 60 % 60, at % 60) + line,
        "ISO time and tag block": b"2020-09-13 12:26:40.5\t" + tagged(line, None, b"satellite"),
        "Gatehouse": gatehouse + line,
    }


def texts(real: str) -> Iterator[bytes]:
    """The captures among the real data."""
    for path in sorted(Path(real, "nmea").iterdir()):
        if path.suffix not in (".json", ".chk"):
            yield gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
