"""The table of steps: the whole flow, in order. Engines are loops over it and know nothing of ships."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.models.scorecard import Scorecard
from stswatch.pipeline import schema
from stswatch.pipeline.batch import Batch, Ints, Result, Tables, concat, micros
from stswatch.pipeline.meetings import dark, encounter, proximity
from stswatch.pipeline.meetings.encounter import scorecard
from stswatch.pipeline.routes import Route, by_cell, by_mmsi, by_pair, by_party, to_all
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.tracks import coverage, parties, port_calls, reception, vessel
from stswatch.pipeline.tracks.checks.table import STATE as COMPARED
from stswatch.pipeline.tracks.checks.table import compare
from stswatch.pipeline.tracks.fixes import valid

Function = Callable[[Tables, Batch, Rules], Result]


@dataclass(frozen=True)
class Step:
    """One row of the table.

    takes: table -> how its rows find their shards. gives: tables whose rows it returns. state: table -> schema of what
    it keeps. single: one shard does it all (the step is small). card: the scorecard of the step that scores, where it
    is not the default. reads: table of the lake -> the columns that it takes of it.

    keys: the columns of each table it keeps that name whom a row is about; none where it is about nobody. common:
    tables that it keeps besides, about nobody. placed: table that it keeps -> where the longitude and latitude of its
    rows stand; of these a live look needs those near its area.
    unlooked: tables that it keeps and of which a live look needs nothing. version: raised where it decides otherwise
    though no source of it changed, as with another library.
    """

    name: str
    run: Function
    takes: Mapping[str, Route]
    gives: tuple[str, ...]
    state: Mapping[str, pa.Schema] = field(default_factory=dict)
    single: bool = False
    card: Scorecard | None = None
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    common: tuple[str, ...] = ()
    placed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    unlooked: tuple[str, ...] = ()
    version: int = 1

    def __reduce_ex__(self, protocol: object) -> str | tuple[object, ...]:
        """A row of the table is pickled as its name: Beam unpickles what a DoFn holds in every run of it."""
        if any(step is self for step in STEPS):
            return _of_the_table, (self.name,)
        return super().__reduce_ex__(protocol)  # type: ignore[arg-type]

    def shards(self, shards: int) -> int:
        """How many shards the step has when the flow has so many."""
        return 1 if self.single else shards

    def no_state(self) -> Tables:
        """The state before the first slice."""
        return {name: kind.empty_table() for name, kind in self.state.items()}


LAKE_TABLES = ("fixes", "static_reports")
LOST = "lost_spans"  # comes with the lake: what of the sources was damaged

STEPS: tuple[Step, ...] = (
    Step(
        "vessel",
        vessel.vessel,
        takes={"fixes": by_mmsi, "static_reports": by_mmsi, LOST: to_all},
        gives=(
            *("legs", "stays", "gaps", "edges", "static_data", "voyage_data"),
            *("receptions", "reporting", "reporting_places", "ship_hours", "satellite_counts", "vessels"),
            *("identity_changes", "identity_values", "checked_parts", "leaps", "crossings"),
            *("heard_by", "states_sent"),
        ),
        state=vessel.STATE,
        reads=vessel.READS,
        keys=("mmsi",),
        common=("damaged", "stations"),
        unlooked=("heard", "habits", "claims", "samples"),
    ),
    Step(
        "coverage",
        coverage.coverage,
        takes={"receptions": to_all, "reporting": to_all, "reporting_places": to_all},
        gives=("coverage", "outages"),
        state=coverage.STATE,
        single=True,
    ),
    Step(
        "reception",
        reception.reception,
        takes=dict.fromkeys(("gaps", "ship_hours", "satellite_counts", "outages"), to_all),
        gives=("judged_gaps",),
        state=reception.STATE,
        single=True,
        unlooked=("ship_hours", "satellite_counts"),
    ),
    Step(
        "proximity",
        proximity.proximity,
        takes={"legs": by_cell},
        gives=("proximities", "port_pairs"),
        state=proximity.STATE,
        keys=("mmsi",),
        placed={"legs": ("lon0", "lat0")},
    ),
    Step(
        "calls",
        port_calls.calls,
        takes={"stays": by_mmsi, "edges": by_mmsi, "voyage_data": by_mmsi, "judged_gaps": by_mmsi},
        gives=("port_calls", "loitering"),
        state=port_calls.STATE,
        keys=("mmsi",),
        unlooked=tuple(port_calls.STATE),  # calls are told when they are final
    ),
    Step(
        "dark",
        dark.dark,
        takes=dict.fromkeys(("judged_gaps", "loitering", "reporting", "outages"), to_all),
        gives=("dark_meetings",),
        state=dark.STATE,
        single=True,
        unlooked=tuple(dark.STATE),  # a look ahead gives none
    ),
    Step(
        "encounter",
        encounter.encounter,
        takes={"proximities": by_pair, "port_pairs": by_pair},
        gives=("closed_encounters", "port_pair_counts"),
        state=encounter.STATE,
        keys=("mmsi_a", "mmsi_b"),
        placed={"open": ("lon", "lat")},
        unlooked=("berths",),
    ),
    Step(
        "parties",
        parties.parties,
        takes={"closed_encounters": by_party, "edges": by_mmsi, "stays": by_mmsi, "static_data": by_mmsi},
        gives=("parties",),
        state=parties.STATE,
        keys=("mmsi",),
    ),
    Step("judge", encounter.judge, takes={"closed_encounters": by_pair, "parties": by_pair}, gives=("encounters",)),
    Step(
        "compare",
        compare,
        takes=dict.fromkeys(
            ("identity_changes", "checked_parts", "leaps", "crossings", "heard_by", "states_sent"), to_all
        ),
        gives=("identity_events", "track_checks"),
        state=COMPARED,
        single=True,
        unlooked=("leaps", "crossings", "judged"),
    ),
)


def _of_the_table(name: str) -> Step:
    return next(step for step in STEPS if step.name == name)


def scored_by(card: Scorecard, steps: tuple[Step, ...] = STEPS) -> tuple[Step, ...]:
    """The same table with this scorecard in the step that scores."""
    run = partial(encounter.judge, card=card)
    return tuple(replace(step, run=run, card=card) if step.name == "judge" else step for step in steps)


def card_of(steps: Sequence[Step] = STEPS) -> Scorecard:
    """The scorecard by which a table of steps scores."""
    return next((step.card for step in steps if step.card), None) or scorecard()


@dataclass(frozen=True)
class Share:
    """The rows of a table that go to one shard of one step: `count` rows from `first` on of `rows`, which others share.

    Shares of the same `rows` follow each other.
    """

    step: str
    shard: int
    rows: pa.Table
    first: int
    count: int

    def table(self) -> pa.Table:
        """The rows themselves."""
        return self.rows.slice(self.first, self.count)


def shares(table: str, rows: pa.Table, steps: tuple[Step, ...], shards: int, rules: Rules) -> Iterator[Share]:
    """Where the rows of one table go, for every step that takes it."""
    taking: dict[tuple[Route, int], list[str]] = {}
    for step in steps if rows.num_rows else ():
        if route := step.takes.get(table):
            taking.setdefault((to_all if step.single else route, step.shards(shards)), []).append(step.name)
    for (route, n), names in taking.items():
        if n == 1 or route is to_all:
            yield from (Share(name, k, rows, 0, rows.num_rows) for name in names for k in range(n))
            continue
        together, edges = _by_shard(rows, *route(rows, n, rules), n)
        for k in np.flatnonzero(np.diff(edges)).tolist():
            first, end = edges[k : k + 2].tolist()
            yield from (Share(name, k, together, first, end - first) for name in names)


def _by_shard(rows: pa.Table, row: Ints, shard: Ints, n: int) -> tuple[pa.Table, Ints]:
    """These rows, those of each shard together, and where those of each of n shards begin, the last one's end too."""
    edges = np.concatenate([[0], np.cumsum(np.bincount(shard, minlength=n))])
    if len(row) == rows.num_rows and (shard[1:] >= shard[:-1]).all() and (np.diff(row) == 1).all():
        return rows, edges  # as what a step gives of the vessels or pairs of its shard
    order = np.argsort(shard.astype(np.int16), kind="stable")
    return rows.take(pa.array(row[order])).combine_chunks(), edges


def check(steps: tuple[Step, ...]) -> None:
    """Raise ValueError where a step takes what no earlier step and no lake gives, or gives what has no schema."""
    known = {*LAKE_TABLES, LOST}
    for step in steps:
        missing = set(step.takes) - known
        if missing:
            raise ValueError(f"step {step.name} takes {', '.join(sorted(missing))}, which nothing before it gives")
        unread = {table for table in step.takes if table in LAKE_TABLES and not step.reads.get(table)}
        if unread:
            raise ValueError(f"step {step.name} takes {', '.join(sorted(unread))}, of which it reads no column")
        kept = [kind.names for name, kind in step.state.items() if name not in step.common]
        unknown = {key for names in kept for key in step.keys if key not in names}
        if unknown:
            raise ValueError(f"step {step.name} keeps a table without its key {', '.join(sorted(unknown))}")
        nameless = set(step.gives) - set(schema.FLOW)
        if nameless:
            raise ValueError(f"step {step.name} gives {', '.join(sorted(nameless))}, which has no schema")
        known |= set(step.gives)


def stages(steps: Sequence[Step]) -> list[list[Step]]:
    """The steps by how many others they wait for in a row: those of one stage need nothing of each other.

    >>> [[step.name for step in stage] for stage in stages(STEPS)][:2]
    [['vessel'], ['coverage', 'proximity', 'compare']]
    """
    found: list[list[Step]] = []
    at: dict[str, int] = {}  # by table, the stage that gives it
    for step in steps:
        stage = max((at[table] + 1 for table in step.takes if table in at), default=0)
        found += [[] for _ in range(stage + 1 - len(found))]
        found[stage].append(step)
        at.update(dict.fromkeys(step.gives, stage))
    return found


States = Mapping[str, Tables]  # by step


def of_keys(steps: Sequence[Step], states: States, wanted: Ints) -> dict[str, Tables]:
    """The same states as if there were only these keys, (n,): rows about several are those of which all are wanted."""
    keys, found = pa.array(wanted, pa.int32()), {}
    for step in steps:
        found[step.name] = dict(states[step.name])
        for name in states[step.name].keys() - step.common if step.keys else ():
            rows = states[step.name][name]
            keep = reduce(pc.and_, (pc.is_in(rows[key], value_set=keys) for key in step.keys))
            found[step.name][name] = rows.filter(keep).combine_chunks()
    return found


def look_ahead(steps: Sequence[Step], states: States, lake: Tables, watermark_us: int, rules: Rules) -> Tables:
    """The rows of every table that the steps give for these states and rows of the lake, the data ending there.

    One shard, one step after the other; steps change nothing that they are given, so the states serve again.
    """
    rows = dict(lake)
    for step in steps:
        taken = {table: rows[table] for table in step.takes if table in rows}
        rows.update(step.run(states[step.name], Batch(taken, watermark_us, final=True, provisional=True), rules).rows)
    return {name: table for name, table in rows.items() if name not in lake}


@dataclass
class InMemory:
    """The plainest engine: every step and shard in this process, state in memory. For small inputs and for tests."""

    rules: Rules = field(default_factory=Rules)
    shards: int = 1
    steps: tuple[Step, ...] = STEPS
    _states: dict[tuple[str, int], Tables] = field(default_factory=dict)

    def slice(self, lake: Tables, watermark_us: int, final: bool = False) -> Tables:
        """Run one slice over the table; gives the rows of every table of the flow."""
        waiting: dict[tuple[str, int], dict[str, list[pa.Table]]] = {}
        given: dict[str, list[pa.Table]] = {}

        def send(table: str, rows: pa.Table) -> None:
            for share in shares(table, rows, self.steps, self.shards, self.rules):
                waiting.setdefault((share.step, share.shard), {}).setdefault(table, []).append(share.table())

        for table, rows in lake.items():
            send(table, rows)
        for step in self.steps:
            n = step.shards(self.shards)
            for shard in range(n):
                parts = waiting.pop((step.name, shard), {})
                tables = {name: concat(list_, list_[0].schema) for name, list_ in parts.items()}
                state = self._states.get((step.name, shard)) or step.no_state()
                result = step.run(state, Batch(tables, watermark_us, final, shard, n), self.rules)
                self._states[step.name, shard] = result.state
                for name, rows in result.rows.items():
                    given.setdefault(name, []).append(rows)
                    send(name, rows)
        return {name: concat(list_, list_[0].schema) for name, list_ in given.items()}


def at_once(fixes: pa.Table, static_reports: pa.Table, rules: Rules, steps: tuple[Step, ...] = STEPS) -> Tables:
    """Every table of the flow for data in memory, as one last slice; none where no fix is valid.

    fixes, static_reports: of the lake, see schema.LAKE.
    """
    used = valid(fixes)
    if used.num_rows == 0:
        return {}
    lake = {"fixes": fixes, "static_reports": static_reports}
    return InMemory(rules, steps=steps).slice(lake, int(np.max(micros(used, "time"))), final=True)
