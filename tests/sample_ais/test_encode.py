"""Encoding is held to pyais, which decodes: what goes in comes out, for any value of any field."""

import numpy as np
import pyais
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.sample_ais.reception import encode
from stswatch.sample_ais.reception import encode as nmea

LETTERS = "".join(chr(c) for c in range(32, 96) if chr(c) != "@")
NAMES = {  # field here -> field of pyais
    "name": "shipname",
    "call_sign": "callsign",
    "status": "status",
    "part": "partno",
    "second": "second",
    "imo": "imo",
    "destination": "destination",
    "ship_type": "ship_type",
    "heading": "heading",
    "mmsi": "mmsi",
    "to_bow": "to_bow",
    "to_stern": "to_stern",
    "to_port": "to_port",
    "to_starboard": "to_starboard",
    "month": "month",
    "day": "day",
    "hour": "hour",
    "minute": "minute",
    "msg_type": "msg_type",
}
SCALED = {"lon": 1 / 600_000, "lat": 1 / 600_000, "speed": 0.1, "course": 0.1, "draught": 0.1}
LAYOUTS = (
    (encode.POSITION_A, {"msg_type": 1}),
    (encode.POSITION_A, {"msg_type": 3}),
    (encode.POSITION_B, {"msg_type": 18}),
    (encode.STATIC_A, {"msg_type": 5}),
    (encode.STATIC_B_NAME, {"msg_type": 24, "part": 0}),
    (encode.STATIC_B_REST, {"msg_type": 24, "part": 1}),
)
BOUNDS = {
    "lon": (-108_000_000, 108_600_000),
    "lat": (-54_000_000, 54_600_000),
    "mmsi": (201_000_000, 775_999_999),
    "status": (0, 15),
}


def value_of(field):
    if field.kind == "t":  # pyais cuts blanks at both ends
        return st.text(LETTERS, max_size=field.bits // 6).map(str.strip)
    if field.name == "ship_type":
        return st.sampled_from([0, 30, 36, 50, 52, 60, 70, 80, 99])  # pyais turns reserved ones into 0
    low, high = BOUNDS.get(field.name, (0, (1 << field.bits) - 1) if field.kind == "u" else (-100, 100))
    return st.integers(low, high)


@st.composite
def messages(draw):
    fields, fixed = draw(st.sampled_from(LAYOUTS))
    used = [f for f in fields if f.name in NAMES or f.name in SCALED]
    return fields, {f.name: fixed.get(f.name, draw(value_of(f))) for f in used}


@settings(max_examples=200, deadline=None)
@given(messages())
def test_what_goes_in_comes_out_of_pyais(case):
    fields, values = case
    payloads, fill = encode.armour(encode.pack(fields, values, 1))
    line = nmea.lines(payloads, fill, np.array([1_741_564_800]), ["SIM-1"], 1)[0]
    sentences = [part.rsplit(b"\\", 1)[1] for part in line.split(b"\n")]
    decoded = pyais.decode(*sentences, error_if_checksum_invalid=True).asdict()
    for name, value in values.items():
        if name in SCALED:
            assert decoded[name] == pytest.approx(value * SCALED[name], abs=SCALED[name] / 100 + 1e-6)
        else:
            assert decoded[NAMES[name]] == value, name


def test_columns_encode_like_single_messages():
    rng = np.random.default_rng(3)
    values = {"msg_type": 1, "mmsi": rng.integers(2e8, 7e8, 50), "lon": rng.integers(-1e8, 1e8, 50)}
    together = encode.pack(encode.POSITION_A, values, 50)
    for k in range(50):
        one = {name: np.broadcast_to(v, 50)[k] for name, v in values.items()}
        assert (encode.pack(encode.POSITION_A, one, 1) == together[k]).all()
    assert together.shape == (50, 168)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="speed holds 1024"):
        encode.pack(encode.POSITION_A, {"speed": 1024}, 1)
    with pytest.raises(ValueError, match="takes 7 characters"):
        encode.pack(encode.STATIC_A, {"call_sign": "TOOLONG8"}, 1)
    with pytest.raises(ValueError, match="only characters"):
        encode.pack(encode.STATIC_A, {"name": "lower"}, 1)
    with pytest.raises(ValueError, match="no field sped"):
        encode.pack(encode.POSITION_A, {"sped": 1}, 1)
