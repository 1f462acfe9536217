"""Types of ships in words."""

from __future__ import annotations

from collections.abc import Mapping

# Source: ITU-R M.1371-5, table 53
_CLASSES: Mapping[int, str] = {
    1: "reserved type",
    2: "wing in ground craft",
    4: "high speed craft",
    6: "passenger ship",
    7: "cargo ship",
    8: "tanker",
    9: "other type of ship",
}
_CARGO: Mapping[int, str] = {
    1: ", dangerous goods or pollutants of category X",
    2: ", dangerous goods or pollutants of category Y",
    3: ", dangerous goods or pollutants of category Z",
    4: ", dangerous goods or pollutants of category OS",
}
_SINGLE: Mapping[int, str] = {
    30: "fishing vessel",
    31: "towing",
    32: "towing, the tow longer than 200 m or wider than 25 m",
    33: "dredging or underwater operations",
    34: "diving operations",
    35: "military operations",
    36: "sailing vessel",
    37: "pleasure craft",
    50: "pilot vessel",
    51: "search and rescue vessel",
    52: "tug",
    53: "port tender",
    54: "anti-pollution vessel",
    55: "law enforcement vessel",
    56: "local use",
    57: "local use",
    58: "medical transport",
    59: "ship not party to an armed conflict",
}


def type_in_words(code: int | None) -> str:
    """A type of ship and cargo in words, with its code; never raises.

    >>> type_in_words(80), type_in_words(38), type_in_words(None)
    ('tanker (80)', 'reserved type (38)', 'no ship type')
    >>> type_in_words(71)
    'cargo ship, dangerous goods or pollutants of category X (71)'
    """
    if not code:
        return "no ship type"
    kind, cargo = divmod(code, 10)
    words = _SINGLE.get(code) or (_CLASSES[kind] + _CARGO.get(cargo, "") if kind in _CLASSES else "reserved type")
    return f"{words} ({code})"
