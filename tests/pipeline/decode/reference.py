"""What pyais says of a payload, and the four things in which the decoder means to differ from it.

1. A payload with characters that are no armour, of type 0, or that ends before it has told who sent it, is no message;
   pyais reads strange characters and type 0 as zeros and as type 1.
2. A number of which not all bits arrived is null; pyais gives what is left of it, which is another number.
3. Of a text the whole characters count; pyais makes another character of the bits left over.
4. The extension of the name of an aid to navigation has 14 characters; pyais makes a 15th of the spare bits after them.
"""

from __future__ import annotations

import functools
from typing import Any

from pyais.bit_vector import bit_vector
from pyais.messages import MSG_CLASS

COLUMNAR = frozenset({1, 2, 3, 4, 5, 9, 11, 18, 19, 21, 24, 27})
HEAD_BITS = 38
EXTENSION_BITS = 84
ARMOUR = frozenset(range(0x30, 0x58)) | frozenset(range(0x60, 0x78))


def raw(payload: bytes, fill: int) -> Any:
    """The message as pyais has it; None where it raises or where there can be none (1.)."""
    vector = bit_vector(payload, fill)
    kind = vector.get(0, 6)
    if not set(payload) <= ARMOUR or not 1 <= kind <= 28 or len(vector) < HEAD_BITS:
        return None
    try:
        return MSG_CLASS[kind].from_vector(vector)
    except Exception:  # pyais raises what the field's converter raises
        return None


def told(payload: bytes, fill: int) -> dict[str, Any] | None:
    """The fields of a message of the twelve types as they should be; None where there is no message."""
    message = raw(payload, fill)
    if message is None:
        return None
    fields = message.asdict(enum_as_int=True)
    if message.msg_type not in COLUMNAR:
        return fields
    vector = bit_vector(payload, fill)
    for name, offset, width, text in plan(message.__class__):
        here = len(vector) - offset
        if text and here > 0:
            bits = min(here, width) // 6 * 6
            fields[name] = vector.get_str(offset, bits) if bits else None
        elif here < width:
            fields[name] = None
    if "full_name" in fields:
        fields["full_name"] = (fields["name"] or "") + (fields["name_ext"] or "" if fields["name"] else "")
    return fields


@functools.cache
def plan(kind: Any) -> list[tuple[str, int, int, bool]]:
    """Name, offset and width of each field that is no spare, in bits, and whether it is a text."""
    spare = {field.name for field in kind.fields() if field.metadata["is_spare"]}
    texts = {field.name for field in kind.fields() if field.metadata["d_type"] is str}
    return [
        (name, offset, EXTENSION_BITS if name == "name_ext" else width, name in texts)
        for name, offset, width, *_ in kind.decoder_plan()
        if name not in spare
    ]
