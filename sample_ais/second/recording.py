"""The second sea as files: an NMEA recording of type 1, 18, 5 and 24 messages (ITU-R M.1371-5), and its truth.

Each line has a tag block with station and time as IEC 61162-450 lays it out, so that any AIS decoder reads it.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stswatch.sample_ais.second.radio import STATIC_STATION
from stswatch.sample_ais.second.sea import SecondSea, described

Field: TypeAlias = tuple[int, NDArray[np.int64]]  # width in bits, values (n,)
_SIX_BIT = np.frombuffer(b"0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVW`abcdefghijklmnopqrstuvw", np.uint8)
_CHUNK = 200_000


def write(folder: Path, sea: SecondSea) -> list[Path]:
    """Write second.nmea.gz, second.truth.json and its tables as Parquet; gives the paths. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "second.nmea.gz", folder / "second.truth.json"]
    with paths[0].open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as out:
        for lines in sentences(sea):
            out.write(lines)
    tables = {name: getattr(sea, name) for name in ("ships", "meetings", "gaps")}
    truth = described(sea) | {name: table.to_pylist() for name, table in tables.items()}
    paths[1].write_text(json.dumps(truth, indent=1, default=lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ")) + "\n")
    for name, table in tables.items():
        paths.append(folder / f"second.{name}.parquet")
        pq.write_table(table, paths[-1])
    return paths


def sentences(sea: SecondSea) -> list[bytes]:
    """All lines in order of time, in blocks of bytes."""
    static = sea.static_reports
    of = pc.fill_null(static["msg_type"], 0).to_numpy()
    lines, times = [], []
    for begin in range(0, sea.fixes.num_rows, _CHUNK):
        part = sea.fixes.slice(begin, _CHUNK)
        lines.append(_lines(part["station"], _seconds(part), [_payload(_position(part))], 0))
        times.append(_seconds(part))
    stations = pa.chunked_array([pa.array([STATIC_STATION] * static.num_rows, pa.string())])
    for kind, payloads in ((5, _voyage_payloads), (24, _class_b_payloads)):
        rows = static.filter(pa.array(of == kind))
        parts = payloads(rows)
        lines.append(_lines(stations.slice(0, rows.num_rows), _seconds(rows), parts, 2 if kind == 5 else 0))
        times.append(_seconds(rows))
    order = np.argsort(np.concatenate(times), kind="stable")
    text = pa.concat_arrays(lines).take(pa.array(order))
    blocks = (text.slice(k, _CHUNK) for k in range(0, len(text), _CHUNK))
    return ["".join(block.to_pylist()).encode() for block in blocks]


def _seconds(table: pa.Table) -> NDArray[np.int64]:
    return np.asarray(table["time"].cast(pa.int64()).to_numpy() // 1_000_000)


def _lines(station: pa.ChunkedArray, time_s: NDArray[np.int64], parts: list[pa.Array], fill: int) -> pa.Array:
    """A row each: the sentences of its message, one for each part; two parts are one message where `fill` is not 0."""
    n = len(time_s)
    tag = pc.binary_join_element_wise("s:", station.combine_chunks(), ",c:", pa.array(time_s).cast(pa.string()), "")
    head = pc.binary_join_element_wise("\\", _summed(tag), "\\", "")
    out = []
    for k, part in enumerate(parts):
        group = f"2,{k + 1}," if fill else "1,1,"
        number = pa.array(np.char.mod("%d", np.arange(n) % 10).tolist(), pa.string()) if fill else pa.array([""] * n)
        pad = str(fill if k == len(parts) - 1 else 0)
        body = pc.binary_join_element_wise(f"AIVDM,{group}", number, ",A,", part, f",{pad}", "")
        out.append(pc.binary_join_element_wise(head, "!", _summed(body), "\n", ""))
    return pc.binary_join_element_wise(*out, "")


def _summed(text: pa.Array) -> pa.Array:
    """Texts with their NMEA checksum, the exclusive or of all bytes."""
    width = int(pc.max(pc.binary_length(text)).as_py() or 0)
    padded = np.array(text.to_pylist(), f"S{max(width, 1)}")  # a padding byte is 0 and changes no sum
    total = np.bitwise_xor.reduce(padded.view(np.uint8).reshape(len(padded), -1), axis=1)
    return pc.binary_join_element_wise(text, pa.array(np.char.mod("%02X", total).tolist(), pa.string()), "*")


def _payload(fields: list[Field]) -> pa.Array:
    """The armoured payloads (n,) of fields of whole numbers, negative ones in two's complement, padded to six bits."""
    bits = np.concatenate([_bits(values, width) for width, values in fields], axis=1)
    bits = np.pad(bits, ((0, 0), (0, -bits.shape[1] % 6)))
    six = (bits.reshape(len(bits), -1, 6) * (1 << np.arange(5, -1, -1))).sum(axis=2)
    return pa.array(np.ascontiguousarray(_SIX_BIT[six]).view(f"S{six.shape[1]}").ravel()).cast(pa.string())


def _bits(values: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    return ((np.asarray(values, np.int64)[:, None] >> np.arange(width - 1, -1, -1)) & 1).astype(np.uint8)


def _text(column: pa.ChunkedArray, letters: int) -> list[Field]:
    """A text of six-bit letters, padded with @."""
    texts = np.array([(text or "").ljust(letters, "@")[:letters] for text in column.to_pylist()], f"S{letters}")
    codes = texts.view(np.uint8).reshape(-1, letters).astype(np.int64)
    return [(6, codes[:, k] % 64) for k in range(letters)]


def _whole(table: pa.Table, name: str, unset: float, scale: float = 1.0) -> NDArray[np.int64]:
    """A column as whole numbers of 1 / scale; `unset` stands for null."""
    values = pc.fill_null(table[name].cast(pa.float64()), unset / scale).to_numpy()
    return np.asarray(np.round(values * scale), np.int64)


def _position(rows: pa.Table) -> list[Field]:
    """Message 1 of class A, 18 of class B: both have 168 bits, and where they differ the row decides."""
    n, zero = rows.num_rows, np.zeros(rows.num_rows, np.int64)
    class_b = rows["msg_type"].to_numpy() == 18
    place = [(28, _whole(rows, "lon", 181, 600_000)), (27, _whole(rows, "lat", 91, 600_000)),
             (12, _whole(rows, "cog_deg", 360, 10) % 3600), (9, _whole(rows, "heading_deg", 511)),
             (6, _seconds(rows) % 60)]  # fmt: skip
    first = [(6, np.where(class_b, 18, 1)), (2, zero), (30, _whole(rows, "mmsi", 0))]
    sog = _whole(rows, "sog_kn", 102.3, 10)
    one = _joined([*first, (4, _whole(rows, "status", 15)), (8, zero - 128), (10, sog), (1, zero + 1), *place,
                   (2, zero), (3, zero), (1, zero), (19, zero + (2 << 14))])  # fmt: skip
    other = _joined([*first, (8, zero), (10, sog), (1, zero + 1), *place,
                     (2, zero), (1, zero + 1), (1, zero), (1, zero + 1), (1, zero + 1), (1, zero), (1, zero),
                     (1, zero), (1, zero + 1), (19, zero + 393_222)])  # fmt: skip
    return [(1, column) for column in np.where(class_b[:, None], other, one).T.astype(np.int64)] if n else []


def _joined(fields: list[Field]) -> NDArray[np.uint8]:
    return np.concatenate([_bits(values, width) for width, values in fields], axis=1)


def _sizes(rows: pa.Table) -> list[Field]:
    names = (("to_bow_m", 9), ("to_stern_m", 9), ("to_port_m", 6), ("to_starboard_m", 6))
    return [(width, _whole(rows, name, 0)) for name, width in names]


def _voyage_payloads(rows: pa.Table) -> list[pa.Array]:
    """Message 5, 424 bits, over two sentences."""
    zero = np.zeros(rows.num_rows, np.int64)
    whole = _payload([
        (6, zero + 5), (2, zero), (30, _whole(rows, "mmsi", 0)), (2, zero), (30, _whole(rows, "imo", 0)),
        *_text(rows["call_sign"], 7), *_text(rows["name"], 20), (8, _whole(rows, "ship_type", 0)), *_sizes(rows),
        (4, zero + 1), (4, zero), (5, zero), (5, zero + 24), (6, zero + 60), (8, _whole(rows, "draught_m", 0, 10)),
        *_text(rows["destination"], 20), (1, zero), (1, zero),
    ])  # fmt: skip
    return [pc.utf8_slice_codeunits(whole, 0, 60), pc.utf8_slice_codeunits(whole, 60)]


def _class_b_payloads(rows: pa.Table) -> list[pa.Array]:
    """Message 24, parts A and B, a sentence each."""
    zero = np.zeros(rows.num_rows, np.int64)
    head = [(6, zero + 24), (2, zero), (30, _whole(rows, "mmsi", 0))]
    part_a = _payload([*head, (2, zero), *_text(rows["name"], 20), (8, zero)])
    part_b = _payload([*head, (2, zero + 1), (8, _whole(rows, "ship_type", 0)), (42, zero),
                       *_text(rows["call_sign"], 7), *_sizes(rows), (6, zero)])  # fmt: skip
    return [part_a, part_b]
