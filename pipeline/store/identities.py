"""Identity events as they are published: those of one vessel merged, and what all IMO numbers together show.

Source: IMO resolution A.1117(30) for the check digit: the first six digits times 7 to 2, added up, end in the seventh.
The weights of the second, fourth and sixth are even: a digit there that is off by five leaves the last one as it is.
"""

from __future__ import annotations

from stswatch.pipeline.schema import Registry
from stswatch.pipeline.store import ddl

_SAME_SIZE_M = 5  # lengths as reported differ by some metres from one crew to the next
_BIN = 10_000  # numbers between which the density of known ones is taken to be even: 1,000 of them are valid
_VALID = """length(value) = 7 AND value BETWEEN '1000000' AND '9999999'
    AND coalesce(list_sum([(8 - k) * try_cast(value[k] AS INTEGER) for k in range(1, 7)])::BIGINT % 10
        = try_cast(value[7] AS INTEGER), false)"""


def spans(table: str, tables: Registry) -> str:
    """The rows of one key as one, from the least `first_...` to the greatest `last_...`."""
    key = ddl.columns(tables.key(table))
    merged = (
        f"{'min' if name.startswith('first') else 'max'}({ddl.quoted(name)}) AS {ddl.quoted(name)}"
        for name in tables.stored[table].names
        if name not in tables.key(table)
    )
    return f"SELECT {key}, {', '.join(merged)} FROM part_{table} GROUP BY ALL ORDER BY {key}"


def events(table: str, tables: Registry) -> str:
    """Events of the steps by key, with when each value was seen; then what the IMO numbers of all vessels show."""
    names = tables.stored[table].names
    key = ddl.columns(tables.key(table))
    parts = (_merged(table, key), _CONFLICTS, _INVALID, _LOOK_ALIKES)
    union = " UNION ALL BY NAME ".join(f"({part})" for part in parts)
    return f"""WITH seen AS ({spans("identity_values", tables)}),
        valid AS (SELECT mmsi, value, first_seen, last_seen FROM seen WHERE field = 'imo' AND {_VALID})
        SELECT {ddl.columns(names)} FROM ({union}) ORDER BY {key}"""


def checks(table: str, tables: Registry) -> str:
    """Every part, with whether the vessel was displaced together with many others in it."""
    names = [name for name in tables.stored[table].names if name != "interference"]
    return f"""SELECT {ddl.columns(names, "c")}, EXISTS (FROM part_{table} d WHERE d.check_name = 'displacement'
            AND d.mmsi = c.mmsi AND d.start_time BETWEEN c.track_start AND c.end_time) AS interference
        FROM part_{table} c ORDER BY {ddl.columns(tables.order(table), "c")}"""


def _merged(table: str, key: str) -> str:
    return f"""SELECT e.*, o.first_seen AS old_first_seen, o.last_seen AS old_last_seen, n.first_seen AS new_first_seen,
            n.last_seen AS new_last_seen, kind <> 'identity_change' AND kind <> 'shared_identity' AS candidate,
            NULL::DOUBLE AS chance_hits, NULL::BOOLEAN AS same_size
        FROM (SELECT {key}, min(first_time) AS first_time, max(last_time) AS last_time, sum(times)::BIGINT AS times,
                arg_min(lon, (first_time, lon, lat)) AS lon, arg_min(lat, (first_time, lon, lat)) AS lat,
                max(distance_km) AS distance_km FROM part_{table} GROUP BY ALL) e
        LEFT JOIN seen o ON o.mmsi = e.mmsi AND o.field = e.field AND o.value = e.old_value
        LEFT JOIN seen n ON n.mmsi = e.mmsi AND n.field = e.field AND n.value = e.new_value"""


_ONE_OF_TWO = """a.first_seen AS old_first_seen, a.last_seen AS old_last_seen, b.first_seen AS new_first_seen,
    b.last_seen AS new_last_seen, greatest(a.first_seen, b.first_seen) AS first_time,
    greatest(a.last_seen, b.last_seen) AS last_time, 1::BIGINT AS times, 'imo' AS field"""
# each with the next of the same number: of a number that hundreds use by mistake, pairs would be without end
_CONFLICTS = f"""SELECT a.mmsi, 'imo_conflict' AS kind, a.value AS old_value, b.value AS new_value,
        b.mmsi AS other_mmsi, {_ONE_OF_TWO}, false AS candidate
    FROM (SELECT *, lead(mmsi) OVER (PARTITION BY value ORDER BY mmsi) AS next FROM valid) a
    JOIN valid b ON b.mmsi = a.next AND b.value = a.value"""
_INVALID = f"""SELECT mmsi, 'imo_invalid' AS kind, 'imo' AS field, value AS new_value, first_seen AS new_first_seen,
        last_seen AS new_last_seen, first_seen AS first_time, last_seen AS last_time, 1::BIGINT AS times,
        true AS candidate
    FROM seen WHERE field = 'imo' AND NOT ({_VALID})"""
_LOOK_ALIKES = f"""WITH known AS (SELECT DISTINCT value FROM valid),
        variants AS (SELECT value,
                value[:k - 1] || ((try_cast(value[k] AS INTEGER) + 5) % 10) || value[k + 1:] AS variant
            FROM known, (SELECT unnest([2, 4, 6]) AS k)),
        density AS (SELECT try_cast(value AS INTEGER) // {_BIN} AS bin, count(*) AS known FROM known GROUP BY bin),
        chance AS (SELECT sum(known) * 10.0 / {_BIN} / 2 AS chance_hits FROM variants
            JOIN density ON try_cast(variant AS INTEGER) // {_BIN} = bin),
        alike AS (SELECT a.mmsi, a.value AS old_value, b.value AS new_value, b.mmsi AS other_mmsi, {_ONE_OF_TWO}
            FROM variants v JOIN valid a ON a.value = v.value JOIN valid b ON b.value = v.variant
            WHERE a.mmsi < b.mmsi),
        lengths AS (SELECT mmsi, try_cast(value AS DOUBLE) AS length_m FROM seen WHERE field = 'length_m'),
        sizes AS (SELECT p.mmsi, p.other_mmsi, min(abs(l.length_m - m.length_m)) <= {_SAME_SIZE_M} AS same_size
            FROM (SELECT DISTINCT mmsi, other_mmsi FROM alike) p
            JOIN lengths l ON l.mmsi = p.mmsi JOIN lengths m ON m.mmsi = p.other_mmsi GROUP BY ALL)
    SELECT alike.*, 'imo_look_alike' AS kind, true AS candidate, chance_hits, same_size
    FROM alike LEFT JOIN sizes USING (mmsi, other_mmsi), chance"""
