"""Provisional events: what was heard since the last final hour, near the area asked for, through the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from stswatch.geo.coordinates.sphere import wrap_lon
from stswatch.geo.reference.zones import Area
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    MINUTE,
    Bools,
    Column,
    Floats,
    Ints,
    Tables,
    build,
    concat,
    micros,
    ordered,
    starts_of,
)
from stswatch.pipeline.flow import slices
from stswatch.pipeline.flow.late_data import SOON_US
from stswatch.pipeline.flow.slices import Committed
from stswatch.pipeline.meetings.fitting import approaching
from stswatch.pipeline.rules import Rules, days, minutes
from stswatch.pipeline.schema import RECEIVERS, UNKNOWN
from stswatch.pipeline.steps import STEPS, States, Step, look_ahead, of_keys
from stswatch.pipeline.store.revisions import RUNNING
from stswatch.pipeline.track_rules import VesselRules
from stswatch.pipeline.tracks.fixes import PENDING, used, valid
from stswatch.pipeline.tracks.identity import TRACKS
from stswatch.pipeline.tracks.legs import threshold
from stswatch.pipeline.tracks.stays import loitering

# ----------------------------------------------------------------------------------------------------------------
# What lies in or near the area asked for: where a watch says at once what stands so far. Elsewhere it waits an hour
# A box round each part of the area, so that asking costs little; grown by as far as a slow vessel can have come on one
# leg, so that no leg of a meeting inside is left out.

_NM_PER_DEG = 60.0


@dataclass(frozen=True)
class AreaFilter:
    """Boxes, degrees (n, 4): longitude of the middle, half the width, south, north; None for the whole world."""

    boxes: Floats | None

    def holds(self, lon: Floats, lat: Floats) -> Bools:
        """Whether points (n,), degrees, lie in one of the boxes; never raises.

        >>> from stswatch.geo.reference.zones import area
        >>> near = AreaFilter.of(area("dprk"), VesselRules())
        >>> near.holds(np.array([124.8, -90.0]), np.array([38.4, 28.0])).tolist()
        [True, False]
        """
        if self.boxes is None:
            return np.ones(len(lon), bool)
        found = np.zeros(len(lon), bool)
        for middle, half, south, north in self.boxes.tolist():
            found |= (np.abs(wrap_lon(lon - middle)) <= half) & (lat >= south) & (lat <= north)
        return found

    @staticmethod
    def of(area: Area, rules: VesselRules) -> AreaFilter:
        """The area filter of an area: as far round it as a leg of slow_kn goes in the longest gap that is none."""
        if area.geometry is None:
            return AreaFilter(None)
        west, south, east, north = shapely.bounds(shapely.get_parts(area.geometry)).T
        margin = rules.slow_kn * max(rules.gap_terrestrial_h, rules.gap_satellite_h) / _NM_PER_DEG + 0.05
        south, north = south - margin, north + margin
        poleward = np.minimum(np.maximum(np.abs(south), np.abs(north)), 89.0)
        half = (east - west) / 2 + margin / np.cos(np.radians(poleward))
        return AreaFilter(np.stack([(west + east) / 2, half, south, north], axis=1))


# --------- what was heard since the last final hour, in memory: of each vessel one fix a UTC minute, and its newest
# Enough to say what stands so far; the rest lies on the disk. Vessels are numbered as they come, so that those
# that matter are picked from millions of rows with one look-up.

_ASIDE_AT_MOST = 200_000  # fixes of clocks that run ahead; more are in the lake alone
_READ = (
    *("mmsi", "time", "imo", "name", "call_sign", "ship_type", "length_m", "beam_m", "draught_m", "destination"),
    "invalid_reason",
)
_WHICH = ("name", "ship_type", "imo")  # messages that say different things have different ones of these


_COLUMNS = tuple(name for name in PENDING.names if name not in ("mmsi", "time"))


@dataclass(frozen=True)
class RecentFixes:
    """Fixes, (n,) each, sorted by vessel: the number of the vessel, microseconds, and the other columns of PENDING."""

    vessel: Ints
    time_us: Ints
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.vessel)

    def at(self, rows: Ints | Bools) -> RecentFixes:
        """Some of the rows."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return RecentFixes(self.vessel[rows], self.time_us[rows], columns)

    def first(self) -> RecentFixes:
        """The earliest row of each vessel; of equal ones any."""
        return self._one_each(self.time_us)

    def newest(self) -> RecentFixes:
        """The latest row of each vessel; of equal ones any."""
        return self._one_each(-self.time_us)

    def _one_each(self, rank: Ints) -> RecentFixes:
        order = ordered(self.vessel, rank)
        return self.at(order[starts_of(self.vessel[order])])

    @staticmethod
    def of(fixes: pa.Table, vessel: Ints) -> RecentFixes:
        """From rows of PENDING and the numbers of their vessels."""
        return RecentFixes(vessel, micros(fixes, "time"), {name: np.asarray(fixes[name]) for name in _COLUMNS})

    @staticmethod
    def together(parts: Sequence[RecentFixes]) -> RecentFixes:
        """All rows of all parts."""
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in _COLUMNS}
        return RecentFixes(
            np.concatenate([part.vessel for part in parts]), np.concatenate([part.time_us for part in parts]), columns
        )


_NONE = RecentFixes.of(PENDING.empty_table(), np.zeros(0, np.int64))


class Recent:
    """Fixes and static reports of the hours that are not finalized.

    area filter: where vessels matter; slow_kn: below which a vessel may be meeting another; allowed_lateness_us: how
    far ahead of the arrival clock a fix may be.
    """

    def __init__(self, area_filter: AreaFilter, slow_kn: float, allowed_lateness_us: int) -> None:
        self._area_filter, self._slow_kn, self._allowed_lateness_us = area_filter, slow_kn, allowed_lateness_us
        self._since_us = -(1 << 62)
        self._mmsi = np.zeros(0, np.int64)  # sorted, and the number of each
        self._number = np.zeros(0, np.int64)
        self._matters = np.zeros(0, bool)  # by number: was slow near the area since the last finalized hour
        self._minutes: dict[int, RecentFixes] = {}
        self._newest = _NONE
        self._aside: list[pa.Table] = []
        self._reports = schema.empty("static_reports").select(_READ)

    @property
    def vessels(self) -> int:
        """How many vessels were heard."""
        return len(self._newest)

    def newest(self) -> tuple[Ints, RecentFixes]:
        """The last fix of each vessel that was heard, and its MMSI, (n,)."""
        return self._by_number()[self._newest.vessel], self._newest

    def add(self, fixes: pa.Table, reports: pa.Table, receiver: str, arrival_us: int) -> int:
        """Take in rows of the lake that came by then; gives how many fixes wait for their time.

        receiver: of fixes that do not say. What is of hours that are finalized, or more than a day late, is left to a
        later finalizing.
        """
        given = valid(fixes)
        if receiver != "unknown":
            kind = pc.if_else(pc.equal(given["receiver"], UNKNOWN), RECEIVERS.index(receiver), given["receiver"])
            given = given.set_column(given.column_names.index("receiver"), "receiver", kind.cast(pa.int8()))
        recent = (
            used(reports).select(_READ).filter(pa.array(micros(reports, "time") >= self._not_before_us(arrival_us)))
        )
        self._reports = _latest(concat([self._reports, recent], self._reports.schema))
        return self._take(given, arrival_us)

    def pass_to(self, arrival_us: int) -> None:
        """Take in what waited for this time."""
        waiting, self._aside = self._aside, []
        for rows in waiting:
            self._take(rows, arrival_us)

    def finalized(self, until_us: int) -> None:
        """Forget what lies before a time: it is finalized."""
        self._since_us = until_us
        self._minutes = {minute: rows for minute, rows in self._minutes.items() if minute * MINUTE >= until_us}
        self._newest = self._newest.at(self._newest.time_us >= until_us)
        kept = np.asarray(micros(self._reports, "time") >= until_us)
        self._reports = self._reports.filter(pa.array(kept)).combine_chunks()
        self._renumber()

    def of(self, also: Ints) -> tuple[Ints, pa.Table, pa.Table]:
        """The vessels that matter and these, (n,) MMSI; their fixes, PENDING; their static reports."""
        self._numbers(also)  # first, since it may make room for more
        wanted = self._matters.copy()
        wanted[self._numbers(also)] = True
        rows = RecentFixes.together([_NONE, *(rows.at(wanted[rows.vessel]) for rows in self._all())])
        mmsi = self._by_number()
        fixes = build(PENDING, {"mmsi": mmsi[rows.vessel], "time": rows.time_us, **rows.columns})
        chosen = mmsi[wanted]
        about = pc.is_in(self._reports["mmsi"], value_set=pa.array(chosen, pa.int32()))
        return chosen, fixes, self._reports.filter(about).combine_chunks()

    def _all(self) -> list[RecentFixes]:
        return [*self._minutes.values(), self._newest]

    def _by_number(self) -> Ints:
        mmsi = np.empty(len(self._mmsi), np.int64)
        mmsi[self._number] = self._mmsi
        return mmsi

    def _take(self, given: pa.Table, arrival_us: int) -> int:
        time_us = micros(given, "time")
        late, ahead = time_us < self._not_before_us(arrival_us), time_us > arrival_us + self._allowed_lateness_us
        if ahead.any():
            room = _ASIDE_AT_MOST - sum(rows.num_rows for rows in self._aside)
            self._aside.append(given.filter(pa.array(ahead)).slice(0, max(room, 0)))
        if late.any() or ahead.any():
            given = given.filter(pa.array(~late & ~ahead))
        if given.num_rows:
            self._keep(given)
        return int(ahead.sum())

    def _not_before_us(self, arrival_us: int) -> int:
        return max(self._since_us, arrival_us - SOON_US)

    def _keep(self, given: pa.Table) -> None:
        new = RecentFixes.of(given, self._numbers(np.asarray(given["mmsi"]).astype(np.int64)))
        self._mark(new)
        minute = new.time_us // MINUTE
        for number in np.unique(minute).tolist():
            before = self._minutes.get(number, _NONE)
            self._minutes[number] = RecentFixes.together([before, new.at(minute == number)]).first()
        self._newest = RecentFixes.together([self._newest, new.newest()]).newest()

    def _mark(self, rows: RecentFixes) -> None:
        """Note which vessels matter: slow, or of a speed that nobody knows, near the area."""
        slow = ~(rows.columns["sog_kn"] >= self._slow_kn)
        near = slow & self._area_filter.holds(rows.columns["lon"], rows.columns["lat"])
        self._matters[rows.vessel[near]] = True

    def _renumber(self) -> None:
        """Number the vessels that are left, so that those heard once do not add up over the weeks."""
        mmsi, minutes, newest = self._by_number(), self._minutes, self._newest
        self._mmsi, self._number, self._matters = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool)

        def anew(rows: RecentFixes) -> RecentFixes:
            rows = replace(rows, vessel=self._numbers(mmsi[rows.vessel]))
            self._mark(rows)
            return rows

        self._newest = anew(newest)
        self._minutes = {minute: anew(rows) for minute, rows in minutes.items()}

    def _numbers(self, mmsi: Ints) -> Ints:
        """The number of each vessel; new ones get the next."""
        new = np.setdiff1d(mmsi, self._mmsi)
        if len(new):
            numbers = np.concatenate([self._number, len(self._mmsi) + np.arange(len(new))])
            both = np.concatenate([self._mmsi, new])
            order = np.argsort(both)
            self._mmsi, self._number = both[order], numbers[order]
            self._matters = np.append(self._matters, np.zeros(len(new), bool))
        return np.asarray(self._number[np.searchsorted(self._mmsi, mmsi)])


def _latest(reports: pa.Table) -> pa.Table:
    """The last report of each vessel that says the same things."""
    which = sum(np.asarray(reports[name].is_valid()).astype(np.int64) << k for k, name in enumerate(_WHICH))
    mmsi, time_us = np.asarray(reports["mmsi"]).astype(np.int64), micros(reports, "time")
    order = ordered(mmsi, np.asarray(which), -time_us)
    keep = order[starts_of(mmsi[order], np.asarray(which)[order])]
    return reports if len(keep) == len(order) else reports.take(pa.array(np.sort(keep))).combine_chunks()


# ------------------------------------------------------------ provisional events: states after the last final hour


class Provisional:
    """Says what stands so far in and near an area, for as long as a watch lasts."""

    def __init__(
        self, data: Path, rules: Rules, area: Area, allowed_lateness_us: int, steps: Sequence[Step] = STEPS
    ) -> None:
        self._data = data
        self._rules, self._steps, self._area_filter = rules, tuple(steps), AreaFilter.of(area, rules.vessel)
        self.recent = Recent(self._area_filter, rules.vessel.slow_kn, allowed_lateness_us)
        self._take(slices.none_yet(self._steps))

    def move_to(self, until_us: int, last: Committed | None, shards: int) -> None:
        """Look from the end of an hour that is finalized now; last: the slice with the states after it.

        Raises OSError where one of them is gone; then it looks from where it did.
        """
        states = (
            slices.none_yet(self._steps)
            if last is None
            else slices.after(self._data, last, self._steps, shards, self._rules)
        )
        self._take(states)
        self.recent.finalized(until_us)

    def look(self, arrival_us: int) -> tuple[pa.Table, pa.Table]:
        """What stands if the data end at this arrival: encounters with RUNNING, and schema.VESSELS."""
        self.recent.pass_to(arrival_us)
        vessels, fixes, reports = self.recent.of(self._slow)
        if not len(vessels):
            return schema.empty("encounters").append_column(RUNNING, pa.array([], pa.bool_())), schema.empty("vessels")
        of_them = of_keys(self._steps, self._others, vessels)
        states = {step: self._near[step] | tables for step, tables in of_them.items()}
        # one fix a minute is not what the lake holds: they go in where fixes wait for their half hour to end
        states["vessel"] |= {"pending": concat([states["vessel"]["pending"], fixes], fixes.schema)}
        found = look_ahead(self._steps, states, {"static_reports": reports}, arrival_us, self._rules)
        rows = found.get("encounters", schema.empty("encounters"))
        since_us = arrival_us - minutes(self._rules.encounter.join_min)
        running = pa.array(micros(rows, "end_time") >= since_us)
        return rows.append_column(RUNNING, running), found.get("vessels", schema.empty("vessels"))

    def approaching(self, arrival_us: int) -> list[dict[str, Any]]:
        """Who waits in or near the area, and who of those silent may be there soon; see fitting.approaching.

        For the eye: no event and no lead comes of it.
        """
        own, (mmsi, newest) = self._rules, self.recent.newest()
        heard = {"mmsi": mmsi, "time": newest.time_us, "satellite": newest.columns["receiver"] == schema.SATELLITE}
        heard |= {name: newest.columns[name] for name in ("lon", "lat", "sog_kn", "cog_deg")}
        last = _last_heard(concat([self._tracks, build(_HEARD, heard)], _HEARD))
        silence_us = arrival_us - micros(last, "time")
        silent = silence_us > threshold(np.asarray(last["satellite"]), own.vessel)
        gone = last.filter(pa.array(silent & (silence_us <= _LOST_US))).combine_chunks()
        slow = pa.array(~silent & (np.asarray(last["sog_kn"]) < own.stays.slow_kn))
        still = pc.is_in(self._waits["mmsi"], value_set=last["mmsi"].filter(slow).combine_chunks())
        waits = self._waits.filter(still).combine_chunks()
        return approaching(waits, gone, arrival_us, own)

    def _take(self, states: States) -> None:
        """Look from these states."""
        stays = states.get("calls", {}).get("stays", schema.STAYS.empty_table()).select(schema.STAYS.names)
        waits = loitering(stays, schema.EDGES.empty_table(), self._rules.stays)
        self._waits = waits.filter(pa.array(self._holds(waits, "lon", "lat"))).combine_chunks()
        self._tracks = states.get("vessel", {}).get("tracks", TRACKS.empty_table()).select(_HEARD.names)
        self._near, self._others, self._slow = self._split(states)

    def _split(self, states: States) -> tuple[States, States, Ints]:
        """Of the states what lies near the area; what is of all vessels; those of them that may be meeting another."""
        near: dict[str, Tables] = {step: {} for step in states}
        others = {step: dict(tables) for step, tables in states.items()}
        slow = [np.zeros(0, np.int64)]
        for step in self._steps:
            for name, (lon, lat) in step.placed.items():
                rows = others[step.name].pop(name)
                near[step.name][name] = rows = rows.filter(pa.array(self._holds(rows, lon, lat))).combine_chunks()
                slow += [np.asarray(rows[key]) for key in step.keys]
            for name in step.unlooked:
                others[step.name][name] = others[step.name][name].schema.empty_table()
        if (tracks := others.get("vessel", {}).get("tracks")) is not None:  # those of which the next leg may be slow
            last = tracks.filter(pc.invert(tracks["silent"]))
            fast = np.asarray(last["sog_kn"]) >= self._rules.vessel.slow_kn
            slow.append(np.asarray(last["mmsi"])[self._holds(last, "lon", "lat") & ~fast])
        return near, others, np.unique(np.concatenate(slow)).astype(np.int64)

    def _holds(self, rows: pa.Table, lon: str, lat: str) -> Bools:
        return self._area_filter.holds(np.asarray(rows[lon]), np.asarray(rows[lat]))


# ----------------------------------------------------------------------------------------- who may be approaching

_LOST_US = days(1)  # who was lost before can be nearly anywhere
_HEARD = pa.schema([TRACKS.field(name) for name in ("mmsi", "time", "lon", "lat", "sog_kn", "cog_deg", "satellite")])


def _last_heard(rows: pa.Table) -> pa.Table:
    """The last row of each vessel."""
    mmsi = np.asarray(rows["mmsi"])
    order = ordered(mmsi, -micros(rows, "time"))
    return rows.take(pa.array(order[starts_of(mmsi[order])])).combine_chunks()
