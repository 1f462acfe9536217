"""Owns: the integers on the wire are those that gpsd and libais print of the same sentences; or it says why."""

import json
from collections import Counter, defaultdict

import numpy as np
import pytest

from tests.pipeline.decode.payloads import payloads, rows
from tests.pipeline.decode.reference import COLUMNAR

NAMES = {"type": "msg_type", "shiptype": "ship_type", "part_num": "partno", "mode": "assigned", "unit": "cs"}
RESERVED = {"reserved": "reserved_1", "regional": "reserved_2"}  # of types 18 and 19
NOT_SENT = {"class", "device", "scaled", "spare", "spare2", "transmission_ctl"}  # added, or spare bits
TURNS = {"fastleft": -127, "fastright": 127, "n/a": -128, None: -128}
DATES = {"timestamp": ("year", "month", "day", "hour", "minute", "second"), "eta": ("month", "day", "hour", "minute")}
WORKED_OUT = {  # by libais, of fields that it does not print: which, and how
    "sync_state": ("radio", lambda bits: bits >> 17 & 3),
    "slot_timeout": ("radio", lambda bits: bits >> 14 & 7),
    "slot_number": ("radio", lambda bits: bits & 0x3FFF),
    "slot_offset": ("radio", lambda bits: bits & 0x3FFF),
    "received_stations": ("radio", lambda bits: bits & 0x3FFF),
    "slot_increment": ("radio", lambda bits: bits >> 4 & 0x1FFF),
    "slots_to_allocate": ("radio", lambda bits: bits >> 1 & 7),
    "keep_flag": ("radio", lambda bits: bits & 1),
    "commstate_cs_fill": ("radio", lambda bits: bits & 0x7FFFF),
    "alt_sensor": ("reserved_1", lambda bits: bits >> 7),
}


def wire(of):
    """Of each message of the twelve types: name -> (integer on the wire, its scale), or (text, None).

    None for a number that did not arrive whole.
    """
    found, ours = rows(of)
    collected = defaultdict(dict)
    for group in found.groups:
        offset = 0
        for field in group.layout.fields:
            if field.kind != "text":
                read = group.packed.signed if field.kind in ("degrees", "turn") else group.packed.unsigned
                whole = group.packed.carried(offset, field.bits)
                for row, value, sent in zip(group.rows, read(offset, field.bits).tolist(), whole, strict=True):
                    collected[int(row)][field.name] = (value if sent else None, field.per)
            offset += field.bits
    for row, message in ours.items():
        collected[row] |= {name: (value, None) for name, value in message.items() if isinstance(value, str)}
    return [collected[row] for row in sorted(collected)]


def printed(theirs):
    """What a line of JSON says of fields, (name, value); words beside a number left out."""
    kind = theirs["type"]
    for name, value in theirs.items():
        if name in NOT_SENT or name.endswith("_text"):
            continue
        if name in DATES:
            parts = value.replace("T", "-").replace(":", "-").rstrip("Z").split("-")
            yield from zip(DATES[name], map(int, parts), strict=True)
        elif kind == 21 and name == "name":
            yield "full_name", value
        elif kind in (9, 21) and name == "regional":
            yield "reserved_1", value
        else:
            yield NAMES.get(name, RESERVED.get(name, name)), value


def equal(sent, per, value, scaled):
    """Whether a number or text is the one printed; degrees may have the error of numbers of single precision."""
    if per is None or sent is None:
        return sent == value
    if isinstance(value, str):
        value = TURNS[value] if value in TURNS else float(value)
    if value is None:
        return sent in TURNS.values()
    error = abs(sent - value * (per if scaled else 1))
    return error <= (1e-6 if per == 1 else 1e-4 if per == 10 else 0.04 + abs(sent) * 2**-23)


def pairs(of, collected):
    """Each line with the message that it is about: the next of its type and MMSI; both parts of type 24 are one."""
    waiting = defaultdict(list)
    for message in wire(of):
        key = (message["msg_type"][0], message["mmsi"][0])
        if key[0] == 24 and waiting[key] and waiting[key][-1]["partno"][0] != message["partno"][0]:
            waiting[key][-1] |= message
        else:
            waiting[key].append(message)
    for line in collected:
        if line["type"] in COLUMNAR:
            yield waiting[line["type"], line["mmsi"]].pop(0), line


def compared(of, collected):
    """How many lines and values were compared, and what differs: {(type, field, ours, theirs)}."""
    counts, differ = Counter(), set()
    for ours, theirs in pairs(of, collected):
        counts["lines"] += 1
        for name, value in printed(theirs):
            if name in WORKED_OUT:
                source, how = WORKED_OUT[name]
                name, sent, per = name, how(ours[source][0]), 1
            else:
                sent, per = ours[name]
            counts["values"] += 1
            if not equal(sent, per, value, theirs["scaled"]):
                differ.add((theirs["type"], name, sent, value))
    return counts, differ


def lines(path):
    found = [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
    return [line for line in found if line.get("class") == "AIS"]


CASES = {
    "gpsd_sample.aivdm": (
        "gpsd_sample.aivdm.js.chk",
        (26, 416),
        {
            # 163 bits: five of the 19 are not there; gpsd prints the others as a number
            (1, "radio", None, 1076),
            # gpsd reads seven characters, as before M.1371-4; since then three, and the model and serial number
            (24, "vendorid", "1D0", "1D00014"),
            (24, "vendorid", "1C0", "1C00045"),
            # gpsd ends a text at the first @; the standard calls it a character, and pyais cuts it at the end only
            (21, "full_name", "IBC G BUOY@?????????", "IBC G BUOY"),
        },
    ),
    "gpsd_ais-18-27.log": ("gpsd_ais-18-27.log.chk", (138, 2_070), set()),
    "libais_typeexamples.nmea": (
        "libais_typeexamples.json",
        (11, 174),
        {
            (2, "turn", -31, np.float32(-42.899319).item()),  # degrees a minute: (31 / 4.733) squared
            (9, "speed", 168, np.float32(16.8).item()),  # aircraft tell whole knots; libais takes them for tenths
            # of 64 characters two are others in libais: 31 is _ and 39 is ' in table 47 of the standard
            (21, "full_name", "9%&//3*37_+P]['<RD^6", "9%&//3*37-+P][`<RD^6"),
            (27, "gnss", 1, False),  # the bit is 0 where the position is of GNSS; libais prints the answer, not the bit
        },
    ),
}


@pytest.mark.parametrize("capture", CASES)
def test_the_wire_is_as_others_read_it(real, capture):
    expected, (least_lines, least_values), reasons = CASES[capture]
    folder = real / "nmea"
    counts, differ = compared(payloads(folder / capture), lines(folder / expected))
    assert differ == reasons
    assert counts["lines"] >= least_lines, counts
    assert counts["values"] >= least_values
