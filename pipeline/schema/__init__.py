"""What the tables are: one row per table (TABLES), one row per measure of a meeting (measures.py).

Every field carries its unit and its meaning. The published tables become DuckDB tables of the same name, and the
sentences become the comments there. LAKE, FLOW, STORED and EVENT_TABLES are the table of tables by what is asked of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property

import pyarrow as pa

from stswatch.pipeline.schema import case_schemas, flow_tables, lake_tables, published
from stswatch.pipeline.schema.flow_tables import (
    CLOSED_ENCOUNTERS,
    CROSSINGS,
    DARK_MEETINGS,
    EDGES,
    GAPS,
    LEAPS,
    LEGS,
    LOST_SPANS,
    PARTIES,
    PORT_PAIRS,
    PROXIMITIES,
    RECEPTIONS,
    REPORTING,
    REPORTING_PLACES,
    SATELLITE_COUNTS,
    SHIP_HOURS,
    STATIC_DATA,
    STAYS,
    VOYAGE_DATA,
)
from stswatch.pipeline.schema.lake_tables import (
    CLOCK,
    FIXES,
    RADIO_FIELDS,
    REASON,
    RECEIVERS,
    REF,
    REJECTS,
    SATELLITE,
    STATIC_REPORTS,
    TERRESTRIAL,
    UNKNOWN,
    UTC,
    column,
    meaning_of,
    table,
)
from stswatch.pipeline.schema.measures import BIN
from stswatch.pipeline.schema.published import (
    AREA_COLUMNS,
    COVERAGE,
    ENCOUNTERS,
    IDENTITY_EVENTS,
    IDENTITY_VALUES,
    JUDGED_GAPS,
    LOITERING,
    OUTAGES,
    PLACED,
    PORT_CALLS,
    PORT_PAIR_COUNTS,
    REJECT_COUNTS,
    RUNS,
    SILENCED,
    SOURCES,
    STORED_ENCOUNTERS,
    STORED_GAPS,
    STORED_IDENTITY_EVENTS,
    STORED_TRACK_CHECKS,
    TRACK_CHECK_ROWS,
    VESSELS,
)

__all__ = [
    "AREA_COLUMNS",
    "BIN",
    "CLOCK",
    "CLOSED_ENCOUNTERS",
    "COVERAGE",
    "CROSSINGS",
    "DARK_MEETINGS",
    "EDGES",
    "ENCOUNTERS",
    "EVENT_TABLES",
    "FIXES",
    "FLOW",
    "GAPS",
    "IDENTITY_EVENTS",
    "IDENTITY_VALUES",
    "JUDGED_GAPS",
    "LAKE",
    "LEAPS",
    "LEGS",
    "LOITERING",
    "LOST_SPANS",
    "OUTAGES",
    "PARTIES",
    "PLACED",
    "PORT_CALLS",
    "PORT_PAIRS",
    "PORT_PAIR_COUNTS",
    "PROXIMITIES",
    "RADIO_FIELDS",
    "REASON",
    "RECEIVERS",
    "RECEPTIONS",
    "REF",
    "REJECTS",
    "REJECT_COUNTS",
    "REPORTING",
    "REPORTING_PLACES",
    "RUNS",
    "SATELLITE",
    "SATELLITE_COUNTS",
    "SHIP_HOURS",
    "SILENCED",
    "SOURCES",
    "STATIC_DATA",
    "STATIC_REPORTS",
    "STAYS",
    "STORED",
    "STORED_ENCOUNTERS",
    "STORED_GAPS",
    "STORED_IDENTITY_EVENTS",
    "STORED_TRACK_CHECKS",
    "TABLES",
    "TERRESTRIAL",
    "TRACK_CHECK_ROWS",
    "UNKNOWN",
    "UTC",
    "VESSELS",
    "VOYAGE_DATA",
    "Merge",
    "Origin",
    "Published",
    "Registry",
    "Revised",
    "Table",
    "column",
    "empty",
    "meaning_of",
    "table",
]


# ----------------------------------------------------------------------------------------------------------------
# The table of tables: what each is called, where its rows come from, how they merge, and how they are published


class Origin(Enum):
    """Where the rows of a table come from."""

    LAKE = "files of the lake, which a view shows"
    FLOW = "a step"
    STORE = "whoever publishes"


class Merge(Enum):
    """How the rows of all slices become those that are published; pipeline/store/publish.py has a query for each."""

    ROWS = "every one of them"
    SUMS = "those of one key are added up"
    LATEST = "one of each key: of a column that has a time beside it the value reported last"
    SPANS = "one of each key, from the least first to the greatest last time"
    IDENTITY = "those of one key as one; what numbers of all vessels together show is added"
    CHECKS = "every one of them, with whether many vessels were displaced in it"
    GAPS = "every one of them, with how much of it lies in outages"
    EVENTS = "by name and revision, see pipeline/store/revisions.py"
    RUNS = "one of each run of the program"
    REVISIONS = "as they were written, see pipeline/store/event_revisions.py"
    GIVEN = "those that the publisher has"


@dataclass(frozen=True)
class Revised:
    """How the events of a table are known again when they have changed: those of one subject that share time.

    subject: the columns that say what an event is of. span: those of its begin and its end, which may be null. but: a
    column, and the value of it for rows that are not followed, since they follow from another table that is.
    """

    subject: tuple[str, ...]
    span: tuple[str, str] = ("start_time", "end_time")
    but: tuple[str, str] | None = None


@dataclass(frozen=True)
class Published:
    """How a table is published.

    key: the columns that name a row, none where nothing does. order: the columns by which the
    rows are sorted, the key where none is given. name, columns: those of the table where not given. revised: of
    events, by which table event_revisions follows them.
    """

    merge: Merge
    key: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    name: str = ""
    columns: pa.Schema | None = None
    revised: Revised | None = None


@dataclass(frozen=True)
class Table:
    """One table.

    name: the one that steps and files of the lake use. columns: what a
    row holds there. published: None for what only passes between steps.
    """

    name: str
    origin: Origin
    columns: pa.Schema
    published: Published | None = None

    @property
    def stored(self) -> str:
        """The name under which it is published, the empty one where it is not."""
        return (self.published.name or self.name) if self.published else ""


class Registry:
    """Tables by what is asked of them; raises ValueError where two have one name or a key is no column.

    lake, flow: name -> columns. stored: name of a published table -> columns. events: table of the flow -> the
    published table that its rows end in. parts: published table -> the columns that the flow writes for it.
    """

    def __init__(self, rows: tuple[Table, ...]) -> None:
        self.rows = rows
        self.lake: Mapping[str, pa.Schema] = {row.name: row.columns for row in rows if row.origin is Origin.LAKE}
        self.flow: Mapping[str, pa.Schema] = {row.name: row.columns for row in rows if row.origin is Origin.FLOW}
        self.by_stored: Mapping[str, Table] = {row.stored: row for row in rows if row.published}
        self.stored: Mapping[str, pa.Schema] = {
            name: (row.published and row.published.columns) or row.columns for name, row in self.by_stored.items()
        }
        self._check()

    def _check(self) -> None:
        if len({row.name for row in self.rows}) < len(self.rows):
            raise ValueError("two tables have one name")
        if len(self.by_stored) < sum(row.published is not None for row in self.rows):
            raise ValueError("two tables are published under one name")
        for name, row in self.by_stored.items():
            by = self.revised.get(name)
            named = {*self.key(name), *self.order(name), *((*by.subject, *by.span) if by else ())}
            missing = named - set(self.stored[name].names)
            if missing:
                raise ValueError(f"table {row.name} has no column {', '.join(sorted(missing))}")

    @cached_property
    def events(self) -> Mapping[str, str]:
        """Table of the flow -> published table that its rows end in."""
        return {row.name: row.stored for row in self.rows if row.origin is Origin.FLOW and row.published}

    @cached_property
    def revised(self) -> Mapping[str, Revised]:
        """Published table whose events have revisions -> how they are known again."""
        of = ((name, row.published) for name, row in self.by_stored.items())
        return {name: published.revised for name, published in of if published and published.revised}

    @cached_property
    def parts(self) -> Mapping[str, pa.Schema]:
        """Published table -> columns of the files that the flow writes for it."""
        return {stored: self.flow[name] for name, stored in self.events.items()}

    def key(self, stored: str) -> tuple[str, ...]:
        """The columns that name a row of a published table; raises KeyError for another name."""
        return self._published(stored).key

    def order(self, stored: str) -> tuple[str, ...]:
        """The columns by which a published table is sorted; raises KeyError for another name."""
        return self._published(stored).order or self.key(stored)

    def merge(self, stored: str) -> Merge:
        """How the rows of all slices become those of a published table; raises KeyError for another name."""
        return self._published(stored).merge

    def _published(self, stored: str) -> Published:
        row = self.by_stored[stored]
        if row.published is None:
            raise KeyError(stored)
        return row.published


_BY_SEQ = Published(Merge.GIVEN, ("seq",))
_STAY_ORDER = ("mmsi", "track_start", "start_time")
_CALL_ORDER = ("mmsi", "track_start", "arrival", "shown", "rank", "port")
_DARK_ORDER = ("start_time", "mmsi_a", "mmsi_b", "gap_start_b")
_IDENTITY = ("mmsi", "kind", "field", "old_value", "new_value", "other_mmsi")
_CHECK = ("mmsi", "track_start", "check_name", "start_time")
_BY_MMSI = Revised(("mmsi",))
_BY_PORT = Revised(("mmsi", "port"), ("arrival", "departure"), but=("shown", "dark_possible"))  # silences are in gaps
_BY_IDENTITY, _BY_CHECK = Revised(_IDENTITY, ("first_time", "last_time")), Revised(("mmsi", "check_name"))
_BY_PAIR, _BY_NAME = Revised(("kind", "mmsi_a", "mmsi_b")), Revised(("receiver", "name"))
_ENCOUNTERS = Published(Merge.EVENTS, ("id", "revision"), columns=published.STORED_ENCOUNTERS)
_GAPS = Published(Merge.GAPS, (), (*_STAY_ORDER, "end_time"), "gaps", published.STORED_GAPS, _BY_MMSI)
_OUTAGES = Published(Merge.ROWS, order=("start_time", "receiver", "name"), revised=_BY_NAME)
_EVENTS_OF_IDENTITY = Published(Merge.IDENTITY, _IDENTITY, columns=STORED_IDENTITY_EVENTS, revised=_BY_IDENTITY)
_CHECKS = Published(Merge.CHECKS, _CHECK, columns=STORED_TRACK_CHECKS, revised=_BY_CHECK)
_REVISIONS = Published(Merge.REVISIONS, order=("table_name", "start_time", "id", "revision"))

TABLES = Registry(
    (
        Table("fixes", Origin.LAKE, lake_tables.FIXES),
        Table("static_reports", Origin.LAKE, lake_tables.STATIC_REPORTS),
        Table("rejects", Origin.LAKE, lake_tables.REJECTS),
        Table("legs", Origin.FLOW, flow_tables.LEGS),
        Table("lost_spans", Origin.FLOW, flow_tables.LOST_SPANS),
        Table("gaps", Origin.FLOW, flow_tables.GAPS),
        Table("edges", Origin.FLOW, flow_tables.EDGES),
        Table("static_data", Origin.FLOW, flow_tables.STATIC_DATA),
        Table("stays", Origin.FLOW, flow_tables.STAYS),
        Table("voyage_data", Origin.FLOW, flow_tables.VOYAGE_DATA),
        Table("receptions", Origin.FLOW, flow_tables.RECEPTIONS),
        Table("reporting", Origin.FLOW, flow_tables.REPORTING),
        Table("reporting_places", Origin.FLOW, flow_tables.REPORTING_PLACES),
        Table("ship_hours", Origin.FLOW, flow_tables.SHIP_HOURS),
        Table("satellite_counts", Origin.FLOW, flow_tables.SATELLITE_COUNTS),
        Table("identity_changes", Origin.FLOW, published.IDENTITY_EVENTS),
        Table("checked_parts", Origin.FLOW, published.TRACK_CHECK_ROWS),
        Table("leaps", Origin.FLOW, flow_tables.LEAPS),
        Table("crossings", Origin.FLOW, flow_tables.CROSSINGS),
        Table("heard_by", Origin.FLOW, flow_tables.HEARD_BY),
        Table("states_sent", Origin.FLOW, flow_tables.STATES_SENT),
        Table("proximities", Origin.FLOW, flow_tables.PROXIMITIES),
        Table("port_pairs", Origin.FLOW, flow_tables.PORT_PAIRS),
        Table("closed_encounters", Origin.FLOW, flow_tables.CLOSED_ENCOUNTERS),
        Table("parties", Origin.FLOW, flow_tables.PARTIES),
        # those that are published, in the order of docs/tables.md
        Table("runs", Origin.STORE, published.RUNS, Published(Merge.RUNS, ("run_id",), order=("started", "run_id"))),
        Table("sources", Origin.STORE, published.SOURCES, Published(Merge.GIVEN, ("source",))),
        Table("vessels", Origin.FLOW, published.VESSELS, Published(Merge.LATEST, ("mmsi",))),
        Table("encounters", Origin.FLOW, published.ENCOUNTERS, _ENCOUNTERS),
        Table("judged_gaps", Origin.FLOW, published.JUDGED_GAPS, _GAPS),
        Table("outages", Origin.FLOW, published.OUTAGES, _OUTAGES),
        Table("long_absences", Origin.STORE, flow_tables.LONG_ABSENCES, Published(Merge.GIVEN, ("mmsi", "start_time"))),
        Table(
            "port_calls", Origin.FLOW, published.PORT_CALLS, Published(Merge.ROWS, (), _CALL_ORDER, revised=_BY_PORT)
        ),
        Table("loitering", Origin.FLOW, published.LOITERING, Published(Merge.ROWS, (), _STAY_ORDER, revised=_BY_MMSI)),
        Table("dark_meetings", Origin.FLOW, DARK_MEETINGS, Published(Merge.ROWS, (), _DARK_ORDER, revised=_BY_PAIR)),
        Table("identity_events", Origin.FLOW, IDENTITY_EVENTS, _EVENTS_OF_IDENTITY),
        Table("identity_values", Origin.FLOW, IDENTITY_VALUES, Published(Merge.SPANS, ("mmsi", "field", "value"))),
        Table("track_checks", Origin.FLOW, TRACK_CHECK_ROWS, _CHECKS),
        Table("event_revisions", Origin.STORE, flow_tables.EVENT_REVISIONS, _REVISIONS),
        Table("coverage", Origin.FLOW, published.COVERAGE, Published(Merge.SUMS, ("cell", "hour", "receiver"))),
        Table("reject_counts", Origin.STORE, published.REJECT_COUNTS, Published(Merge.GIVEN, ("source", "reason"))),
        Table(
            "port_pair_counts",
            Origin.FLOW,
            published.PORT_PAIR_COUNTS,
            Published(Merge.SUMS, ("port", "part", "hour")),
        ),
        Table("decisions", Origin.STORE, case_schemas.DECISIONS, _BY_SEQ),
        Table("observations", Origin.STORE, case_schemas.OBSERVATIONS, _BY_SEQ),
        Table("exercise_decisions", Origin.STORE, case_schemas.EXERCISE_DECISIONS, _BY_SEQ),
        Table("exercise_observations", Origin.STORE, case_schemas.EXERCISE_OBSERVATIONS, _BY_SEQ),
        Table("ports_in_reach", Origin.STORE, case_schemas.PORTS_IN_REACH, Published(Merge.GIVEN, ("mmsi", "port"))),
    )
)


@cache
def empty(name: str) -> pa.Table:
    """An empty table of the flow or the lake, by name; raises KeyError for another name.

    >>> empty("legs").num_rows
    0
    """
    return {**TABLES.lake, **TABLES.flow}[name].empty_table()


LAKE, FLOW, STORED, EVENT_TABLES = TABLES.lake, TABLES.flow, TABLES.stored, TABLES.events
