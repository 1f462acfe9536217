"""Units that the name of a column betrays: `speed_x10`, `sog (1/10 knot)`, `speed_kmh`, `lat_1e7`.

A name is taken apart into one that is known and what stands behind it. Where that is a unit of what the column holds,
its values are converted; where it is not, the column is not one that is known.

Sources of the units: 1 kn = 1852 m/h (ISO 80000-3), 1 ft = 0.3048 m, 1 mi = 1609.344 m.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.pipeline.readers.values import plain

_SCALES: Mapping[float, tuple[str, ...]] = {  # a part of the unit -> how names write it
    0.1: ("1/10", "0.1", "x10", "*10", "10x", "times10", "tenth", "tenths", "tenthsof", "tenthof", "deci"),
    0.01: ("1/100", "0.01", "x100", "*100", "100x", "times100", "hundredths", "hundredthsof", "centi"),
    0.001: ("1/1000", "0.001", "x1000", "*1000", "1000x", "1e3", "x1e3", "e3", "milli"),
    1e-4: ("1/10000", "0.0001", "x10000", "*10000", "1e4", "x1e4", "e4"),
    1e-5: ("1/100000", "0.00001", "x100000", "1e5", "x1e5", "*1e5", "e5", "10^5", "1e-5"),
    1e-6: ("1/1000000", "0.000001", "x1000000", "1e6", "x1e6", "*1e6", "e6", "10^6", "1e-6", "micro"),
    1e-7: ("1/10000000", "0.0000001", "x10000000", "1e7", "x1e7", "*1e7", "e7", "10^7", "1e-7"),
}
_KNOT = {"kn": 1.0, "kt": 1.0, "kts": 1.0, "knot": 1.0, "knots": 1.0}
_PER_H = 1000 / M_PER_NM
_SPEED = {
    **_KNOT,
    **dict.fromkeys(("m/s", "ms", "mps", "ms-1", "meterpersecond", "meterspersecond"), 3.6 * _PER_H),
    **dict.fromkeys(("km/h", "kmh", "kph", "kmph", "kmh-1"), _PER_H),
    **dict.fromkeys(("mph", "mi/h"), 1.609344 * _PER_H),
    "cm/s": 0.036 * _PER_H,
}
_ANGLE = {"dd": 1.0, "deg": 1.0, "degree": 1.0, "degrees": 1.0, "rad": math.degrees(1.0), "radians": math.degrees(1.0)}
_MINUTE = {
    "min": 1.0 / 60,
    "minute": 1.0 / 60,
    "minutes": 1.0 / 60,
}  # only of a scale: lat_min may be the least latitude
_LENGTH = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1.0),
    **dict.fromkeys(("ft", "foot", "feet"), 0.3048),
    "cm": 0.01,
    "dm": 0.1,
}


def _table(
    units: Mapping[str, float], scaled: Mapping[str, float], more: Mapping[str, float] | None = None
) -> Mapping[str, float]:
    """Every way to write a unit of this kind: alone, a part of it, or a part of what goes without saying."""
    found = dict(units)
    for factor, words in _SCALES.items():
        for word in words:
            found[word] = factor
            for unit, of_ours in {**units, **scaled}.items():
                found[word + unit] = found[unit + word] = factor * of_ours
    return {**found, **(more or {})}


_TABLES = (
    (("sog_kn",), _table(_SPEED, {}, {"dkn": 0.1, "dkt": 0.1})),
    (("lon", "lat"), _table(_ANGLE, _MINUTE)),
    (("cog_deg", "heading_deg"), _table(_ANGLE, {})),
    (
        ("length_m", "beam_m", "draught_m", "to_bow_m", "to_stern_m", "to_port_m", "to_starboard_m"),
        _table(_LENGTH, {}),
    ),
)
UNITS: Mapping[str, Mapping[str, float]] = {ours: table for names, table in _TABLES for ours in names}


def unit_of(ours: str, text: str) -> float | None:
    """What a value in a unit is to be multiplied by to be in ours; None where the unit is not known.

    >>> unit_of("sog_kn", "1/10 knot"), unit_of("lat", "1/10000 min"), unit_of("sog_kn", "warp")
    (0.1, 1.6666666666666667e-06, None)
    """
    return UNITS.get(ours, {}).get(re.sub(r"[\s_]+|\bof\b", "", text.casefold().strip()))


_LONGEST = 64  # characters of a name that is taken apart: what is longer names no column of AIS


def _apart(name: str) -> Iterator[tuple[str, str]]:
    """The ways to take a name apart into what it names and a unit."""
    bracket = re.fullmatch(r"\s*(.*?)\s*[(\[]([^)\]]*)[)\]]\s*", name)
    if bracket:
        yield bracket[1], bracket[2]
    for cut in re.finditer(r"[_\s./-]+", name):
        yield name[: cut.start()], name[cut.end() :]
    for at in range(2, len(name) - 1):  # sogx10, lat1e7, speedkmh
        if name[at - 1].isalpha():
            yield name[:at], name[at:]


def named_unit(name: str, ours: str, known: Mapping[str, tuple[str, ...]]) -> float | None:
    """What the values of a column named so are to be multiplied by, if it is `ours` in a unit; else None.

    known: our name -> theirs, see column_map.HEADERS.

    >>> named_unit("speed_x10", "sog_kn", {"sog_kn": ("speed",)}), named_unit("speed", "sog_kn", {"sog_kn": ("speed",)})
    (0.1, None)
    """
    if ours not in UNITS or len(name) > _LONGEST or not plain(name).startswith(known[ours]):
        return None
    for base, text in _apart(name):
        if plain(base) in known[ours] and (factor := unit_of(ours, text)) is not None:
            return factor
    return None
