"""The views of what a vessel did over time: its voyages from call to call, and all that is known of it in order."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.store.revisions import LIVING

VOYAGES, HISTORY = "voyages", "vessel_history"


def schemas() -> dict[str, pa.Schema]:
    """View -> its schema."""
    return {VOYAGES: voyage_schema(), HISTORY: history_schema()}


def statements() -> Iterator[str]:
    """The statements that make the views."""
    yield f"CREATE VIEW {VOYAGES} AS {_VOYAGES}"
    yield f"CREATE VIEW {HISTORY} AS {_history()}"


def voyage_schema() -> pa.Schema:
    """The columns of view voyages, with what the view holds."""
    calls = schema.STORED["port_calls"]
    return schema.table(
        "What lies between two calls of one vessel that were heard, one after the other.",
        calls.field("mmsi"),
        schema.column("from_port", pa.string(), "port id of the call before"),
        schema.column("to_port", pa.string(), "port id of the call after"),
        schema.column("departure", schema.UTC, "departure from the one"),
        schema.column("arrival", schema.UTC, "arrival at the other"),
        *(calls.field(name) for name in ("destination_after", "destination_before")),
        *(calls.field(name) for name in ("draught_m_after", "draught_m_before")),
        schema.column("gaps", pa.int64(), "silences that begin or end between the two"),
        schema.column("silent_h", pa.float64(), "hours of them that are known, within the voyage", unit="h"),
        schema.column(
            "dark_possible",
            pa.list_(pa.string()),
            "DPRK and trade ports that a silence within it leaves time for, first those with most; "
            "no indication but where port_calls.may_score",
        ),
    )


def history_schema() -> pa.Schema:
    """The columns of view vessel_history, with what the view holds."""
    return schema.table(
        "What is known of each vessel in order of time: calls, meetings, silences, loitering.",
        schema.STORED["vessels"].field("mmsi"),
        schema.column("start_time", schema.UTC, "when it began"),
        schema.column("end_time", schema.UTC, "when it ended", null=True),
        schema.column("kind", pa.string(), "port_call, encounter, gap or loitering"),
        schema.column("what", pa.string(), "how a call was shown, kind of a meeting, judgement of a gap", null=True),
        schema.column(
            "place", pa.string(), "the port of a call; of the others the nearest, where it is known", null=True
        ),
        schema.column("id", pa.string(), "id of the encounter", null=True),
        schema.column("other_mmsi", pa.int32(), "the other vessel of an encounter", null=True),
    )


_VOYAGES = """
    WITH heard AS (FROM port_calls WHERE shown <> 'dark_possible'),
    pairs AS (SELECT mmsi, port AS from_port, lead(port) OVER w AS to_port, departure, lead(arrival) OVER w AS arrival,
            destination_after, lead(destination_before) OVER w AS destination_before,
            draught_m_after, lead(draught_m_before) OVER w AS draught_m_before
        FROM heard WINDOW w AS (PARTITION BY mmsi ORDER BY arrival, departure, port)),
    legs AS (SELECT row_number() OVER (ORDER BY mmsi, departure, arrival) AS leg, * FROM pairs
        WHERE arrival IS NOT NULL AND arrival >= departure),
    silences AS (SELECT leg, count(*) AS gaps,
            sum(epoch_us(least(l.arrival, g.end_time)) - epoch_us(greatest(l.departure, g.start_time))) / 3.6e9
                AS silent_h
        FROM legs l JOIN gaps g ON g.mmsi = l.mmsi AND g.start_time < l.arrival
            AND (g.end_time > l.departure OR g.end_time IS NULL AND g.start_time >= l.departure) GROUP BY leg),
    ports AS (SELECT leg, list(port ORDER BY most DESC, port) AS dark_possible FROM (
            SELECT leg, c.port, max(c.spare_h) AS most FROM legs l JOIN port_calls c ON c.mmsi = l.mmsi
                AND c.shown = 'dark_possible' AND c.gap_start < l.arrival AND c.gap_end > l.departure
            GROUP BY leg, c.port) GROUP BY leg)
    SELECT mmsi, from_port, to_port, departure, arrival, destination_after, destination_before,
        draught_m_after, draught_m_before, coalesce(gaps, 0)::BIGINT AS gaps,
        coalesce(silent_h, 0)::DOUBLE AS silent_h, coalesce(dark_possible, []) AS dark_possible
    FROM legs LEFT JOIN silences USING (leg) LEFT JOIN ports USING (leg) ORDER BY mmsi, departure, arrival"""


def _history() -> str:
    sides = " UNION ALL ".join(
        f"""SELECT mmsi_{v}, start_time, end_time, 'encounter', kind, port, id, mmsi_{w}
            FROM encounters WHERE status IN {LIVING}"""
        for v, w in ("ab", "ba")
    )
    return f"""SELECT mmsi, arrival AS start_time, departure AS end_time, 'port_call' AS kind, shown AS what,
            port AS place, NULL::VARCHAR AS id, NULL::INTEGER AS other_mmsi
        FROM port_calls WHERE shown <> 'dark_possible' OR rank = 1
        UNION ALL {sides}
        UNION ALL SELECT mmsi, start_time, end_time, 'gap', judgement, NULL, NULL, NULL FROM gaps
        UNION ALL SELECT mmsi, start_time, end_time, 'loitering', NULL, port, NULL, NULL FROM loitering
        ORDER BY mmsi, start_time, kind"""
