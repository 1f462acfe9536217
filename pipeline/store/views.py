"""The views beside encounters: voyages from call to call, the history of vessels, groups and chains of meetings.

Law: a row is a function of the meetings that hold and of the tables beside them. Groups and chains are named by their
meetings, never by the order of rows; what comes later adds to them. What lies round each meeting: encounter_context.py.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.rules import ContextRules, DarkRules, Rules, days, hours
from stswatch.pipeline.schema import column
from stswatch.pipeline.store import across_vessels, ddl, encounter_context
from stswatch.pipeline.store.revisions import LIVING

VOYAGES, HISTORY, GROUPS, CHAINS = "voyages", "vessel_history", "meeting_groups", "transfer_chains"
DARK_LEADS, DARK_ABSENCES, CURRENT_EVENTS = "dark_leads", "dark_absences", "current_events"
_CURRENT = "The events of event_revisions that hold: one for each row that it follows, by subject and start."


def schemas() -> dict[str, pa.Schema]:
    """View -> its schema."""
    return {
        VOYAGES: voyage_schema(),
        HISTORY: history_schema(),
        CURRENT_EVENTS: schema.STORED["event_revisions"].with_metadata({"meaning": _CURRENT}),
        encounter_context.CONTEXT: encounter_context.context_schema(),
        GROUPS: group_schema(),
        CHAINS: chain_schema(),
        DARK_LEADS: dark_lead_schema(),
        DARK_ABSENCES: dark_absence_schema(),
        across_vessels.MASS_MEMBERS: across_vessels.member_schema(),
        across_vessels.MASS_SILENCES: across_vessels.mass_schema(),
    }


def queries(rules: Rules) -> dict[str, str]:
    """View -> the query for all of its rows."""
    return {
        VOYAGES: _VOYAGES,
        HISTORY: _history(),
        CURRENT_EVENTS: "SELECT * FROM event_revisions WHERE status = 'current'",
        encounter_context.CONTEXT: encounter_context.context_query(rules.context),
        GROUPS: group_query(),
        CHAINS: chain_query(rules.context),
        DARK_ABSENCES: dark_absence_query(rules),
        across_vessels.MASS_MEMBERS: across_vessels.members(rules),
        across_vessels.MASS_SILENCES: across_vessels.mass(rules),
    }


# ------------------------------------------------------------------ what a vessel did over time


def voyage_schema() -> pa.Schema:
    """The columns of view voyages, with what the view holds."""
    calls = schema.STORED["port_calls"]
    return schema.table(
        "What lies between two calls of one vessel that were heard, one after the other.",
        calls.field("mmsi"),
        column("from_port", pa.string(), "port id of the call before"),
        column("to_port", pa.string(), "port id of the call after"),
        column("departure", schema.UTC, "departure from the one"),
        column("arrival", schema.UTC, "arrival at the other"),
        *(calls.field(name) for name in ("destination_after", "destination_before")),
        *(calls.field(name) for name in ("draught_m_after", "draught_m_before")),
        column("gaps", pa.int64(), "silences that begin or end between the two"),
        column("silent_h", pa.float64(), "hours of them that are known, within the voyage", unit="h"),
        column(
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
        column("start_time", schema.UTC, "when it began"),
        column("end_time", schema.UTC, "when it ended", null=True),
        column("kind", pa.string(), "port_call, encounter, gap or loitering"),
        column("what", pa.string(), "how a call was shown, kind of a meeting, judgement of a gap", null=True),
        column("place", pa.string(), "the port of a call; of the others the nearest, where it is known", null=True),
        column("id", pa.string(), "id of the encounter", null=True),
        column("other_mmsi", pa.int32(), "the other vessel of an encounter", null=True),
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


_HOLDS = f"kind = 'lit' AND status IN {LIVING}"  # what was measured, and neither superseded nor retracted


# ------------------------------------------------------------------------------------- three hulls and more at a time


def group_schema() -> pa.Schema:
    """The columns of view meeting_groups, with what the view holds."""
    return schema.table(
        "Three hulls and more together: meetings, lit, that hold, of which each shares a track with another one while "
        "both last. Not all of them need have been there at one time.",
        column("group_id", pa.string(), "G, then what follows the E in the id of the member that began first"),
        column("meetings", pa.int64(), "members"),
        column(
            "hulls",
            pa.int64(),
            "numbers among them, less each that lay with a smaller one as one hull would (possibly_one_hull)",
        ),
        column("start_time", schema.UTC, "start of the first member"),
        column("end_time", schema.UTC, "end of the last member"),
        column("members", pa.list_(pa.string()), "ids of the encounters in order of their start"),
        column("mmsi", pa.list_(pa.int32()), "the numbers among them, in order"),
    )


def group_query() -> str:
    """The query for all rows of view meeting_groups.

    A run is meetings of one track of which each begins before those before it have all ended; a meeting joins a run of
    each of its two tracks. Runs are numbered by their first meetings, and of those that are joined all take the least
    number: in each turn a run hands on what the run that it takes its number from has, so that turns are few.
    """
    return f"""WITH RECURSIVE meetings AS MATERIALIZED (
            SELECT row_number() OVER (ORDER BY start_time, id) AS n, * FROM encounters WHERE {_HOLDS}),
        sides AS (SELECT n, track_a AS track, start_time AS s, end_time AS e FROM meetings
            UNION ALL SELECT n, track_b, start_time, end_time FROM meetings),
        apart AS (SELECT *, coalesce(s >= max(e) OVER (PARTITION BY track ORDER BY n
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), true) AS begins FROM sides),
        runs AS (SELECT n, track, sum(begins::INT) OVER (PARTITION BY track ORDER BY n
            ROWS UNBOUNDED PRECEDING) AS run FROM apart),
        sized AS (SELECT n, track, min(n) OVER own AS first, count(*) OVER own AS size FROM runs
            WINDOW own AS (PARTITION BY track, run)),
        named AS (SELECT n, size, dense_rank() OVER (ORDER BY first, track) AS run FROM sized),
        joins AS MATERIALIZED (SELECT n, min(run) AS one, max(run) AS other FROM named GROUP BY n HAVING max(size) > 1),
        ways AS MATERIALIZED (SELECT one, other FROM joins UNION SELECT other, one FROM joins),
        reached(run, first) USING KEY (run) AS (
            SELECT DISTINCT one, one FROM ways
            UNION
            SELECT ways.other, min(further.first) FROM reached JOIN ways ON ways.one = reached.run
                JOIN recurring.reached AS further ON further.run = reached.first
                JOIN recurring.reached AS known ON known.run = ways.other
            GROUP BY ways.other HAVING min(further.first) < min(known.first)),
        members AS MATERIALIZED (SELECT reached.first, meetings.* FROM joins JOIN reached ON reached.run = joins.one
            JOIN meetings USING (n)),
        vessels AS (SELECT first, mmsi, bool_or(double) AS double FROM (
                SELECT first, mmsi_a AS mmsi, possibly_one_hull AND mmsi_a > mmsi_b AS double FROM members
                UNION ALL SELECT first, mmsi_b, possibly_one_hull AND mmsi_b > mmsi_a FROM members)
            GROUP BY first, mmsi),
        hulls AS (SELECT first, count(*) FILTER (NOT double) AS hulls, list(mmsi ORDER BY mmsi) AS mmsi
            FROM vessels GROUP BY first HAVING hulls > 2)
        SELECT group_id, meetings, hulls, start_time, end_time, members, mmsi FROM (
                SELECT first, 'G' || substr(arg_min(id, n), 2) AS group_id, count(*) AS meetings,
                    min(start_time) AS start_time, max(end_time) AS end_time, list(id ORDER BY n) AS members
                FROM members GROUP BY first)
            JOIN hulls USING (first) ORDER BY start_time, group_id"""


# --------------------------------------------------------------------------------------- from one meeting to the next


def chain_schema() -> pa.Schema:
    """The columns of view transfer_chains, with what the view holds."""
    calls = schema.STORED["port_calls"]
    return schema.table(
        "One vessel met another and within context.chain_d a third: two meetings, lit, that hold, one after the other. "
        "It says in which order they met, and where two of them called then; not that anything was handed on.",
        column("first_id", pa.string(), "id of the first meeting"),
        column("second_id", pa.string(), "id of the second meeting"),
        column("from_mmsi", pa.int32(), "who was met first"),
        column("via_mmsi", pa.int32(), "who was in both meetings"),
        column("to_mmsi", pa.int32(), "who was met then; not one that lay with the first as one hull would"),
        column("start_time", schema.UTC, "start of the first meeting"),
        column("end_time", schema.UTC, "end of the second meeting"),
        column("between_d", pa.float64(), "from the end of the first to the start of the second", unit="d"),
        column("meetings_between", pa.int64(), "its other meetings that began between the two; 0: these two in a row"),
        column("same_track", pa.bool_(), "it was on one track in both; where not, another hull may use its number"),
        *(
            column(
                f"{who}_{name}",
                calls.field(of).type,
                f"{what} the next call, heard, of {who}_mmsi within context.after_d after the second meeting",
                null=True,
            )
            for who in ("via", "to")
            for name, of, what in (
                ("port", "port", "port id of"),
                ("port_trade", "trade", "whether a port of the DPRK or of its trade is that of"),
                ("arrival", "arrival", "arrival at"),
            )
        ),
    )


def chain_query(rules: ContextRules) -> str:
    """The query for all rows of view transfer_chains."""
    chain, after = (f"to_microseconds({days(length_d)})" for length_d in (rules.chain_d, rules.after_d))
    names = {"port": "port", "port_trade": "trade", "arrival": "arrival"}
    calls = ", ".join(f"{who}_call.c.{of} AS {who}_{name}" for who in ("via", "to") for name, of in names.items())
    return f"""WITH meetings AS (FROM encounters WHERE {_HOLDS}),
        sides AS MATERIALIZED (SELECT *, row_number() OVER (PARTITION BY mmsi ORDER BY s, e, id) AS place FROM (
            SELECT id, mmsi_a AS mmsi, mmsi_b AS other, track_a AS track, start_time AS s, end_time AS e
                FROM meetings WHERE NOT possibly_one_hull
            UNION ALL SELECT id, mmsi_b, mmsi_a, track_b, start_time, end_time
                FROM meetings WHERE NOT possibly_one_hull)),
        one_hull AS MATERIALIZED (SELECT DISTINCT least(mmsi_a, mmsi_b) AS low, greatest(mmsi_a, mmsi_b) AS high
            FROM meetings WHERE possibly_one_hull),
        pairs AS (SELECT f.id AS first_id, t.id AS second_id, f.other AS from_mmsi, f.mmsi AS via_mmsi,
                t.other AS to_mmsi, f.s AS start_time, t.e AS end_time, (epoch_us(t.s) - epoch_us(f.e)) / 86.4e9
                AS between_d, t.place - f.place - 1 AS meetings_between, f.track = t.track AS same_track
            FROM sides f JOIN sides t ON f.mmsi = t.mmsi AND t.other <> f.other
            AND t.s >= f.e AND t.s <= f.e + {chain}),
        calls AS MATERIALIZED (SELECT p.id, p.mmsi, arg_min(c, (arrival, departure, port)) AS c
            FROM sides p JOIN (FROM port_calls WHERE shown <> 'dark_possible') c ON c.mmsi = p.mmsi
            AND departure >= e AND arrival <= e + {after} GROUP BY p.id, p.mmsi)
        SELECT pairs.*, {calls} FROM pairs
            ANTI JOIN one_hull ON low = least(from_mmsi, to_mmsi) AND high = greatest(from_mmsi, to_mmsi)
            LEFT JOIN calls via_call ON via_call.id = second_id AND via_call.mmsi = via_mmsi
            LEFT JOIN calls to_call ON to_call.id = second_id AND to_call.mmsi = to_mmsi
        ORDER BY start_time, first_id, end_time, second_id, via_mmsi"""


# ------------------------------------------------------------------ meetings in the dark for which something speaks


def dark_lead_schema() -> pa.Schema:
    """The columns of view dark_leads, with what the view holds."""
    return schema.table(
        "Dark meetings that are leads, best score first: those with `lead`, and of two silences (both_dark) those that "
        "are as rare by accident (dark.lead_chance), not impossible by sea, have no common cause, and for which "
        "something else speaks.",
        *schema.STORED["dark_meetings"],
        column(
            "indicators",
            pa.list_(pa.string()),
            "what speaks for it beside the silences, within dark.indicator_d: identity (an event about one of the two "
            "that is no candidate), track_check (one of its positions is doubted, no interference), observation",
        ),
    )


def dark_lead_query(rules: DarkRules, observed: str = "case_observations") -> str:
    """The query for all rows of view dark_leads; observed: the view of observations beside events."""
    near = f"to_microseconds({days(rules.indicator_d)})"
    moments = "start_time, gap_start_a, gap_start_b, gap_end_a, gap_end_b"  # those that are null are passed over
    first, last = (f"{end}({moments})" for end in ("least", "greatest"))
    return f"""WITH spans AS (SELECT *, {first} - {near} AS since, {last} + {near} AS upto FROM dark_meetings),
        speaks AS (
            SELECT d.id, 'identity' AS indicator FROM spans d JOIN identity_events i
                ON (i.mmsi IN (d.mmsi_a, d.mmsi_b) OR i.other_mmsi IN (d.mmsi_a, d.mmsi_b))
                AND NOT i.candidate AND i.first_time <= d.upto AND i.last_time >= d.since
            UNION SELECT d.id, 'track_check' FROM spans d JOIN track_checks t ON t.mmsi IN (d.mmsi_a, d.mmsi_b)
                AND NOT t.interference AND t.start_time <= d.upto AND t.end_time >= d.since
            UNION SELECT case_id, 'observation' FROM {observed} WHERE independent_indicator),
        indicated AS (SELECT id, list(indicator ORDER BY indicator) AS indicators FROM speaks GROUP BY id)
        SELECT d.* EXCLUDE (since, upto), coalesce(s.indicators, [])::VARCHAR[] AS indicators
        FROM spans d LEFT JOIN indicated s USING (id)
        WHERE d.lead OR d.kind = 'both_dark' AND s.indicators IS NOT NULL
            AND d.chance_by_accident <= {rules.lead_chance!r} AND d.lost_together < {rules.together_least!r}
            AND d.outage_share <= {rules.outage_share!r} AND d.over_water IS NOT false
        ORDER BY d.score DESC NULLS LAST, d.start_time, d.id"""


def dark_leads_of(given: Mapping[str, pa.Table], rules: DarkRules) -> list[str]:
    """The ids of view dark_leads among tables in memory, by the names of the flow; without observations."""
    with encounter_context.of_flow(given) as db:
        db.execute("CREATE VIEW dark_meetings AS FROM part_dark_meetings")
        for name, query in (("identity_events", across_vessels.events), ("track_checks", across_vessels.checks)):
            db.execute(f"CREATE TABLE {name} AS {query(name, schema.TABLES)}")
        db.execute("CREATE TABLE nothing (case_id VARCHAR, independent_indicator BOOLEAN)")
        return [row[0] for row in db.sql(f"SELECT id FROM ({dark_lead_query(rules, 'nothing')})").fetchall()]


# ----------------------------------------------------------- who waited while another number was away for 7 to 30 days


def dark_absence_schema() -> pa.Schema:
    """The columns of view dark_absences, with what the view holds."""
    waits, absences = schema.STORED["loitering"], schema.STORED["long_absences"]
    return schema.table(
        "Long absences of up to dark.absence_d, and of the waits that each left time for the nearest: candidates, "
        "never leads, since who is away so long can have been nearly anywhere. On straight ways, at dark_speed_kn.",
        column("mmsi_a", pa.int32(), "who loitered"),
        column("start_time", schema.UTC, "the earliest that both can have been there"),
        column("end_time", schema.UTC, "the latest"),
        column("stay_h", pa.float64(), "between the two, dark.stay_h at least", unit="h"),
        *(waits.field(name) for name in ("lon", "lat", "zones", "port")),
        column("mmsi_b", pa.int32(), "the number that was away"),
        column("absent_from", schema.UTC, "its last fix before"),
        column("absent_until", schema.UTC, "its first fix after"),
        absences.field("days"),
        column("come_km", pa.float64(), "from its last fix before to the wait, on the sphere", unit="km"),
        column("go_km", pa.float64(), "from the wait to its first fix after", unit="km"),
        column("waits", pa.int64(), "waits of others that the absence left time for"),
        column("rivals", pa.int64(), "other absences that left time for this wait"),
        column("as_near", pa.int64(), "those of them that begin and end nearer to it, in place and time"),
        column(
            "chance_by_accident",
            pa.float64(),
            "1 - exp(-(as_near + 0.5)): others of the same weeks stand for other days, which overlap; 0.39 at least",
        ),
        column("score", pa.float64(), "its log-odds, the other way round, as of dark_meetings", unit="log-odds"),
    )


def dark_absence_query(rules: Rules) -> str:
    """The query for all rows of view dark_absences."""
    own, kmh = rules.dark, rules.stays.dark_speed_kn * M_PER_NM / 1000
    ways = [ddl.haversine_km(("w.lon", "w.lat"), (f"a.lon{k}", f"a.lat{k}")) for k in (0, 1)]
    come_km, go_km = (f"greatest({each} - w.drift_km / 2, 0)" for each in ways)
    ends = (("come_km", "w.start_time", "absent_from"), ("go_km", "w.end_time", "absent_until"))
    far = " + ".join(
        f"ln(1 + {km} / {own.near_km!r}) + ln(1 + abs(epoch_us({one}) - epoch_us({other})) / {hours(own.near_h)})"
        for km, one, other in ends
    )
    come, go = (f"to_microseconds(({each} * {HOUR} / {kmh!r})::BIGINT)" for each in ("come_km", "go_km"))
    return f"""WITH pairs AS (SELECT w AS w, a.mmsi, a.start_time AS absent_from, a.end_time AS absent_until, a.days,
                {come_km} AS come_km, {go_km} AS go_km
            FROM long_absences a JOIN loitering w ON w.mmsi <> a.mmsi AND w.start_time < a.end_time
                AND w.end_time > a.start_time WHERE a.days <= {own.absence_d!r}),
        fits AS (SELECT *, greatest(w.start_time, absent_from + {come}) AS start_time,
                least(w.end_time, absent_until - {go}) AS end_time, {far} AS far FROM pairs
            WHERE epoch_us(end_time) - epoch_us(start_time) >= {hours(own.stay_h)}),
        ranked AS (SELECT *, count(*) OVER (PARTITION BY w.mmsi, w.start_time) - 1 AS rivals,
                rank() OVER (PARTITION BY w.mmsi, w.start_time ORDER BY far) - 1 AS as_near,
                count(*) OVER (PARTITION BY mmsi, absent_from) AS waits,
                row_number() OVER (PARTITION BY mmsi, absent_from ORDER BY far, w.start_time, w.mmsi) AS nearest
            FROM fits)
        SELECT w.mmsi AS mmsi_a, start_time, end_time, (epoch_us(end_time) - epoch_us(start_time)) / {HOUR}.0 AS stay_h,
            w.lon AS lon, w.lat AS lat, w.zones AS zones, w.port AS port, mmsi AS mmsi_b, absent_from, absent_until,
            days, come_km, go_km, waits, rivals, as_near, 1 - exp(-as_near - 0.5) AS chance_by_accident,
            -as_near - 0.5 - ln(1 - exp(-as_near - 0.5)) AS score
        FROM ranked WHERE nearest = 1 ORDER BY score DESC, far, absent_from, mmsi_b"""
