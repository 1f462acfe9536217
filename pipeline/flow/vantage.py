"""From where a watch looks: the states after the last sealed hour, and what was heard since."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.zones import Area
from stswatch.pipeline import schema
from stswatch.pipeline.batch import Bools, Ints, Tables, concat, micros
from stswatch.pipeline.flow import standing
from stswatch.pipeline.flow.committed import Committed
from stswatch.pipeline.flow.live import Peek
from stswatch.pipeline.flow.recent import Recent
from stswatch.pipeline.flow.standing import States
from stswatch.pipeline.flow.vicinity import Vicinity
from stswatch.pipeline.rules import Rules, minutes
from stswatch.pipeline.steps import STEPS, Step
from stswatch.pipeline.store.revisions import RUNNING


class Vantage:
    """Says what stands so far in and near an area, for as long as a watch lasts."""

    def __init__(self, data: Path, rules: Rules, area: Area, allowance_us: int, steps: Sequence[Step] = STEPS) -> None:
        self._data = data
        self._rules, self._steps, self._vicinity = rules, tuple(steps), Vicinity.of(area, rules.vessel)
        self._peek = Peek(self._steps, rules)
        self.recent = Recent(self._vicinity, rules.vessel.slow_kn, allowance_us)
        self._near, self._others, self._slow = self._split(standing.none_yet(self._steps))

    def move_to(self, until_us: int, last: Committed | None, shards: int) -> None:
        """Look from the end of an hour that is sealed now; last: the slice with the states after it.

        Raises OSError where one of them is gone; then it looks from where it did.
        """
        states = (
            standing.none_yet(self._steps) if last is None else standing.after(self._data, last, self._steps, shards)
        )
        self._near, self._others, self._slow = self._split(states)
        self.recent.sealed(until_us)

    def look(self, arrival_us: int) -> tuple[pa.Table, pa.Table]:
        """What stands if the data end at this arrival: encounters with RUNNING, and schema.VESSELS."""
        self.recent.pass_to(arrival_us)
        vessels, fixes, reports = self.recent.of(self._slow)
        if not len(vessels):
            return schema.empty("encounters").append_column(RUNNING, pa.array([], pa.bool_())), schema.empty("vessels")
        of_them = standing.of_vessels(self._others, vessels)
        states = {step: self._near[step] | tables for step, tables in of_them.items()}
        # one fix a minute is not what the lake holds: they go in where fixes wait for their half hour to end
        states["vessel"] |= {"pending": concat([states["vessel"]["pending"], fixes], fixes.schema)}
        found = self._peek.at(states, {"static_reports": reports}, arrival_us)
        rows = found.get("encounters", schema.empty("encounters"))
        since_us = arrival_us - minutes(self._rules.encounter.join_min)
        running = pa.array(micros(rows, "end_time") >= since_us)
        return rows.append_column(RUNNING, running), found.get("vessels", schema.empty("vessels"))

    def _split(self, states: States) -> tuple[States, States, Ints]:
        """Of the states what lies near the area; what is of all vessels; those of them that may be meeting another."""
        near: dict[str, Tables] = {step: {} for step in states}
        others = {step: dict(tables) for step, tables in states.items()}
        slow = [np.zeros(0, np.int64)]
        for step, name, lon, lat in _PLACED:
            if (rows := others.get(step, {}).pop(name, None)) is not None:
                near[step][name] = rows = rows.filter(pa.array(self._holds(rows, lon, lat))).combine_chunks()
                slow += [np.asarray(rows[c]) for c in ("mmsi", "mmsi_a", "mmsi_b") if c in rows.column_names]
        for step, name in _UNTOLD:
            if (rows := others.get(step, {}).get(name)) is not None:
                others[step][name] = rows.schema.empty_table()
        if (tracks := others.get("vessel", {}).get("tracks")) is not None:  # those of which the next leg may be slow
            last = tracks.filter(pc.invert(tracks["silent"]))
            fast = np.asarray(last["sog_kn"]) >= self._rules.vessel.slow_kn
            slow.append(np.asarray(last["mmsi"])[self._holds(last, "lon", "lat") & ~fast])
        return near, others, np.unique(np.concatenate(slow)).astype(np.int64)

    def _holds(self, rows: pa.Table, lon: str, lat: str) -> Bools:
        return self._vicinity.holds(np.asarray(rows[lon]), np.asarray(rows[lat]))


# what of the states tells where a vessel was slow: step, table, where its longitude and latitude stand
_PLACED = (("proximity", "legs", "lon0", "lat0"), ("encounter", "open", "lon", "lat"))
# what only counts that a look does not give
_UNTOLD = (("vessel", "heard"), ("encounter", "berths"))
