"""Messages of the types without a layout, one by one through pyais: for `stswatch decode` alone, never for a run.

Binary messages, acknowledgements, safety texts and the like are few, and pyais knows some sixty forms of them. It is
imported with the first one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.pipeline.decode.lines import Ints

# The names that the columns of where and when have too: of an inland ship (type 8, DAC 200, FID 10), and of a signal
# (type 8, DAC 1, FID 19).
RENAMED = {"length": "ship_length", "station": "signal_station"}
_SENT = {name: sent for sent, name in RENAMED.items()}
_TYPES = {int: pa.int32(), float: pa.float64(), bool: pa.bool_(), str: pa.string(), bytes: pa.binary()}


def others(payloads: Sequence[bytes], fill: Sequence[int]) -> tuple[list[tuple[Ints, dict[str, pa.Array]]], Ints]:
    """Every field of these messages by form, and the rows that are none.

    payloads, fill: (n,), as for messages.decode; only of types without a layout.

    Returns:
        For each form its rows and columns, under the names of pyais; and the rows for which pyais has no message.

    >>> found, bad = others([b"=39UOj0jFs9R"], [0])
    >>> found[0][1]["msg_type"].to_pylist(), found[0][1]["mmsi"].to_pylist(), len(bad)
    ([13], [211378120], 0)
    """
    from pyais.bit_vector import bit_vector
    from pyais.messages import MSG_CLASS

    forms: dict[type, tuple[list[int], list[dict[str, Any]]]] = {}
    bad = []
    for row, (payload, pad) in enumerate(zip(payloads, fill, strict=True)):
        vector = bit_vector(payload, pad)
        try:
            message = MSG_CLASS[vector.get(0, 6)].from_vector(vector)
        except Exception:  # whatever a garbled payload makes of a field; no garbled payload may end a run
            bad.append(row)
            continue
        rows, messages = forms.setdefault(type(message), ([], []))
        rows.append(row)
        messages.append(message.asdict())
    found = [(np.array(rows, np.int64), _columns(form, messages)) for form, (rows, messages) in forms.items()]
    return found, np.array(bad, np.int64)


def other_types(types: Iterable[int]) -> dict[str, pa.DataType]:
    """The columns of every form of these types.

    >>> list(other_types([10]))
    ['msg_type', 'repeat', 'mmsi', 'dest_mmsi']
    """
    told: dict[str, pa.DataType] = {}
    for form in (form for kind in sorted(set(types)) for form in _forms(kind)):
        told |= {name: kind for name, kind in _kinds(form).items() if name not in told}
    return told


def _forms(kind: int) -> list[Any]:
    """The form of a type, or those among which pyais chooses by what a message says."""
    from pyais import messages

    own: Any = messages.MSG_CLASS[kind]
    if own.fields():
        return [own]
    all_forms: list[Any] = [form for form in vars(messages).values() if hasattr(form, "__attrs_attrs__")]
    return [form for form in all_forms if form.fields() and form.fields()[0].metadata["default"] == kind]


def _kinds(form: Any) -> dict[str, pa.DataType]:
    """The columns of a form: all its fields but spare bits."""
    told = [field for field in form.fields() if not field.metadata["is_spare"]]
    return {RENAMED.get(field.name, field.name): _TYPES[field.metadata["d_type"]] for field in told}


def _columns(form: Any, messages: Sequence[dict[str, Any]]) -> dict[str, pa.Array]:
    """Columns of messages of one form; members of an enumeration as their numbers."""
    columns = {}
    for name, kind in _kinds(form).items():
        values = [message[_SENT.get(name, name)] for message in messages]
        if kind == pa.int32():
            values = [None if value is None else int(value) for value in values]
        columns[name] = pa.array(values, kind)
    return columns
