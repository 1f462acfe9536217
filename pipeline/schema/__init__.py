"""What the tables are: one row per table (tables.py), one row per measure of a meeting (measures.py).

Every field carries its unit and its meaning. The published tables become DuckDB tables of the same name, and the
sentences become the comments there. LAKE, FLOW, STORED and EVENT_TABLES are the table of tables by what is asked of it.
"""

from stswatch.pipeline.schema.flow import (
    EDGES,
    GAPS,
    LEGS,
    PORT_PAIRS,
    PROXIMITIES,
    RECEPTIONS,
    REPORTING,
    STATIC_DATA,
)
from stswatch.pipeline.schema.lake import (
    FIXES,
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
    JUDGED_GAPS,
    OUTAGES,
    PLACED,
    PORT_PAIR_COUNTS,
    REJECT_COUNTS,
    RUNS,
    SOURCES,
    STORED_ENCOUNTERS,
    STORED_GAPS,
    VESSELS,
)
from stswatch.pipeline.schema.tables import TABLES, Merge, Origin, Published, Registry, Table, empty

LAKE, FLOW, STORED, EVENT_TABLES = TABLES.lake, TABLES.flow, TABLES.stored, TABLES.events

__all__ = [
    "AREA_COLUMNS",
    "BIN",
    "COVERAGE",
    "EDGES",
    "ENCOUNTERS",
    "EVENT_TABLES",
    "FIXES",
    "FLOW",
    "GAPS",
    "JUDGED_GAPS",
    "LAKE",
    "LEGS",
    "OUTAGES",
    "PLACED",
    "PORT_PAIRS",
    "PORT_PAIR_COUNTS",
    "PROXIMITIES",
    "REASON",
    "RECEIVERS",
    "RECEPTIONS",
    "REF",
    "REJECTS",
    "REJECT_COUNTS",
    "REPORTING",
    "RUNS",
    "SATELLITE",
    "SOURCES",
    "STATIC_DATA",
    "STATIC_REPORTS",
    "STORED",
    "STORED_ENCOUNTERS",
    "STORED_GAPS",
    "TABLES",
    "TERRESTRIAL",
    "UNKNOWN",
    "UTC",
    "VESSELS",
    "Merge",
    "Origin",
    "Published",
    "Registry",
    "Table",
    "column",
    "empty",
    "meaning_of",
    "table",
]
