"""Who could act on a case, by what right, and by when: views recipients, provision_conditions, referral_queue.

A provision is a table of conditions, each shown, not shown or unknown. None is a verdict: AIS shows no cargo and no
transfer, and a place alone engages nothing. The DPRK is no recipient.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.geo.reference.mmsi import country_names
from stswatch.geo.reference.ports import ports
from stswatch.pipeline import rule_files, schema
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.schema import case_schemas, column
from stswatch.pipeline.store import case_tables, ddl

RECIPIENTS, CONDITIONS, QUEUE, PSI = "recipients", "provision_conditions", "referral_queue", "psi_queue"
OPEN = ("assessed", "referred")
_TERRITORIAL_KM = 12 * M_PER_NM / 1000  # Article 3 of the Convention on the Law of the Sea

# States that endorsed PSI's Statement of Interdiction Principles, of those whose flags and ports these waters see; all
# others stand as unknown. An estimate of this project after the list of participants of the U.S. Department of State,
# not compared with it line by line: ask before relying on it.
# fmt: off
_ENDORSED = (
    "AG", "AU", "BB", "BS", "BZ", "BN", "CA", "CY", "DE", "DK", "DM", "ES", "FI", "FJ", "FR", "GB", "GR", "HN", "HR",
    "IE", "IT", "JP", "KH", "KR", "LR", "MH", "MN", "MT", "MY", "NL", "NO", "NZ", "PA", "PG", "PH", "PL", "PT", "PW",
    "RU", "SE", "SG", "TH", "TR", "UA", "US", "VC", "VN", "VU", "WS",
)
# Ship boarding agreements with the United States, which set how consent to board is asked for; in the same way.
_BOARDING = ("AG", "BS", "BZ", "HR", "CY", "LR", "MT", "MH", "MN", "PA", "VC")
_NOT_ENDORSED = ("CN", "KP")
# fmt: on
_BODIES = (  # id, name, what it may do, whether it serves PSI follow-up, source
    (
        "ECC",
        "Enforcement Coordination Cell",
        "coordinates what the nine States of the Pacific Security Maritime Exchange do in these waters; no power of "
        "its own to board",
        True,
        "U.S. Department of State, Pacific Security Maritime Exchange",
    ),
    (
        "1718",
        "Security Council Committee established pursuant to resolution 1718 (2006)",
        "takes reports of Member States, designates vessels; its Panel of Experts ended in 2024",
        False,
        "UNSCR 1718 (2006) 12",
    ),
    (
        "MSMT",
        "Multilateral Sanctions Monitoring Team",
        "eleven States that report on breaches since October 2024; no power to act at sea",
        False,
        "joint statement of its States, 16 October 2024",
    ),
)
_CAPACITY = {
    "flag": "flag State: may inspect its ships, and may consent to an inspection on the high seas (UNSCR 2375 7 and 8)",
    "port": "port State: shall seize, inspect and freeze a vessel in its ports where there are reasonable grounds "
    "(UNSCR 2397 9)",
    "coastal": "coastal State: may do so in its territorial sea (UNSCR 2397 9)",
    "cell": "coordinates enforcement",
    "body": "takes reports",
}
# provision, what it covers, condition, which fact below says it
_PROVISIONS = (
    ("UNSCR 2375 11", "transfer between ships to or from a DPRK-flagged vessel", "flag"),
    ("UNSCR 2375 11", "goods supplied, sold or transferred to or from the DPRK", "trade"),
    ("UNSCR 2375 11", "that anything was transferred", "cargo"),
    ("UNSCR 2397 5", "refined petroleum, above 500,000 barrels a year", "cargo"),
    ("UNSCR 2397 5", "to the DPRK", "after"),
    ("UNSCR 2371 8", "coal, iron or iron ore", "cargo"),
    ("UNSCR 2371 8", "from the DPRK", "before"),
    ("UNSCR 2371 9", "seafood", "cargo"),
    ("UNSCR 2371 9", "from the DPRK", "before"),
    ("UNSCR 2397 6", "food, machinery, earth and stone, wood or vessels", "cargo"),
    ("UNSCR 2397 6", "from the DPRK", "before"),
)


def schemas() -> dict[str, pa.Schema]:
    """View -> its schema."""
    queue = _queue_schema()
    filtered = queue.with_metadata(
        {
            "meaning": "Rows of referral_queue whose recipient endorsed PSI or serves its follow-up. PSI itself "
            "concerns proliferation cargo and has no organisation; oil and coal go to the cell, flag and port States."
        }
    )
    return {RECIPIENTS: _recipient_schema(), CONDITIONS: _condition_schema(), QUEUE: queue, PSI: filtered}


def queries(rules: Rules) -> dict[str, str]:
    """View -> the query for all of its rows; they read tables, and the views of case_tables.py."""
    return {
        RECIPIENTS: _recipients_query(),
        CONDITIONS: _conditions_query(rules),
        QUEUE: _queue_query(),
        PSI: f"SELECT * FROM {QUEUE} WHERE psi",
    }


def _recipient_schema() -> pa.Schema:
    return schema.table(
        "Who may be told of a case: States by ISO 3166 alpha-2, and bodies.",
        column("recipient", pa.string(), "id, as --to takes it"),
        column("name", pa.string(), "name"),
        column("psi", pa.bool_(), "endorsed PSI, or serves its follow-up; null: not known here"),
        column("boarding_agreement", pa.bool_(), "has a ship boarding agreement with the United States"),
        column("competence", pa.string(), "of a body: what it may do; of a State see referral_queue"),
        column("source", pa.string(), "where that is known from"),
    )


def _recipients_query() -> str:
    source = "estimate of this project after the U.S. Department of State's lists of PSI participants and agreements"
    rows: list[tuple[object, ...]] = [
        (code, name, True if code in _ENDORSED else False if code in _NOT_ENDORSED else None, code in _BOARDING, None,
         source)
        for code, name in sorted(country_names().items()) if code != "KP"
    ]  # fmt: skip
    rows += [(name, words, psi, False, may, where) for name, words, may, psi, where in _BODIES]
    values = ", ".join(f"({', '.join(map(_sql, row))})" for row in rows)
    return f"SELECT * FROM (VALUES {values}) v (recipient, name, psi, boarding_agreement, competence, source)"


def _sql(value: object) -> str:
    if value is None:
        return "NULL"
    return ddl.literal(value) if isinstance(value, str) else str(value).lower()


def _condition_schema() -> pa.Schema:
    return schema.table(
        "What each provision asks, for each case and lead: whether these data show it. No row is a verdict.",
        column("case_id", pa.string(), "id of the encounter or dark meeting"),
        column("provision", pa.string(), "resolution and paragraph"),
        column("condition", pa.string(), "what it asks"),
        column("state", pa.string(), "shown, not shown or unknown"),
        column("because", pa.string(), "what that rests on"),
        column("decisive", pa.bool_(), "a condition of flag, origin or destination: where one of them is shown and none"
               " of the provision is not shown, the provision is possibly engaged"),
    )  # fmt: skip


def _conditions_query(rules: Rules) -> str:
    before, after = (f"INTERVAL {round(days * 24)} HOURS" for days in (rules.context.before_d, rules.context.after_d))
    dprk = ", ".join(ddl.literal(str(name)) for name in ports().id[ports().country == "KP"])
    calls = f"""SELECT e.id,
            coalesce(bool_or(shown <> 'dark_possible' AND port IN ({dprk})), false) AS called,
            coalesce(bool_or(shown = 'dark_possible' AND port IN ({dprk})), false) AS possible,
            coalesce(bool_or(shown <> 'dark_possible'), false) AS heard
        FROM events e LEFT JOIN port_calls c ON c.mmsi IN (e.mmsi_a, e.mmsi_b)"""
    values = ", ".join(f"({', '.join(map(_sql, row))})" for row in _PROVISIONS)

    def by_calls(side: str, words: str) -> str:
        return f"""SELECT id, '{side}' AS fact,
            CASE WHEN called THEN 'shown' WHEN possible OR NOT heard THEN 'unknown' ELSE 'not shown' END AS state,
            CASE WHEN called THEN 'a call at a port of the DPRK {words} was heard'
                WHEN possible THEN 'no call there {words} was heard; a silence leaves time for one'
                WHEN heard THEN 'calls {words} were heard, none at a port of the DPRK'
                ELSE 'no call {words} was heard' END AS because FROM {side}_calls"""

    return f"""WITH events AS (
            SELECT id, mmsi_a, mmsi_b, start_time, end_time FROM encounters WHERE status IN ('current', 'provisional')
                AND (id IN (SELECT case_id FROM cases) OR id IN (SELECT id FROM flagged_encounters))
            UNION ALL SELECT id, mmsi_a, mmsi_b, start_time, end_time FROM dark_meetings
                WHERE id IN (SELECT id FROM dark_leads) OR id IN (SELECT case_id FROM cases)),
        before_calls AS ({calls} AND c.departure <= e.end_time AND c.departure >= e.start_time - {before}
            GROUP BY e.id),
        after_calls AS ({calls} AND c.arrival >= e.start_time AND c.arrival <= e.end_time + {after} GROUP BY e.id),
        flags AS (SELECT e.id, count(v.flag) AS known, coalesce(bool_or(v.flag = 'KP'), false) AS dprk
            FROM events e LEFT JOIN vessels v ON v.mmsi IN (e.mmsi_a, e.mmsi_b) GROUP BY e.id),
        around AS ({by_calls("before", "before it")} UNION ALL {by_calls("after", "after it")}),
        facts AS (FROM around UNION ALL
            SELECT id, 'trade', CASE WHEN bool_or(state = 'shown') THEN 'shown'
                    WHEN bool_or(state = 'unknown') THEN 'unknown' ELSE 'not shown' END,
                string_agg(because, '; ' ORDER BY fact DESC) FROM around GROUP BY id
            UNION ALL SELECT id, 'flag',
                CASE WHEN dprk THEN 'shown' WHEN known = 2 THEN 'not shown' ELSE 'unknown' END,
                CASE WHEN dprk THEN 'one broadcasts digits of the DPRK'
                    WHEN known = 2 THEN 'both broadcast digits of other States; a number is a claim'
                    ELSE 'one broadcasts digits of no State' END FROM flags
            UNION ALL SELECT id, 'cargo', 'unknown', 'AIS shows no cargo and no transfer' FROM events)
        SELECT id AS case_id, provision, condition, state, because, p.fact <> 'cargo' AS decisive
        FROM facts JOIN (VALUES {values}) p (provision, condition, fact) ON p.fact = facts.fact
        ORDER BY case_id, provision, condition"""


def _queue_schema() -> pa.Schema:
    arrivals = pa.list_(pa.struct([pa.field("port", pa.string()), pa.field("country", pa.string()),
                                   pa.field("earliest", schema.UTC)]))  # fmt: skip
    return schema.table(
        "Assessed and referred cases by whom they could be put before: a row for each recipient, capacity and vessel.",
        column("case_id", pa.string(), "id of the encounter or dark meeting"),
        column("status", pa.string(), "assessed or referred; withdrawn or cleared where it had been referred"),
        column("readers", pa.string(), "two, or SINGLE READER"),
        column("recipient", pa.string(), "id, see recipients"),
        column("name", pa.string(), "name of the recipient"),
        column("capacity", pa.string(), "flag, port, coastal, cell, body; other where it was named by hand alone"),
        column("competence", pa.string(), "what it may do in that capacity"),
        column("psi", pa.bool_(), "endorsed PSI, or serves its follow-up; null: not known here"),
        column("provisions", pa.list_(pa.string()), "possibly engaged, see provision_conditions; no verdict"),
        column("mmsi", pa.int32(), "the vessel that the capacity is about; null where it is both"),
        column("last_time", schema.UTC, "when that vessel was heard last, of both the later"),
        column("last_lon", pa.float64(), "where", unit="deg"),
        column("last_lat", pa.float64(), "where", unit="deg"),
        column("age_h", pa.float64(), "how long ago, by the clock of who asks", unit="h"),
        column("destination", pa.string(), "what it declared last, as broadcast"),
        column("ports", arrivals, "ports that it can come to first, over water at stays.dark_speed_kn"),
        column("deadline", schema.UTC, "the earliest that it can be in a port: of a port State in one of its own"),
        column("hours_left", pa.float64(), "until then, by the clock of who asks; below 0 where it is over", unit="h"),
        column("sent", schema.UTC, "when it was referred there"),
        column("acknowledged", schema.UTC, "when that was acknowledged"),
        column("outcome", pa.string(), "confirmed, cleared, inconclusive or no action"),
        column("outcome_time", schema.UTC, "when that was entered"),
    )


def _queue_query() -> str:
    words = ", ".join(f"({ddl.literal(name)}, {ddl.literal(may)})" for name, may in _CAPACITY.items())
    # one text: rows of VALUES by the thousand take as long to read as all other views
    lands = ddl.literal(
        " ".join(f"{port}={country}" for port, country in zip(ports().id, ports().country, strict=True))
    )
    return f"""WITH cell AS (FROM cases WHERE status IN {OPEN} OR len(recipients) > 0),
        events AS (SELECT id, mmsi_a, mmsi_b, port, distance_to_shore_km AS shore_km FROM encounters
                WHERE id IN (SELECT case_id FROM cell)
                QUALIFY row_number() OVER (PARTITION BY id ORDER BY revision DESC) = 1
            UNION ALL SELECT id, mmsi_a, mmsi_b, port, NULL FROM dark_meetings),
        hulls AS (SELECT case_id, unnest([mmsi_a, mmsi_b]) AS mmsi FROM cell JOIN events ON id = case_id),
        reach AS (SELECT mmsi, max(last_time) AS last_time, arg_max(last_lon, last_time) AS last_lon,
                arg_max(last_lat, last_time) AS last_lat, list({{'port': port, 'country': country,
                'earliest': earliest_arrival}} ORDER BY earliest_arrival, port) AS ports
            FROM ports_in_reach GROUP BY mmsi),
        lands AS (SELECT split_part(p, '=', 1) AS port, split_part(p, '=', 2) AS country
            FROM (SELECT unnest(string_split({lands}, ' ')) AS p)),
        offers AS (
            SELECT DISTINCT case_id, flag AS recipient, 'flag' AS capacity, mmsi FROM hulls JOIN vessels USING (mmsi)
                WHERE flag IS NOT NULL
            UNION SELECT case_id, country, 'port', mmsi FROM hulls JOIN ports_in_reach USING (mmsi)
            UNION SELECT case_id, country, 'coastal', NULL FROM cell JOIN events ON id = case_id
                JOIN lands ON lands.port = events.port WHERE shore_km <= {_TERRITORIAL_KM}
            UNION SELECT case_id, recipient, CASE recipient WHEN 'ECC' THEN 'cell' ELSE 'body' END, NULL
                FROM cell, (VALUES ('ECC'), ('1718'), ('MSMT')) b (recipient)),
        named AS (FROM offers WHERE recipient <> 'KP' UNION ALL
            SELECT case_id, party, 'other', NULL FROM (SELECT case_id, unnest(recipients) AS party FROM cell) given
                ANTI JOIN offers ON offers.case_id = given.case_id AND offers.recipient = party),
        engaged AS (SELECT case_id, list(provision ORDER BY provision) AS provisions FROM (
                SELECT case_id, provision FROM provision_conditions GROUP BY ALL
                HAVING bool_or(decisive AND state = 'shown') AND NOT bool_or(state = 'not shown')) GROUP BY case_id),
        done AS (SELECT case_id, party, max(time) FILTER (WHERE kind = 'acknowledged') AS acknowledged,
                max(time) FILTER (WHERE kind = 'outcome') AS outcome_time,
                arg_max(outcome, seq) FILTER (WHERE kind = 'outcome') AS outcome
            FROM decisions WHERE party IS NOT NULL GROUP BY ALL),
        sent AS (SELECT case_id, party, max(time) AS sent FROM (SELECT case_id, time, unnest(recipients) AS party
                FROM decisions WHERE kind = 'decision' AND status = 'referred') GROUP BY ALL),
        latest AS (SELECT case_id, arg_max(mmsi, last_time) AS mmsi FROM hulls JOIN reach USING (mmsi)
            GROUP BY case_id),
        timed AS (SELECT r.*, reach.* EXCLUDE (mmsi), v.destination, CASE r.capacity WHEN 'port' THEN
                list_min([p.earliest for p in reach.ports if p.country = r.recipient])
                ELSE list_min([p.earliest for p in reach.ports]) END AS deadline
            FROM named r LEFT JOIN latest USING (case_id) LEFT JOIN reach ON reach.mmsi = coalesce(r.mmsi, latest.mmsi)
            LEFT JOIN vessels v ON v.mmsi = r.mmsi)
        SELECT t.case_id, cell.status, cell.readers, t.recipient, coalesce(n.name, t.recipient) AS name, t.capacity,
            coalesce(n.competence, words.may, 'not known to this table') AS competence, n.psi,
            coalesce(engaged.provisions, []) AS provisions, t.mmsi, t.last_time, t.last_lon, t.last_lat,
            epoch_us(now()) / 3.6e9 - epoch_us(t.last_time) / 3.6e9 AS age_h, t.destination, t.ports, t.deadline,
            epoch_us(t.deadline) / 3.6e9 - epoch_us(now()) / 3.6e9 AS hours_left, sent.sent, done.acknowledged,
            done.outcome, done.outcome_time
        FROM timed t JOIN cell USING (case_id) LEFT JOIN recipients n ON n.recipient = t.recipient
            LEFT JOIN (VALUES {words}) words (capacity, may) ON words.capacity = t.capacity
            LEFT JOIN engaged USING (case_id)
            LEFT JOIN done ON done.case_id = t.case_id AND done.party = t.recipient
            LEFT JOIN sent ON sent.case_id = t.case_id AND sent.party = t.recipient
        ORDER BY t.case_id, t.deadline NULLS LAST, t.capacity, t.recipient, t.mmsi"""


# ---------------------------------------------------------------------- ports in reach: over water, from the last fix


def ports_in_reach(
    database: duckdb.DuckDBPyConnection, decisions: pa.Table, before: pa.Table, rules: Rules
) -> pa.Table:
    """Table ports_in_reach for the vessels of cases that are assessed or referred.

    database: holds encounters, dark_meetings, vessels and the view fixes. before: what was published last; what it
    says of the same last position is taken from there, since a way by sea takes a third of a second.
    """
    mmsi = _vessels_of_open_cases(database, decisions)
    if not mmsi:
        return before.slice(0, 0)
    kept: dict[int, list[dict[str, object]]] = {}
    for row in before.to_pylist():
        kept.setdefault(row["mmsi"], []).append(row)
    rows: list[dict[str, object]] = []
    for who, time, lon, lat in _last_fixes(database, mmsi):
        known = kept.get(who, [])
        rows += known if known and known[0]["last_time"] == time else _reached(who, time, lon, lat, rules)
    return pa.Table.from_pylist(rows, schema=case_schemas.PORTS_IN_REACH)


def _last_fixes(database: duckdb.DuckDBPyConnection, mmsi: list[int]) -> list[tuple[int, datetime, float, float]]:
    """Where the lake has each vessel last, at most _LAST_D before it was heard last: the lake is behind a watch."""
    query = "SELECT min(last_seen), max(last_seen) FROM vessels WHERE mmsi IN (SELECT unnest(?))"
    first, last = database.execute(query, [mmsi]).fetchall()[0]
    if first is None:
        return []
    who = ", ".join(map(str, mmsi))  # literals, by which files of the lake are passed over
    begin, end = ((time + timedelta(days=days)).isoformat() for time, days in ((first, -_LAST_D), (last, 0)))
    query = f"""SELECT mmsi, max(time), arg_max(lon, (time, lon, lat)), arg_max(lat, (time, lon, lat)) FROM fixes
        WHERE mmsi IN ({who}) AND time BETWEEN TIMESTAMPTZ '{begin}' AND TIMESTAMPTZ '{end}'
            AND invalid_reason IS NULL GROUP BY mmsi ORDER BY mmsi"""
    found: list[tuple[int, datetime, float, float]] = database.execute(query).fetchall()
    return found


def _vessels_of_open_cases(database: duckdb.DuckDBPyConnection, decisions: pa.Table) -> list[int]:
    last = {
        row["case_id"]: row["status"]
        for row in decisions.select(["kind", "case_id", "status"]).to_pylist()
        if row["kind"] == "decision"
    }
    cases = [case for case, status in last.items() if status in OPEN]
    if not cases:
        return []
    query = """SELECT DISTINCT unnest([mmsi_a, mmsi_b]) AS mmsi FROM (
        SELECT id, mmsi_a, mmsi_b FROM encounters UNION ALL SELECT id, mmsi_a, mmsi_b FROM dark_meetings)
        WHERE id IN (SELECT unnest(?)) ORDER BY mmsi"""
    return [row[0] for row in database.execute(query, [cases]).fetchall()]


_LAST_D = 1
_NEAR = 60  # ports by great circle among which the first by sea are looked for


def _reached(mmsi: int, time: datetime, lon: float, lat: float, rules: Rules) -> list[dict[str, object]]:
    """The ports that a vessel can come to first from a place, soonest first."""
    from stswatch.geo.coordinates.sphere import haversine_m
    from stswatch.geo.sea.distance import sea_distance_km  # with it come shapely and the net of the sea

    table, listed = ports(), int(rules.case.ports_listed)
    near = np.argsort(haversine_m(lon, lat, table.lon, table.lat), kind="stable")[:_NEAR]
    way, least = sea_distance_km(lon, lat, table.lon[near], table.lat[near])
    rows = []
    for i in np.argsort(least, kind="stable")[:listed].tolist():
        hours = float(least[i]) * 1000 / M_PER_NM / rules.stays.dark_speed_kn
        rows.append(
            {
                "mmsi": mmsi,
                "last_time": time,
                "last_lon": lon,
                "last_lat": lat,
                "port": str(table.id[near[i]]),
                "country": str(table.country[near[i]]),
                "way_km": round(float(way[i]), 1),
                "way_least_km": round(float(least[i]), 1),
                "earliest_arrival": time + timedelta(hours=hours),
            }
        )
    return rows


def tables(database: duckdb.DuckDBPyConnection, data: Path) -> dict[str, pa.Table]:
    """All tables of cases, from the log of a data folder and what a copy of its last snapshot holds beside it."""
    found = case_tables.given(data)
    before = database.sql("FROM ports_in_reach").to_arrow_table().cast(case_schemas.PORTS_IN_REACH)
    run = database.execute("SELECT rules FROM runs ORDER BY started DESC LIMIT 1").fetchall()
    rules = rule_files.from_json(run[0][0]) if run else Rules()
    return found | {"ports_in_reach": ports_in_reach(database, found["decisions"], before, rules)}
