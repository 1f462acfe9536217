"""The bits of the twelve AIS message types that are decoded by columns: a table a type, and nothing else says it.

A field has the name that pyais gives it, its width, its kind (KINDS in values.py, text and spare), for a quantity how
many units of the wire make one of its own, and the values of the wire that mean "not available". Fields follow each
other without a hole.

Source: ITU-R M.1371-5, annex 8; the section stands beside each table. The second half of type 24 of an auxiliary craft
is as pyais and gpsd read it, by the form of the MMSI.
"""

from __future__ import annotations

from typing import NamedTuple


class Field(NamedTuple):
    """One field of a message."""

    name: str
    bits: int
    kind: str = "count"
    per: int = 1  # units of the wire in one of the field's own: 10 where the wire counts tenths
    absent: tuple[int, ...] = ()  # on the wire
    plus: int = 0  # added to what the wire says, in its units


class BitTest(NamedTuple):
    """What bits say of which form a message is; it holds where they arrived whole and have this value."""

    offset: int
    bits: int
    value: int


class Layout(NamedTuple):
    """The fields of one form of a message."""

    name: str
    types: tuple[int, ...]
    section: str  # of ITU-R M.1371-5, annex 8
    fields: tuple[Field, ...]
    when: tuple[BitTest, ...] = ()  # all hold; of the forms of a type the first one counts of which they do
    most: int = 0  # bits of the longest payload of this form, 0 where there is no other by length

    @property
    def bits(self) -> int:
        """Length of a whole message."""
        return sum(field.bits for field in self.fields)

    def offset(self, name: str) -> int:
        """Where a field begins, in bits. Raises KeyError.

        >>> POSITION_A.offset("lon")
        61
        """
        at = 0
        for field in self.fields:
            if field.name == name:
                return at
            at += field.bits
        raise KeyError(name)

    def field(self, name: str) -> Field | None:
        """The field of this name, None where the message has none."""
        return next((field for field in self.fields if field.name == name), None)


def _longitude(bits: int, per: int) -> Field:
    return Field("lon", bits, "degrees", per, (181 * per,))


def _latitude(bits: int, per: int) -> Field:
    return Field("lat", bits, "degrees", per, (91 * per,))


_HEAD = (Field("msg_type", 6), Field("repeat", 2), Field("mmsi", 30))
_SPEED = Field("speed", 10, "quantity", 10, (1023,))
_COURSE = Field("course", 12, "quantity", 10, (3600,))
_HEADING = Field("heading", 9, absent=(511,))
_SECOND = Field("second", 6, absent=(60,))
_PLACE = (Field("accuracy", 1, "flag"), _longitude(28, 600_000), _latitude(27, 600_000))
_MOTION = (_SPEED, *_PLACE, _COURSE, _HEADING, _SECOND)
_STATUS = Field("status", 4, absent=(15,))
_DEVICE = Field("epfd", 4, "device", absent=(0,))
_SHIP = Field("ship_type", 8, "ship", absent=(0,))
_NAME = Field("shipname", 120, "text")
_CALL_SIGN = Field("callsign", 42, "text")
_RAIM = Field("raim", 1, "flag")
_SIDES = (
    Field("to_bow", 9, absent=(0,)),
    Field("to_stern", 9, absent=(0,)),
    Field("to_port", 6, absent=(0,)),
    Field("to_starboard", 6, absent=(0,)),
)

POSITION_A = Layout(
    "position of class A",
    (1, 2, 3),
    "3.1, table 48",
    (
        *_HEAD,
        _STATUS,
        Field("turn", 8, "turn", absent=(-128,)),
        *_MOTION,
        Field("maneuver", 2, absent=(0,)),
        Field("spare_1", 3, "spare"),
        _RAIM,
        Field("radio", 19),
    ),
)

BASE_STATION = Layout(
    "base station, answer with the time",
    (4, 11),
    "3.2 and 3.9",
    (
        *_HEAD,
        Field("year", 14, absent=(0,)),
        Field("month", 4, absent=(0,)),
        Field("day", 5, absent=(0,)),
        Field("hour", 5, absent=(24,)),
        Field("minute", 6, absent=(60,)),
        Field("second", 6, absent=(60,)),
        *_PLACE,
        _DEVICE,
        Field("spare_1", 10, "spare"),
        _RAIM,
        Field("radio", 19),
    ),
)

STATIC_A = Layout(
    "static and voyage data of class A",
    (5,),
    "3.3, tables 52 and 53",
    (
        *_HEAD,
        Field("ais_version", 2),
        Field("imo", 30, absent=(0,)),
        _CALL_SIGN,
        _NAME,
        _SHIP,
        *_SIDES,
        _DEVICE,
        Field("month", 4, absent=(0,)),
        Field("day", 5, absent=(0,)),
        Field("hour", 5, absent=(24,)),
        Field("minute", 6, absent=(60,)),
        Field("draught", 8, "quantity", 10, (0,)),
        Field("destination", 120, "text"),
        Field("dte", 1, "flag"),
        Field("spare_1", 1, "spare"),
    ),
)

AIRCRAFT = Layout(
    "position of a search and rescue aircraft",
    (9,),
    "3.7",
    (
        *_HEAD,
        Field("alt", 12, absent=(4095,)),
        Field("speed", 10, "quantity", absent=(1023,)),
        *_PLACE,
        _COURSE,
        _SECOND,
        Field("reserved_1", 8),
        Field("dte", 1, "flag"),
        Field("spare_1", 3, "spare"),
        Field("assigned", 1, "flag"),
        _RAIM,
        Field("radio", 20),
    ),
)

POSITION_B = Layout(
    "position of class B",
    (18,),
    "3.16",
    (
        *_HEAD,
        Field("reserved_1", 8),
        *_MOTION,
        Field("reserved_2", 2),
        Field("cs", 1, "flag"),
        Field("display", 1, "flag"),
        Field("dsc", 1, "flag"),
        Field("band", 1, "flag"),
        Field("msg22", 1, "flag"),
        Field("assigned", 1, "flag"),
        _RAIM,
        Field("radio", 20),
    ),
)

EXTENDED_B = Layout(
    "extended position of class B",
    (19,),
    "3.17",
    (
        *_HEAD,
        Field("reserved_1", 8),
        *_MOTION,
        Field("reserved_2", 4),
        _NAME,
        _SHIP,
        *_SIDES,
        _DEVICE,
        _RAIM,
        Field("dte", 1, "flag"),
        Field("assigned", 1, "flag"),
        Field("spare_1", 4, "spare"),
    ),
)

AID = Layout(
    "aid to navigation",
    (21,),
    "3.19",
    (
        *_HEAD,
        Field("aid_type", 5, absent=(0,)),
        Field("name", 120, "text"),
        *_PLACE,
        *_SIDES,
        _DEVICE,
        _SECOND,
        Field("off_position", 1, "flag"),
        Field("reserved_1", 8),
        _RAIM,
        Field("virtual_aid", 1, "flag"),
        Field("assigned", 1, "flag"),
        Field("spare_1", 1, "spare"),
        Field("name_ext", 84, "text"),
    ),
)

_PART = Field("partno", 2)
_PART_B = (
    *_HEAD,
    _PART,
    Field("ship_type", 8, absent=(0,)),
    Field("vendorid", 18, "text"),
    Field("model", 4),
    Field("serial", 20),
    _CALL_SIGN,
)

NAME_B = Layout("name, class B", (24,), "3.22, part A", (*_HEAD, _PART, _NAME, Field("spare_1", 8, "spare")))
STATIC_B = Layout("static data of class B", (24,), "3.22, part B", (*_PART_B, *_SIDES, Field("spare_1", 6, "spare")))
AUXILIARY_B = Layout(
    "static data of a craft that belongs to a ship",
    (24,),
    "3.22, part B of an MMSI 98xxxxxxx",
    (*_PART_B, Field("mothership_mmsi", 30), Field("spare_1", 6, "spare")),
)

LONG_RANGE = Layout(
    "long-range position",
    (27,),
    "3.25",
    (
        *_HEAD,
        Field("accuracy", 1, "flag"),
        _RAIM,
        _STATUS,
        _longitude(18, 600),
        _latitude(17, 600),
        Field("speed", 6, "quantity", absent=(63,)),
        Field("course", 9, "quantity", absent=(511,)),
        Field("gnss", 1, "flag"),
        Field("spare_1", 1, "spare"),
    ),
)

LAYOUTS: tuple[Layout, ...] = (
    POSITION_A,
    BASE_STATION,
    STATIC_A,
    AIRCRAFT,
    POSITION_B,
    EXTENDED_B,
    AID,
    NAME_B,
    STATIC_B,
    AUXILIARY_B,
    LONG_RANGE,
)
