"""What vessels show together: identity events and checks as they are published, and many that fall silent at once.

Source: IMO resolution A.1117(30) for the check digit: the first six digits times 7 to 2, added up, end in the seventh.
The weights of the second, fourth and sixth are even: a digit there that is off by five leaves the last one as it is.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from stswatch.geo.coordinates.cells import GRID_ROW
from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, build, micros
from stswatch.pipeline.rules import Rules, days, minutes
from stswatch.pipeline.schema import Registry, column
from stswatch.pipeline.store import ddl
from stswatch.pipeline.track_rules import ABSENT_D

MASS_SILENCES, MASS_MEMBERS = "mass_silences", "mass_silence_gaps"
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


# ------------------------------------------------------------------------- many of one place silent or back together
# Views, since each row is a function of gaps that are final: so no cut of the data shows, and late data alter them as
# they alter gaps.


def member_schema() -> pa.Schema:
    """The columns of view mass_silence_gaps, with what the view holds."""
    return schema.table(
        "The gaps that begin or end in a mass silence, one row for each side: which one it is.",
        column("id", pa.string(), "the mass silence, see mass_silences"),
        column("region", pa.string(), "the degree, named by its south-west corner"),
        column("side", pa.string(), "lost: the gap began in it; back: it ended in it"),
        *(schema.STORED["gaps"].field(name) for name in ("mmsi", "track_start", "start_time")),
        column("time", schema.UTC, "when it fell silent or came back"),
        column("lon", pa.float64(), "where", unit="deg"),
        column("lat", pa.float64(), "where", unit="deg"),
        column("expected", pa.float64(), "as in mass_silences"),
    )


def mass_schema() -> pa.Schema:
    """The columns of view mass_silences, with what the view holds."""
    counts = {
        "class_a": "sets of class A",
        "class_b": "sets of class B",
        "tankers": "types 80 to 89",
        "cargo": "types 70 to 79",
        "fishing": "type 30",
        "still": "those that lay still, no faster than reception.stay_kn",
        "speed_known": "those whose speed is known",
        "silenced": "gaps that were judged silenced",
        "in_outage": "gaps of which some lies in an outage",
    }
    return schema.table(
        "Many vessels of one degree that fell silent together or came back together, each within "
        "reception.together_min of the one before: a receiver, interference, weather, or an order. It accuses nobody.",
        column("id", pa.string(), "side, region and start"),
        column("side", pa.string(), "lost: they fell silent; back: they were heard again"),
        column("region", pa.string(), "the degree, named by its south-west corner"),
        column("lon", pa.float64(), "mean place", unit="deg"),
        column("lat", pa.float64(), "mean place", unit="deg"),
        column("start_time", schema.UTC, "the first of them"),
        column("end_time", schema.UTC, "the last of them"),
        column("vessels", pa.int64(), "vessels, reception.mass_vessels at least"),
        column("expected", pa.float64(), "how many would in such a time, by the two days round it"),
        *(column(name, pa.int64(), f"of their gaps: {what}") for name, what in counts.items()),
        column(
            "heard_meanwhile",
            pa.int64(),
            "vessels heard in the degree in the first whole hour after they fell silent, or the last before they came "
            "back, by whatever other receivers; by the kind that heard most",
        ),
    )


def members(rules: Rules) -> str:
    """The query for all rows of view mass_silence_gaps."""
    own = rules.reception
    near = f"to_microseconds({minutes(own.together_min)})"
    sides = " UNION ALL ".join(
        f"""SELECT '{side}' AS side, {time} AS time, lon{k} AS lon, lat{k} AS lat, mmsi, track_start, start_time
            FROM gaps WHERE {time} IS NOT NULL"""
        for side, time, k in (("lost", "start_time", 0), ("back", "end_time", 1))
    )
    day = f"to_microseconds({days(1)})"
    return f"""WITH ends AS MATERIALIZED (SELECT *, floor(lon)::INT AS x, floor(lat)::INT AS y FROM ({sides})),
        fresh AS (SELECT *, coalesce(time > lag(time) OVER w + {near}, true) AS fresh FROM ends
            WINDOW w AS (PARTITION BY side, x, y ORDER BY time, mmsi, track_start)),
        numbered AS MATERIALIZED (SELECT *, sum(fresh::INT) OVER (PARTITION BY side, x, y
            ORDER BY time, mmsi, track_start ROWS UNBOUNDED PRECEDING) AS run FROM fresh),
        runs AS (SELECT side, x, y, run, min(time) AS s, max(time) AS e, count(DISTINCT mmsi) AS vessels,
                count(*) AS gaps FROM numbered GROUP BY ALL HAVING vessels >= {own.mass_vessels!r}
                AND epoch_us(e) - epoch_us(s) <= {minutes(own.mass_min)}),
        usual AS (SELECT r.*, count(*) - any_value(r.gaps) AS others FROM runs r JOIN ends n
            ON n.side = r.side AND n.x = r.x AND n.y = r.y AND n.time BETWEEN s - {day} AND e + {day} GROUP BY ALL),
        held AS (SELECT *, others * (epoch_us(e) - epoch_us(s) + {minutes(own.together_min)}) / {2.0 * days(1)!r}
            AS expected FROM usual)
        SELECT h.side || ' ' || {_REGION} || ' ' || strftime(make_timestamp(epoch_us(h.s)), '%Y-%m-%dT%H:%M:%SZ') AS id,
            {_REGION} AS region, side, mmsi, track_start, start_time, time, lon, lat, expected::DOUBLE AS expected
        FROM held h JOIN numbered n USING (side, x, y, run) WHERE h.vessels >= {own.mass_factor!r} * expected
        ORDER BY h.s, id, time, mmsi, track_start"""


_REGION = """((CASE WHEN y < 0 THEN 'S' ELSE 'N' END) || lpad(abs(y)::VARCHAR, 2, '0')
            || (CASE WHEN x < 0 THEN 'W' ELSE 'E' END) || lpad(abs(x)::VARCHAR, 3, '0'))"""


def mass(rules: Rules) -> str:
    """The query for all rows of view mass_silences."""
    deg = rules.coverage.cell_deg
    kinds = {
        "tankers": "ship_type BETWEEN 80 AND 89",
        "cargo": "ship_type BETWEEN 70 AND 79",
        "fishing": "ship_type = 30",
    }
    kinds |= {f"class_{c.lower()}": f"CASE side WHEN 'lost' THEN class0 ELSE class1 END = '{c}'" for c in "AB"}
    kinds |= {"still": f"speed <= {rules.reception.stay_kn!r}", "speed_known": "speed IS NOT NULL"}
    kinds |= {"silenced": f"judgement = '{schema.SILENCED}'", "in_outage": "outage_min > 0"}
    counts = ", ".join(f"count(*) FILTER ({what}) AS {name}" for name, what in kinds.items())
    row, column_ = (
        f"floor((c.cell {op} {GRID_ROW} + 0.5) * {deg!r} - {half})::INT" for op, half in (("//", 90), ("%", 180))
    )
    return f"""WITH members AS (SELECT m.*, judgement, outage_min, class0, class1, ship_type,
                CASE side WHEN 'lost' THEN sog0_kn ELSE sog1_kn END AS speed
            FROM {MASS_MEMBERS} m JOIN gaps g USING (mmsi, track_start, start_time) LEFT JOIN vessels v USING (mmsi)),
        events AS (SELECT id, side, region, avg(lon) AS lon, avg(lat) AS lat, min(time) AS start_time,
                max(time) AS end_time, count(DISTINCT mmsi) AS vessels, any_value(expected) AS expected, {counts},
                any_value(floor(lon)::INT) AS x, any_value(floor(lat)::INT) AS y
            FROM members GROUP BY id, side, region),
        hours AS (SELECT *, CASE side WHEN 'lost' THEN epoch_us(end_time) // {HOUR} + 1
                ELSE epoch_us(start_time) // {HOUR} - 1 END AS hour FROM events),
        heard AS (SELECT id, max(n) AS heard_meanwhile FROM (SELECT id, receiver, sum(c.vessels) AS n FROM hours h
                JOIN coverage c ON epoch_us(c.hour) = h.hour * {HOUR} AND {row} = y AND {column_} = x
                GROUP BY id, receiver) GROUP BY id)
        SELECT {ddl.columns([name for name in mass_schema().names if name != "heard_meanwhile"])},
            coalesce(heard_meanwhile, 0)::BIGINT AS heard_meanwhile
        FROM events LEFT JOIN heard USING (id) ORDER BY start_time, id"""


# ---------------------------------------------------------------------- numbers that were away for weeks and came back
# Law: a function of when and where each number was heard first and last in each slice, before and after an absence
# within it. So no state is kept for months, no cut shows, and late data alter what they alter and no more.

_ABSENCES = f"""WITH days AS (SELECT mmsi, min(first_seen) AS first, max(last_seen) AS last,
            arg_min(first_lon, first_seen) AS lon1, arg_min(first_lat, first_seen) AS lat1,
            arg_max(last_lon, last_seen) AS lon, arg_max(last_lat, last_seen) AS lat
        FROM part_vessels WHERE first_lon IS NOT NULL GROUP BY mmsi, epoch_us(first_seen) // {days(1)}),
    pairs AS (SELECT mmsi, lag(last) OVER w AS start_time, first AS end_time, lag(lon) OVER w AS lon0,
            lag(lat) OVER w AS lat0, lon1, lat1 FROM days WINDOW w AS (PARTITION BY mmsi ORDER BY first))
    SELECT * FROM pairs WHERE epoch_us(end_time) - epoch_us(start_time) BETWEEN {days(ABSENT_D[0])} + 1
        AND {days(ABSENT_D[1])} ORDER BY mmsi, start_time"""


def absences(work: duckdb.DuckDBPyConnection, rules: Rules) -> pa.Table:
    """Table long_absences, from the rows of every slice in part_vessels."""
    from stswatch.pipeline.tracks.port_calls import most_time  # what is asked often needs no sea routes

    found = work.sql(_ABSENCES).to_arrow_table().combine_chunks()
    start, end = ((np.asarray(found[f"lon{k}"]), np.asarray(found[f"lat{k}"])) for k in (0, 1))
    long_us = micros(found, "end_time") - micros(found, "start_time")
    columns = {name: found[name].combine_chunks() for name in found.column_names}
    columns |= {"days": long_us / days(1), "distance_km": np.round(haversine_m(*start, *end) / 1000, 3)}
    reach = most_time(start, end, long_us / HOUR, rules.stays)
    return build(schema.STORED["long_absences"], columns | reach)
