"""Decoded numbers agree with the expected decodes that gpsd publishes, and no payload makes the decoder raise."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.decode.messages import Messages, decode
from stswatch.pipeline.decode.rejects import CODES
from stswatch.pipeline.decode.sentences import frame

REAL = os.environ.get("STSWATCH_REAL_DATA", "")
real = [pytest.mark.real, pytest.mark.skipif(not REAL, reason="STSWATCH_REAL_DATA names no folder")]
ARMOUR = "".join(map(chr, [*range(0x30, 0x58), *range(0x60, 0x78)]))


def of(payloads: list[bytes], fill: list[int]) -> Messages:
    end = np.cumsum([len(payload) for payload in payloads], dtype=np.int64)
    start = np.append(0, end)[:-1]
    return decode(np.frombuffer(b"".join(payloads), np.uint8), start[: len(end)], end, np.array(fill, np.int64))


@given(st.lists(st.tuples(st.binary(max_size=80) | st.text(ARMOUR, max_size=80).map(str.encode), st.integers(0, 5))))
def test_any_payload_gives_a_message_or_a_reason(inputs):
    found = of([payload for payload, _ in inputs], [fill for _, fill in inputs])
    assert ((found.code == 0) == (found.msg_type > 0)).all()
    assert set(found.code.tolist()) <= {0, *CODES.values()}
    for kind in (found.positions, found.statics, found.bases):
        assert (found.code[kind["row"]] == 0).all()


def decoded(name: str) -> tuple[list[bytes], dict]:
    found = frame((Path(REAL) / "nmea" / name).read_bytes(), 0, 0)
    rows = np.flatnonzero((found.code == 0) & (found.total == 1))
    messages = of([found.payload[row] for row in rows], found.fill[rows].tolist())
    return [found.payload[row] for row in rows], messages


def near(a: float, b: float, within: float) -> bool:
    return bool((math.isnan(a) and math.isnan(b)) or abs(a - b) <= within)


@pytest.mark.parametrize("real_data", [pytest.param(None, marks=real)])
def test_positions_agree_with_gpsd(real_data):
    _, messages = decoded("gpsd_sample.aivdm")
    lines = (Path(REAL) / "nmea" / "gpsd_sample.aivdm.js.chk").read_text().splitlines()
    told = [m for m in map(json.loads, lines) if m.get("class") == "AIS" and m["type"] in (1, 2, 3, 18, 19, 27)]
    ours = messages.positions
    assert len(told) == len(ours["row"]) >= 10
    for i, theirs in enumerate(told):
        assert ours["mmsi"][i] == theirs["mmsi"]
        tolerance = 1e-3 if theirs["type"] == 27 else 1e-7
        assert near(ours["lon"][i], theirs["lon"], tolerance)
        assert near(ours["lat"][i], theirs["lat"], tolerance)


@pytest.mark.parametrize("real_data", [pytest.param(None, marks=real)])
def test_types_18_and_27_agree_with_gpsd(real_data):
    _, messages = decoded("gpsd_ais-18-27.log")
    lines = (Path(REAL) / "nmea" / "gpsd_ais-18-27.log.chk").read_text().splitlines()
    told = [m for m in (json.loads(x) for x in lines if x.startswith("{")) if m["type"] in (18, 27)]
    ours = messages.positions
    assert len(told) == len(ours["row"]) >= 100
    for i, theirs in enumerate(told):
        scale, tenth = (600.0, 1.0) if theirs["type"] == 27 else (600_000.0, 10.0)
        assert ours["mmsi"][i] == theirs["mmsi"]
        assert near(ours["lon"][i], theirs["lon"] / scale, 1e-9)
        assert near(ours["lat"][i], theirs["lat"] / scale, 1e-9)
        assert near(ours["sog_kn"][i], theirs["speed"] / tenth, 1e-9)
        assert near(ours["cog_deg"][i], theirs["course"] / tenth, 1e-9)
