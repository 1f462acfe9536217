"""Owns: every field of every form of the types that no run needs is what pyais says, however long the payload is."""

import random
from collections import Counter
from typing import Any

import pytest
from pyais import messages
from pyais.bit_vector import bit_vector
from pyais.messages import MSG_CLASS

from stswatch.pipeline.decode.decoded_fields import ALL_TYPES, LAYOUT_TYPES, say
from stswatch.pipeline.decode.layouts import LAYOUTS, Layout
from stswatch.pipeline.decode.payloads import KINDS
from stswatch.pipeline.decode.rare_layouts import RARE_LAYOUTS
from tests.pipeline.decode.payloads import buffer, captures, payloads
from tests.pipeline.decode.reference import RENAMED, collected, form

ALPHABET = bytes(range(0x30, 0x58)) + bytes(range(0x60, 0x78))
TYPES = ALL_TYPES - LAYOUT_TYPES
ALL_FORMS = [kind for kind in vars(messages).values() if hasattr(kind, "__attrs_attrs__") and kind.fields()]


def forms_of(kind: int) -> list[Any]:
    """The classes that pyais has for a type."""
    own = MSG_CLASS[kind]
    return [own] if own.fields() else [of for of in ALL_FORMS if of.fields()[0].metadata["default"] == kind]


FORMS = {kind: forms_of(kind) for kind in TYPES}
LONGEST = 1_080  # bits, beyond the longest form
EACH = 60
# where a binary message tells its application, by type and whether it is short
APPLICATION = {(6, False): 72, (6, True): 40, (8, False): 40, (8, True): 40}
APPLICATIONS = {6: [*messages._MSG6_VARIANTS, (1, 0)], 8: [*messages._MSG8_VARIANTS, (1, 1)]}


def armoured(bits: str) -> tuple[bytes, int]:
    fill = -len(bits) % 6
    whole = bits + "0" * fill
    return bytes(ALPHABET[int(whole[at : at + 6], 2)] for at in range(0, len(whole), 6)), fill


def any_of(kind: int, rng: random.Random) -> tuple[bytes, int]:
    """A message of a type with any bits: as long as one of its forms, or cut, or longer than any."""
    lengths = [sum(field.metadata["width"] for field in of.fields()) for of in FORMS[kind]]
    length = rng.choice([*lengths, rng.randint(38, max(lengths)), rng.randint(38, 100), rng.randint(38, LONGEST)])
    bits = f"{kind:06b}" + f"{rng.getrandbits(LONGEST):0{LONGEST}b}"
    if kind in APPLICATIONS:
        dac, fid = rng.choice(APPLICATIONS[kind])
        at = APPLICATION[kind, length <= 72]
        bits = bits[:at] + f"{dac:010b}{fid:06b}" + bits[at + 16 :]
    return armoured(bits[:length])


def values(of) -> dict[int, dict[str, object]]:
    """The fields of payloads by row."""
    found = {}
    for rows, columns in say(*buffer(of)).forms:
        lists = {name: column.to_pylist() for name, column in columns.items()}
        for at, row in enumerate(rows.tolist()):
            assert row not in found
            found[row] = {name: values[at] for name, values in lists.items()}
    return found


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_any_bits_of_any_length_are_what_pyais_says(kind):
    rng = random.Random(kind)
    of = [any_of(kind, rng) for _ in range(EACH * (25 if kind in APPLICATIONS else 4))]
    ours, seen, lengths = values(of), Counter(), set()
    for row, (payload, fill) in enumerate(of):
        assert ours[row] == collected(payload, fill), (payload, fill)
        vector = bit_vector(payload, fill)
        seen[type(form(vector, kind).from_vector(vector))] += 1
        lengths.add(len(vector))
    assert set(seen) == set(FORMS[kind])
    assert min(seen.values()) >= 10, seen
    assert len(lengths) > 30


def test_every_length_of_every_form_is_read():
    """One payload of each form, cut after each of its bits."""
    rng = random.Random(0)
    of, whole = [], {}
    while len(whole) < sum(map(len, FORMS.values())):
        payload, fill = any_of(rng.choice(sorted(TYPES)), rng)
        vector = bit_vector(payload, fill)
        kind = form(vector, payload_type(payload)).from_vector(vector)
        if len(vector) > 200 or type(kind) not in whole:
            whole[type(kind)] = vector
    for vector in whole.values():
        bits = f"{vector._value:0{len(vector)}b}"
        of += [armoured(bits[:length]) for length in range(38, len(bits) + 1, 7)]
    ours = values(of)
    for row, message in enumerate(of):
        assert ours[row] == collected(*message), message


def payload_type(payload: bytes) -> int:
    return ALPHABET.index(payload[0])


def test_every_real_message_is_what_pyais_says(real):
    of = [p for path in captures(real) for p in payloads(path) if p[0] and ALPHABET.find(p[0][:1]) in TYPES]
    ours, seen = values(of), Counter()
    for row, (payload, fill) in enumerate(of):
        assert ours.get(row) == collected(payload, fill), payload
        seen[payload_type(payload)] += 1
    assert set(seen) == TYPES
    assert seen.total() >= 2_900


def test_the_layouts_are_those_of_pyais():
    """Each form of pyais is one here: the same fields, spare ones too, one after the other."""
    ours = {kind: [_fields(of) for of in RARE_LAYOUTS if kind in of.types] for kind in TYPES}
    for kind in TYPES:
        theirs = [
            [(RENAMED.get(f.name, f.name), f.metadata["width"], f.metadata["is_spare"]) for f in of.fields()]
            for of in FORMS[kind]
        ]
        for fields in theirs:
            assert [(None if spare else name, width) for name, width, spare in fields] in ours[kind]
    assert {kind for of in RARE_LAYOUTS for kind in of.types} == TYPES
    assert sum(map(len, FORMS.values())) >= 45


def _fields(of: Layout) -> list[tuple[str | None, int]]:
    return [(None if field.kind == "spare" else field.name, field.bits) for field in of.fields]


def test_every_field_is_of_a_kind_and_columns_of_a_name_are_of_one_type():
    types = {}
    for layout in (*LAYOUTS, *RARE_LAYOUTS):
        for field in layout.fields:
            assert field.kind in {*KINDS, "text", "bytes", "spare"}
            if field.kind != "spare":
                types.setdefault(field.name, set()).add(_type_of(field.kind))
    assert {name for name, kinds in types.items() if len(kinds) > 1} == set()


def _type_of(kind: str) -> str:
    if "quantity" in kind or kind in ("degrees", "turn"):
        return "float"
    return kind if kind in ("text", "bytes", "flag") else "int"
