"""Position and static reports as NMEA sentences with tag blocks, whole columns at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stswatch.sample_ais.fleet.motion import Floats

# --------------------------------------------------- Bits of AIS messages 1, 3, 5, 18 and 24, whole columns at a time
# Each message is a table of fields: name, width in bits, kind (u unsigned, i two's complement, t text of 6-bit
# characters). Values are numbers as they go over the air: longitude in 1/600000 deg, speed in 0.1 kn.
# Source: ITU-R M.1371-5, annex 8.

Bits = NDArray[np.uint8]


class PayloadField(NamedTuple):
    """One field of a message."""

    name: str
    bits: int
    kind: str = "u"


_HEAD = (PayloadField("msg_type", 6), PayloadField("repeat", 2), PayloadField("mmsi", 30))
_MOTION = (
    PayloadField("speed", 10),
    PayloadField("accuracy", 1),
    PayloadField("lon", 28, "i"),
    PayloadField("lat", 27, "i"),
    PayloadField("course", 12),
    PayloadField("heading", 9),
    PayloadField("second", 6),
)
_SIZE = (
    PayloadField("to_bow", 9),
    PayloadField("to_stern", 9),
    PayloadField("to_port", 6),
    PayloadField("to_starboard", 6),
)

POSITION_A = (
    *_HEAD,
    PayloadField("status", 4),
    PayloadField("turn", 8, "i"),
    *_MOTION,
    PayloadField("maneuver", 2),
    PayloadField("spare", 3),
    PayloadField("raim", 1),
    PayloadField("radio", 19),
)
POSITION_B = (
    *_HEAD,
    PayloadField("reserved", 8),
    *_MOTION,
    PayloadField("reserved_2", 2),
    PayloadField("flags", 7),
    PayloadField("radio", 20),
)
STATIC_A = (
    *_HEAD,
    PayloadField("ais_version", 2),
    PayloadField("imo", 30),
    PayloadField("call_sign", 42, "t"),
    PayloadField("name", 120, "t"),
    PayloadField("ship_type", 8),
    *_SIZE,
    PayloadField("epfd", 4),
    PayloadField("month", 4),
    PayloadField("day", 5),
    PayloadField("hour", 5),
    PayloadField("minute", 6),
    PayloadField("draught", 8),
    PayloadField("destination", 120, "t"),
    PayloadField("dte", 1),
    PayloadField("spare", 1),
)
STATIC_B_NAME = (*_HEAD, PayloadField("part", 2), PayloadField("name", 120, "t"))
STATIC_B_REST = (
    *_HEAD,
    PayloadField("part", 2),
    PayloadField("ship_type", 8),
    PayloadField("vendor", 42),
    PayloadField("call_sign", 42, "t"),
    *_SIZE,
    PayloadField("spare", 6),
)


def pack(fields: Sequence[PayloadField], values: Mapping[str, Any], n: int) -> Bits:
    """The bits (n, width) of n messages, one a byte.

    Args:
        fields: the layout.
        values: for each field numbers or texts, (n,) or one for all; a field without value is zero.
        n: how many messages.

    Raises ValueError for a value that does not fit its field.

    >>> pack((PayloadField("msg_type", 6),), {"msg_type": [1, 5]}, 2).tolist()
    [[0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 0, 1]]
    """
    unknown = set(values) - {f.name for f in fields}
    if unknown:
        raise ValueError(f"no field {', '.join(sorted(unknown))} in this message")
    columns = [_text if f.kind == "t" else _number for f in fields]
    return np.concatenate(
        [make(f, values.get(f.name, "" if f.kind == "t" else 0), n) for make, f in zip(columns, fields, strict=True)],
        axis=1,
    )


def _number(field: PayloadField, value: ArrayLike, n: int) -> Bits:
    numbers = np.broadcast_to(np.asarray(value), (n,)).astype(np.int64)
    low, high = (
        (-(1 << (field.bits - 1)), (1 << (field.bits - 1)) - 1) if field.kind == "i" else (0, (1 << field.bits) - 1)
    )
    if n and (numbers.min() < low or numbers.max() > high):
        raise ValueError(
            f"{field.name} holds {numbers.min()} to {numbers.max()}; {field.bits} bits take {low} to {high}"
        )
    shifts = np.arange(field.bits - 1, -1, -1)
    return ((numbers[:, None] >> shifts) & 1).astype(np.uint8)


def _text(field: PayloadField, value: ArrayLike, n: int) -> Bits:
    size = field.bits // 6
    texts = np.broadcast_to(np.asarray(value, dtype=np.str_), (n,))
    if n and np.char.str_len(texts).max() > size:
        raise ValueError(f"{field.name} takes {size} characters, found {max(texts, key=len)!r}")
    codes = np.char.ljust(texts, size, "@").astype(f"S{size}").view(np.uint8).reshape(n, size)
    if n and (codes.min() < 32 or codes.max() > 95):
        raise ValueError(
            f"{field.name}: only characters from blank to underscore, capital letters among them, can be sent"
        )
    six = np.where(codes >= 64, codes - 64, codes)
    return np.unpackbits(six[:, :, None], axis=2)[:, :, 2:].reshape(n, field.bits)


def armour(bits: Bits) -> tuple[NDArray[np.bytes_], int]:
    """Payloads (n,) as they stand in a sentence, six bits a character, and how many bits were filled up.

    >>> armour(np.array([[0, 0, 0, 0, 0, 1, 1, 1]], dtype=np.uint8))
    (array([b'1h'], dtype='|S2'), 4)
    """
    n, width = bits.shape
    fill = -width % 6
    six = np.concatenate([bits, np.zeros((n, fill), np.uint8)], axis=1).reshape(n, -1, 6)
    codes = np.packbits(six, axis=2)[:, :, 0] >> 2
    letters = (codes + np.where(codes < 40, 48, 56)).astype(np.uint8)
    return np.ascontiguousarray(letters).view(f"S{letters.shape[1]}").reshape(n), fill


# -------------------------------------------------- Sentences with tag blocks round payloads, whole columns at a time

PART = 60  # characters of payload in the first sentence of two; a sentence may have 82 in all (NMEA 0183)


def checksums(bodies: Sequence[bytes]) -> list[str]:
    """Exclusive or of the bytes of each body (n), two hex digits.

    >>> checksums([b"AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0"])
    ['5C']
    """
    if not bodies:
        return []
    table = np.array(bodies, dtype=np.bytes_)  # shorter ones end in zero bytes, which change no exclusive or
    xor = np.bitwise_xor.reduce(table.view(np.uint8).reshape(len(bodies), -1), axis=1)
    return [f"{value:02X}" for value in xor.tolist()]


def lines(
    payloads: NDArray[np.bytes_],
    fill: int,
    time_s: NDArray[np.int64],
    stations: Sequence[str],
    first_group: int,
) -> list[bytes]:
    """One element a message: its line, or its two lines joined by a line end where it needs two.

    Args:
        payloads: (n,) armoured payloads of one length.
        fill: fill bits of the last sentence.
        time_s: (n,) whole seconds since 1970, for the tag block.
        stations: (n,) names of the receiving stations.
        first_group: number of the first group; messages in two sentences count up from it.

    Never raises.
    """
    text = [p.decode() for p in payloads.tolist()]
    tags = [f"s:{s},c:{t}" for s, t in zip(stations, time_s.tolist(), strict=True)]
    channels = ["AB"[k % 2] for k in range(len(text))]
    if payloads.dtype.itemsize <= PART:
        bodies = [f"AIVDM,1,1,,{c},{p},{fill}" for c, p in zip(channels, text, strict=True)]
        return _join(tags, bodies)
    groups = range(first_group, first_group + len(text))
    first = [f"AIVDM,2,1,{g % 10},{c},{p[:PART]},0" for g, c, p in zip(groups, channels, text, strict=True)]
    second = [f"AIVDM,2,2,{g % 10},{c},{p[PART:]},{fill}" for g, c, p in zip(groups, channels, text, strict=True)]
    heads = _join([f"g:1-2-{g},{t}" for g, t in zip(groups, tags, strict=True)], first)
    tails = _join([f"g:2-2-{g},{t}" for g, t in zip(groups, tags, strict=True)], second)
    return [a + b"\n" + b for a, b in zip(heads, tails, strict=True)]


def _join(tags: list[str], bodies: list[str]) -> list[bytes]:
    tag_sums = checksums([t.encode() for t in tags])
    body_sums = checksums([b.encode() for b in bodies])
    parts = zip(tags, tag_sums, bodies, body_sums, strict=True)
    return [f"\\{tag}*{tag_sum}\\!{body}*{body_sum}".encode() for tag, tag_sum, body, body_sum in parts]


# ----------- Position and static reports as sentences with tag blocks: columns in, lines out, for all recordings here

Ints = NDArray[np.int64]
NO_HEADING, NO_LON, NO_LAT = 511, 181.0, 91.0  # what stands for "not available", ITU-R M.1371-5
NO_SPEED, NO_COURSE = 1023, 3600
NO_TURN = -128
B_FLAGS = 0b1011100  # carrier sense, with display and DSC, whole band, message 22; the last bit is raim


def positions(
    mmsi: ArrayLike,
    time_s: Ints,
    lon: Floats,
    lat: Floats,
    speed_kn: Floats,
    course_deg: Floats,
    heading_deg: Floats,
    stations: Sequence[str],
    status: Ints | None = None,
    turning: NDArray[np.bool_] | None = None,
    more: Mapping[str, Ints] | None = None,
) -> list[bytes]:
    """A line for each position report (n,), in their order: class A (types 1 and 3) with a status, else class B (18).

    time_s: whole seconds since 1970. NaN in lon, lat, speed_kn, course_deg or heading_deg is sent as not available.
    more: further fields as they go over the air, msg_type, second and accuracy among them. Raises ValueError for what
    does not fit a field.
    """
    n = len(time_s)
    common: dict[str, Any] = {
        "mmsi": mmsi,
        "speed": np.where(np.isnan(speed_kn), NO_SPEED, np.round(np.nan_to_num(speed_kn) * 10)).astype(np.int64),
        "lon": np.round(np.where(np.isnan(lon), NO_LON, lon) * 600_000).astype(np.int64),
        "lat": np.round(np.where(np.isnan(lat), NO_LAT, lat) * 600_000).astype(np.int64),
        "course": np.where(np.isnan(course_deg), NO_COURSE, np.round(np.nan_to_num(course_deg) * 10)).astype(np.int64),
        "heading": np.where(np.isnan(heading_deg), NO_HEADING, heading_deg).astype(np.int64),
        "second": time_s % 60,
    }
    sent: dict[str, Any] = dict(more or {})
    if status is None:
        boat = {name: value for name, value in sent.items() if name not in ("turn", "maneuver", "raim")}
        bits = pack(POSITION_B, common | {"msg_type": 18, "flags": B_FLAGS} | boat, n)
    else:
        kind = np.where(turning if turning is not None else np.zeros(n, bool), 3, 1)
        sent.pop("flags", None)
        bits = pack(POSITION_A, common | {"msg_type": kind, "status": status, "turn": NO_TURN} | sent, n)
    payloads, fill = armour(bits)
    return lines(payloads, fill, time_s, stations, 0)


def statics_a(
    who: Mapping[str, Any], voyage: Mapping[str, Any], time_s: Ints, stations: Sequence[str], first_group: int
) -> list[bytes]:
    """The two lines of each static report (n,) of class A, type 5.

    who: mmsi, imo, name, call_sign, ship_type, to_bow, to_stern, to_port, to_starboard; voyage: draught in 0.1 m,
    destination, and where entered month, day, hour, minute of arrival. Values (n,) or one for all.
    """
    fixed = {"msg_type": 5, "epfd": 1, "hour": 24, "minute": 60}
    payloads, fill = armour(pack(STATIC_A, {**fixed, **who, **voyage}, len(time_s)))
    return lines(payloads, fill, time_s, stations, first_group)


def statics_b(
    who: Mapping[str, Any], time_s: Ints, stations: Sequence[str], first_group: int, part: int
) -> list[bytes]:
    """The line of each static report (n,) of class B, type 24: part 0 has the name, part 1 the rest of `who`."""
    fields: Sequence[PayloadField] = (STATIC_B_NAME, STATIC_B_REST)[part]
    names = {field.name for field in fields}
    values = {name: value for name, value in who.items() if name in names} | {"msg_type": 24, "part": part}
    payloads, fill = armour(pack(fields, values, len(time_s)))
    return lines(payloads, fill, time_s, stations, first_group)
