"""Names of columns that are recognised, and units that a name betrays: `speed_x10`, `sog (1/10 knot)`, `lat_1e7`."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.pipeline.readers.source import SourceError
from stswatch.pipeline.readers.values import plain
from stswatch.pipeline.untrusted import escaped

HEADERS: Mapping[str, tuple[str, ...]] = {  # our name -> theirs, in small letters and digits alone, best first
    "mmsi": ("mmsi", "mmsinumber", "usermmsi", "userid", "ssvid"),
    "time": (
        "time",
        "timestamp",
        "datetime",
        "basedatetime",
        "timestamputc",
        "datetimeutc",
        "timeutc",
        "epoch",
        "ts",
        "msgtime",
        "timestampms",
        "epochms",
        "unixtime",
        "unixtimestamp",
        "epochtime",
        "utctime",
        "utctimestamp",
        "utc",
        "receivedat",
        "receivedtime",
        "timereceived",
        "receivetime",
        "rxtime",
        "msgtimestamp",
        "messagetime",
        "messagetimestamp",
        "positiontime",
        "positiontimestamp",
        "positiondatetime",
        "dtposutc",
        "movementdatetime",
        "lastpositionepoch",
        "recordtime",
        "eventtime",
        "timeofday",
        "clock",
    ),
    "date": ("date", "dateutc", "utcdate", "day", "basedate", "msgdate", "messagedate", "positiondate", "datestamp"),
    "lon": ("lon", "longitude", "long", "lng", "londeg"),
    "lat": ("lat", "latitude", "latdeg"),
    "sog_kn": ("sogkn", "sog", "speed", "speedoverground", "speedkn", "speedknots"),
    "cog_deg": ("cogdeg", "cog", "course", "courseoverground", "coursedeg"),
    "heading_deg": ("headingdeg", "heading", "trueheading", "hdg"),
    "status": ("status", "navstatus", "navstat", "navigationalstatus", "navigationstatus"),
    "msg_type": ("msgtype", "messagetype", "messageid", "messagenr", "typeofmobile"),
    "receiver": ("receiver", "receivertype", "collectiontype", "datasourcetype", "src", "source"),
    "station": ("stationid", "station", "stationname", "receiverid"),
    "radio": ("radio", "radiostatus", "commstate", "communicationstate"),
    "raim": ("raim", "raimflag"),
    "utc_second": ("utcsecond", "second"),
    "imo": ("imo", "imonumber", "imonr"),
    "name": ("name", "vesselname", "shipname"),
    "call_sign": ("callsign",),
    "ship_type": ("shiptype", "vesseltype", "shiptypecode"),
    "length_m": ("lengthm", "length", "loa"),
    "beam_m": ("beamm", "beam", "width", "breadth"),
    "to_bow_m": ("tobowm", "tobow", "dimbow", "dimensiontobow"),
    "to_stern_m": ("tosternm", "tostern", "dimstern", "dimensiontostern"),
    "to_port_m": ("toportm", "toport", "dimport", "dimensiontoport"),
    "to_starboard_m": ("tostarboardm", "tostarboard", "dimstarboard", "dimstar", "dimensiontostarboard"),
    "draught_m": ("draughtm", "draught", "draft"),
    "destination": ("destination", "dest"),
}


# In the languages of the waters between Korea, China and Japan. Such tables mostly have local times without a zone, so
# that none is read by these names alone: they fill the column map that is asked for.
_LOCAL_HEADERS: Mapping[str, tuple[str, ...]] = {
    "time": ("일시", "시간", "시각", "수신일시", "수신시간", "时间", "日期时间", "時間", "日時", "時刻"),
    "lon": ("경도", "经度", "經度", "経度"),
    "lat": ("위도", "纬度", "緯度"),
    "sog_kn": ("속도", "속력", "대지속력", "대지속도", "航速", "速度", "对地航速", "速力", "対地速度"),
    "cog_deg": ("침로", "대지침로", "코스", "航向", "对地航向", "針路", "対地針路"),
    "heading_deg": ("선수방위", "선수방향", "헤딩", "船首向", "艏向", "船首方位"),
    "name": ("선박명", "선명", "船名", "船舶名称"),
    "call_sign": ("호출부호", "호출신호", "呼号", "呼出符号"),
    "ship_type": ("선종", "선종코드", "선박종류", "船舶类型", "船種"),
    "length_m": ("길이", "전장", "船长", "全長"),
    "destination": ("목적지", "目的地", "仕向港"),
}

OTHER_IDS = (
    "id",
    "vesselid",
    "shipid",
    "vessel",
    "ship",
    "trackid",
    "trajectoryid",
    "objectid",
    "identifier",
    "anonid",
)


_LONGEST_NAME, _MAP_LETTERS = 200, 8_000  # letters in a map to copy: of a name, of all
NEEDED = ("mmsi", "time", "lon", "lat")


_NAME_LETTERS = 64  # of a name in a message


def recognise(header: Sequence[str], also: Mapping[str, tuple[str, ...]] | None = None) -> dict[str, int]:
    """Our name -> index of their column, for all that are recognised; never raises.

    also: names that one format has beside those of HEADERS.

    >>> recognise(["MMSI", "timestamp", "lat", "lon", "sog", "cog", "track"])
    {'mmsi': 0, 'time': 1, 'lon': 3, 'lat': 2, 'sog_kn': 4, 'cog_deg': 5}
    """
    theirs = [plain(name) for name in header]
    found = {}
    for ours, names in HEADERS.items():
        known = [name for name in (*names, *(also or {}).get(ours, ())) if name in theirs]
        if known:
            found[ours] = theirs.index(known[0])
            continue
        for index, name in enumerate(header):
            if named_unit(name, ours, HEADERS) is not None:
                found.setdefault(ours, index)
    return found


def betrayed(header: Sequence[str], columns: Mapping[str, int]) -> dict[str, float]:
    """What the values of columns whose names betray another unit are to be multiplied by, by our name; never raises.

    >>> betrayed(["mmsi", "speed_x10"], {"mmsi": 0, "sog_kn": 1})
    {'sog_kn': 0.1}
    """
    found = {}
    for ours, index in columns.items():
        factor = None if plain(header[index]) in HEADERS[ours] else named_unit(header[index], ours, HEADERS)
        if factor is not None and factor != 1.0:
            found[ours] = factor
    return found


def lacking(found: Collection[str]) -> list[str]:
    """What is needed and was not found; a date may stand for the time, which is looked at later."""
    return [name for name in NEEDED if name not in found and not (name == "time" and "date" in found)]


def without(problem: str, missing: Sequence[str], theirs: Sequence[str], found: Mapping[str, str]) -> SourceError:
    """What to say of a table or records that lack what is needed, with a column map to copy.

    said: the beginning of the sentence; theirs: all their names, found: our name -> theirs. The map stands in the
    sentence as one line of TOML, and with all our names as the note of the error.
    """
    local = {ours: name for name in theirs for ours, names in _LOCAL_HEADERS.items() if _stem(name) in names}
    found = {**local, **found}
    known = {n: found.get(n, "?") for n in HEADERS if n in NEEDED or n in found}
    pairs = ", ".join(f"{n} = {quoted(name if len(name) <= _LONGEST_NAME else '?')}" for n, name in known.items())
    zone = ', with time = {zone = "Asia/Seoul"} or another where its times name none,' if local else ""
    error = SourceError(
        f"{problem} {', '.join(missing)} among {listed(theirs)};{_other_ids(missing, theirs)} say which is which in a"
        f" TOML file{zone} and give it with `columns=FILE`, for instance of this line with a name for each ?:"
        f" columns = {{{pairs}}}"
    )
    error.add_note(map_to_copy(theirs, found))
    return error


def _stem(name: str) -> str:
    """A name without its unit in brackets and without blanks."""
    return re.sub(r"[(\[（].*|\s", "", name)


def map_to_copy(theirs: Sequence[str], found: Mapping[str, str]) -> str:
    """A column map in TOML with what is known filled in, to be saved, edited and given as `columns`; of all names.

    >>> import tomllib
    >>> tomllib.loads(map_to_copy(["Ship", "lat"], {"lat": "lat"}))["columns"]
    {'mmsi': '?', 'time': '?', 'lon': '?', 'lat': 'lat'}
    """
    lines = ["# save as columns.toml, put the names of the table for each ?, and give it as `columns`"]
    lines += ["[columns]  # our name = theirs"]
    for ours in HEADERS:
        known = quoted(found[ours]) if ours in found and len(found[ours]) <= _LONGEST_NAME else '"?"'
        lines.append(f"{ours} = {known}" if ours in found or ours in NEEDED else f'# {ours} = "?"')
    left = [quoted(name) for name in theirs if name not in found.values() and len(name) <= _LONGEST_NAME]
    shown, size = [], 0
    for name in left:
        size += len(name) + 2
        if size > _MAP_LETTERS:
            break
        shown.append(name)
    more = f" and {len(left) - len(shown):,} more" if len(left) > len(shown) else ""
    return "\n".join([*lines, f"# not used yet: {', '.join(shown) or 'none'}{more}"])


def quoted(name: str) -> str:
    """A name as a TOML string.

    >>> quoted('a "b"'), quoted("\\x1b")
    ('"a \\\\"b\\\\""', '"\\\\u001b"')
    """
    letters = (f"\\{c}" if c in '\\"' else c if c.isprintable() else f"\\u{ord(c) % 0x10000:04x}" for c in name)
    return f'"{"".join(letters)}"'


def _other_ids(missing: Sequence[str], header: Sequence[str]) -> str:
    """What to do where a table has ids of vessels that are no MMSI."""
    found = next((name for name in header if plain(name) in OTHER_IDS), None) if "mmsi" in missing else None
    if found is None:
        return ""
    return f" if {found[:_NAME_LETTERS]!r} names vessels otherwise than by MMSI, give `ids=any`, else"


def listed(names: Sequence[str], at_most: int = 2_800) -> str:
    """All names for a message, up to so many letters of them; a long one is cut.

    >>> listed(["mmsi", "lon"]), listed(["mmsi", "lon"], 5)
    ("'mmsi', 'lon'", "'mmsi' and 1 more")
    """
    shown: list[str] = []
    for name in names:
        shown.append(f"'{escaped(name, _NAME_LETTERS)}'")
        at_most -= len(shown[-1]) + 2
        if at_most < 0:
            break
    more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


# ------------------------------------------------------------------------------------------ units that a name betrays
# A name is taken apart into one that is known and what stands behind it. Where that is a unit of what the column holds,
# its values are converted; where it is not, the column is not one that is known.
# Sources of the units: 1 kn = 1852 m/h (ISO 80000-3), 1 ft = 0.3048 m, 1 mi = 1609.344 m.

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

    known: our name -> theirs, see column_names.HEADERS.

    >>> named_unit("speed_x10", "sog_kn", {"sog_kn": ("speed",)}), named_unit("speed", "sog_kn", {"sog_kn": ("speed",)})
    (0.1, None)
    """
    if ours not in UNITS or len(name) > _LONGEST or not plain(name).startswith(known[ours]):
        return None
    for base, text in _apart(name):
        if plain(base) in known[ours] and (factor := unit_of(ours, text)) is not None:
            return factor
    return None
