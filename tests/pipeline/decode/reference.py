"""What pyais says of a payload, and the five things in which the decoder means to differ from it.

1. A payload with characters that are no armour, of type 0, or that ends before it has told who sent it, is no message;
   pyais reads strange characters and type 0 as zeros and as type 1.
2. A number of which not all bits arrived is null; pyais gives what is left of it, which is another number.
3. Of a text the whole characters count; pyais makes another character of the bits left over.
4. The extension of the name of an aid to navigation has 14 characters; pyais makes a 15th of the spare bits after them.
   So has the text of type 14 161 characters, and no 162nd of the bits after them.
5. A binary message (types 6 and 8) that ends before it has told its application is of none; pyais takes the bits that
   are left of the number for one, and those of a short message of type 6 where others have their addressee.
"""

from __future__ import annotations

import functools
from typing import Any

from pyais.bit_vector import bit_vector
from pyais.messages import MSG_CLASS, MessageType6Dac1Fid16A, MessageType6Default, MessageType8Default

COLUMNAR = frozenset({1, 2, 3, 4, 5, 9, 11, 18, 19, 21, 24, 27})
HEAD_BITS = 38
CUT = {"name_ext": 84, "text": 966}  # bits of texts whose width is no whole number of characters
RENAMED = {"length": "ship_length", "station": "signal_station"}
SHORT = 72  # bits up to which type 6 may be without an addressee
ARMOUR = frozenset(range(0x30, 0x58)) | frozenset(range(0x60, 0x78))


def raw(payload: bytes, fill: int) -> Any:
    """The message as pyais has it; None where it raises or where there can be none (1.)."""
    vector = bit_vector(payload, fill)
    kind = vector.get(0, 6)
    if not set(payload) <= ARMOUR or not 1 <= kind <= 28 or len(vector) < HEAD_BITS:
        return None
    try:
        return form(vector, kind).from_vector(vector)
    except Exception:  # pyais raises what the field's converter raises
        return None


def form(vector: Any, kind: int) -> Any:
    """The class of a message, one without an application where it ends before that (5.)."""
    length = len(vector)
    if kind == 8 and length < 56:
        return MessageType8Default
    if kind == 6 and length < 88:
        persons = 56 <= length <= SHORT and (vector.get(40, 10), vector.get(50, 6)) == (1, 16)
        return MessageType6Dac1Fid16A if persons else MessageType6Default
    return MSG_CLASS[kind]


def collected(payload: bytes, fill: int) -> dict[str, Any] | None:
    """The fields of a message as they should be; None where there is no message."""
    message = raw(payload, fill)
    if message is None:
        return None
    fields = message.asdict(enum_as_int=True)
    vector = bit_vector(payload, fill)
    for name, offset, width, kind in plan(message.__class__):
        here = len(vector) - offset
        if kind is bytes:
            continue
        if kind is str and here > 0:
            bits = min(here, width) // 6 * 6
            fields[name] = vector.get_str(offset, bits) if bits else None
        elif here < width:
            fields[name] = None
    if "full_name" in fields:
        fields["full_name"] = (fields["name"] or "") + (fields["name_ext"] or "" if fields["name"] else "")
    return {RENAMED.get(name, name): value for name, value in fields.items()}


@functools.cache
def plan(kind: Any) -> list[tuple[str, int, int, type]]:
    """Name, offset, width in bits and type of each field that is no spare."""
    kinds = {field.name: field.metadata["d_type"] for field in kind.fields() if not field.metadata["is_spare"]}
    return [
        (name, offset, min(width, CUT.get(name, width)), kinds[name])
        for name, offset, width, *_ in kind.decoder_plan()
        if name in kinds
    ]
