"""The reception step: whether a silence tells of the vessel, or of what could be received where it may have been.

A silence is judged by who else was heard, ashore and by satellites, within it and before, along ways that the vessel
may have gone. Nothing is silenced because nobody was there to be heard. docs/silence.md has the formulas.

Law: a gap is judged once the counts of all its hours are final, `bracket_h` after each. So no cut of the data shows.

Source: beta-binomial counts with an intra-class correlation, as Williams 1975 (Biometrics 31); judging a silence by the
reception of others follows Welch et al. 2022 (Science Advances 8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coast.water import distance_to_shore_km, is_water
from stswatch.geo.coordinates.plane import from_local_m, to_local_m
from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
    MINUTE,
    Batch,
    Bools,
    Column,
    Floats,
    Ints,
    Result,
    Tables,
    build,
    concat,
    micros,
    spread,
)
from stswatch.pipeline.rules import Rules, days, hours
from stswatch.pipeline.track_rules import ReceptionRules
from stswatch.pipeline.tracks.coverage import in_outages_min
from stswatch.pipeline.tracks.gaps import TURNS, PossibleWay, own_gaps_before, ways
from stswatch.pipeline.tracks.ship_hours import Counts, added, added_counts
from stswatch.pipeline.tracks.unheard import (
    PASSES,
    SPANS_AN_HOUR,
    Moments,
    OwnHearing,
    Passes,
    broken_off,
    own_hearing,
    passes_of,
    silence_chance,
    silent_together,
    whole_days,
)

# ---------------------------------------------------------------------------------------------------- the judgement

_AT_ONCE, EDGE_STEP = 5_000, 2  # gaps; spans from one moment to the next near the ends of a gap
_HOURS = ("judged_h", "others_heard_h", "others_missed_h")
NOT_RECEIVED, UNKNOWN, LEFT_DATA = "not_received", "unknown", "left_data"


@dataclass(frozen=True)
class _Gaps:
    """Gaps as columns, (n,) each; end_us: up to when they are judged.

    stayed: it lay in one place right before and right after; moved: it can not have lain still for most of it. lost:
    nobody knows whether all of it was a silence, since something received within is damaged, or since it is whole days,
    which an archive may lack.
    """

    start_us: Ints
    end_us: Ints
    lon: Floats
    lat: Floats
    last_m: tuple[Floats, Floats]
    resumed: Bools
    own: OwnHearing
    stayed: Bools
    moved: Bools
    lost: Bools

    @staticmethod
    def of(gaps: pa.Table, until_us: int, rules: ReceptionRules) -> _Gaps:
        """Those of schema.GAPS; what did not end is judged by its first hours."""
        start_us, lon, lat = micros(gaps, "start_time"), np.asarray(gaps["lon0"]), np.asarray(gaps["lat0"])
        resumed = np.asarray(gaps["end_time"].is_valid())
        edge_us = np.minimum(until_us, start_us + hours(rules.edge_h))
        end_us = np.where(resumed, np.asarray(gaps["end_time"].cast(pa.int64()).fill_null(0)), edge_us)
        lon1, lat1 = (
            np.where(resumed, np.asarray(gaps[n].fill_null(0.0)), at) for n, at in (("lon1", lon), ("lat1", lat))
        )
        last_m = to_local_m(lon1, lat1, lon, lat)
        still = [np.asarray(gaps[name].fill_null(np.inf)) <= rules.stay_kn for name in ("sog0_kn", "sog1_kn")]
        apart_m = np.hypot(*last_m)
        stayed = resumed & still[0] & still[1] & (apart_m <= rules.stay_m)
        moved = resumed & (apart_m > rules.pass_moved_kn * M_PER_NM / HOUR * (end_us - start_us))
        lost = (np.asarray(gaps["lost_min"]) > 0) | (resumed & whole_days(start_us, end_us, rules))
        return _Gaps(start_us, end_us, lon, lat, last_m, resumed, own_hearing(gaps, rules), stayed, moved, lost)


def judged(
    gaps: pa.Table,
    counts: Counts,
    until_us: int,
    rules: ReceptionRules,
    others: pa.Table | None = None,
    outages: pa.Table | None = None,
) -> pa.Table:
    """Gaps with what the ship-hours of others say of them, schema.JUDGED_GAPS.

    gaps: schema.GAPS. until_us: up to when ship-hours are known. others: gaps that may have begun or ended with
    them, or are of the same vessels. outages: schema.OUTAGES.
    """
    beside = gaps if others is None else pa.concat_tables([gaps, others])
    parts = [gaps.slice(k, _AT_ONCE) for k in range(0, gaps.num_rows, _AT_ONCE)]
    known = schema.empty("outages") if outages is None else outages
    return concat([_judged(part, beside, known, counts, until_us, rules) for part in parts], schema.JUDGED_GAPS)


def _judged(
    gaps: pa.Table, beside: pa.Table, outages: pa.Table, counts: Counts, until_us: int, rules: ReceptionRules
) -> pa.Table:
    of = _Gaps.of(gaps, until_us, rules)
    passes = passes_of(gaps, of.end_us, counts.by_satellite, rules)
    asked = _Asked.of_gaps(of, passes, counts, until_us, rules)
    at, direct_chance, chance = _chances(asked)
    judged_h, heard_h, missed_h = at.judged_hours(gaps.num_rows, rules)
    together = silent_together(gaps, beside, rules)
    outage_min = in_outages_min(gaps, of.end_us, outages, rules)
    left_us = of.end_us - of.start_us - outage_min * MINUTE
    received = together.of_one_cause(rules) | (outage_min > 0) & (left_us <= np.asarray(gaps["threshold_h"]) * HOUR)
    state = _states(of, chance, direct_chance, judged_h, heard_h, missed_h, received, counts, rules)
    state[_cut_off(of, state == schema.SILENCED, broken_off(gaps, beside, rules), counts, rules)] = LEFT_DATA
    p_off = rules.off_share / (rules.off_share + (1 - rules.off_share) * chance)
    some = (judged_h > 0) | (passes.within > 0)
    columns = {
        "judgement": pa.array(state.tolist(), pa.string()),
        "silence_chance": np.where(some, chance, np.nan),
        "p_off": np.where(some, p_off, np.nan),
        **{name: np.rint(h).astype(np.int64) for name, h in zip(_HOURS, (judged_h, heard_h, missed_h), strict=True)},
        **passes.columns(),
        "own_share": of.own.share,
        **together.columns(),
        "in_outage_min": outage_min,
        **own_gaps_before(gaps, beside),
    }
    return build("judged_gaps", _as_given(gaps) | columns)


@dataclass(frozen=True)
class _Asked:
    """Moments within gaps, (m,) each, of which it is asked along ways who else was heard there.

    gap, time_us, spans: as _moments_of gives them. own_at: where the vessels themselves count then. own_missed,
    own_heard: they count as missed, or heard. by_satellite: the share of passes that hear the vessels, (n,).
    passes_tell: whether passes alone could make one silenced, (n,); anchored: it may have lain at anchor meanwhile.
    """

    of: _Gaps
    passes: Passes
    counts: Counts
    rules: ReceptionRules
    gap: Ints
    time_us: Ints
    spans: Ints
    own_at: tuple[Floats, Floats]
    own_missed: Bools
    own_heard: Bools
    by_satellite: Floats
    passes_tell: Bools
    anchored: Bools

    @staticmethod
    def of_gaps(of: _Gaps, passes: Passes, counts: Counts, until_us: int, rules: ReceptionRules) -> _Asked:
        """The moments of some gaps."""
        gap, time_us, spans = _moments_of(of, rules)
        hour = time_us // HOUR
        counted = np.where(of.resumed, of.end_us, until_us) - of.start_us <= hours(rules.bracket_h)
        heard = (hour == of.start_us[gap] // HOUR) | (of.resumed[gap] & (hour == of.end_us[gap] // HOUR))
        share = passes.share(of.resumed, of.moved, rules)
        tell = passes.chance(share, rules) <= rules.silenced_chance
        anchored = ~of.moved & (_shore_km(of, tell) <= rules.anchor_km)
        own = _own_places(of, gap, hour), counted[gap] & ~heard, heard
        return _Asked(of, passes, counts, rules, gap, time_us, spans, *own, share, tell, anchored)

    def places(self, way: PossibleWay, row: Ints) -> tuple[Floats, Floats]:
        """Where ships are along a way in the moments `row`."""
        gap = self.gap[row]
        return from_local_m(*way.at(gap, self.time_us[row]), self.of.lon[gap], self.of.lat[gap])

    def moments(self, row: Ints, lon: Floats, lat: Floats) -> Moments:
        """Ship-hours of others in the moments `row` about these places."""
        hour = self.time_us[row] // HOUR
        heard, missed = self.counts.then(hour, lon, lat)
        beside = self.counts.beside(lon, lat, self.own_at[0][row], self.own_at[1][row])
        heard = np.maximum(heard - (beside & self.own_heard[row]), 0)
        missed = np.maximum(missed - (beside & self.own_missed[row]), 0)
        lately, known = self.counts.lately(hour, lon, lat), self.counts.anybody(hour, lon, lat)
        return Moments(self.gap[row], self.spans[row], heard, missed, *lately, known)

    def chance(self, at: Moments, row: Ints, lon: Floats, lat: Floats) -> Floats:
        """The chance not to be heard along a way, (n,); of the passes tell as many as lie where others were lately."""
        alone = (at.lately_heard + at.lately_missed == 0) & self.passes_tell[at.gap]
        alone[alone] = ~self.counts.surrounded(self.time_us[row][alone] // HOUR, lon[alone], lat[alone])
        n = len(self.passes_tell)
        every = np.bincount(self.gap, self.spans, n)
        among = np.bincount(at.gap, at.spans * ~alone, n) / np.maximum(every, 1)
        _, others = at.others_heard(self.of.own.weak, self.rules)
        share = self.by_satellite * np.where(self.anchored | self.of.own.weak, others, 1.0)
        by_satellites = self.passes.chance(share, self.rules, among)
        return silence_chance(at, self.of.own, self.rules, by_satellites)


def _chances(asked: _Asked) -> tuple[Moments, Floats, Floats]:
    """The moments along the direct way, the chance along it, and along all ways by the share of ships that go each.

    Ways other than the direct one are tried for what none before explains, those over land left out.
    """
    of, rules, n = asked.of, asked.rules, len(asked.of.start_us)
    direct, *others = ways(of.start_us, of.end_us, of.last_m, of.resumed, rules)
    every = np.arange(len(asked.gap))
    places = asked.places(direct, every)
    at = asked.moments(every, *places)
    first = asked.chance(at, every, *places)
    at_shore = _shore_km(of, first <= rules.silenced_chance) <= rules.river_km  # or no coast is drawn right
    room = np.maximum((of.end_us - of.start_us) / hours(rules.detour_h), 1) ** 2
    away = np.where(of.resumed, np.minimum(rules.detour_share * room, 1.0), rules.gone_share)
    away = np.where(of.stayed, rules.stay_detour_share, away)
    needless = first + away <= rules.silenced_chance  # whatever the chance of all others is
    aside, tried, chance = needless * 1.0, needless * 1.0, first
    for way in others:
        unexplained = ~needless & (chance <= rules.silenced_chance)
        row = every[unexplained[asked.gap]]
        if not len(row):
            break
        places = asked.places(way, row)
        gap = asked.gap[row]
        on_land = ~(at_shore[gap] | is_water(*places))
        possible = unexplained & (np.bincount(gap, on_land, n) == 0)
        aside += np.where(possible, asked.chance(asked.moments(row, *places), row, *places), 0.0)
        tried += possible
        chance = np.minimum(first + away * aside / len(others), 1.0)
    return at, first, np.minimum(first + away * aside / np.maximum(tried, 1), 1.0)


def _as_given(gaps: pa.Table) -> dict[str, object]:
    """The columns of gaps that judged ones have too."""
    return {name: gaps[name].combine_chunks() for name in schema.GAPS.names if name in schema.JUDGED_GAPS.names}


def _shore_km(of: _Gaps, rows: Bools) -> Floats:
    """How far from shore the nearer end of some gaps is, (n,); of the others infinitely far."""
    last = from_local_m(*of.last_m, of.lon, of.lat)
    km = np.full(len(rows), np.inf)
    ends = ((of.lon[rows], of.lat[rows]), (last[0][rows], last[1][rows]))
    km[rows] = np.minimum(*(distance_to_shore_km(*end) for end in ends))
    return km


def _moments_of(of: _Gaps, rules: ReceptionRules) -> tuple[Ints, Ints, Ints]:
    """Moments within gaps, of long ones those of the first and the last hours: (gap, time, spans) of each, (m,).

    Every EDGE_STEP spans of the first and last `near_h`, where a vessel can not be far yet; between, every hour. A gap
    in which something is lost has none: it is not judged.
    """
    span_us = HOUR // SPANS_AN_HOUR
    spans = np.where(of.lost, 0, (of.end_us - of.start_us) // span_us)
    edge = np.minimum(round(rules.edge_h * SPANS_AN_HOUR), np.where(of.resumed, (spans + 1) // 2, spans))
    parts = []
    for side, count in ((0, edge), (1, np.where(of.resumed, np.minimum(edge, spans - edge), 0))):
        gap, nth = spread(count)
        near = nth < round(rules.near_h * SPANS_AN_HOUR)
        step = np.where(near, EDGE_STEP, SPANS_AN_HOUR)
        head = nth % step == 0
        gap, nth, step = gap[head], nth[head], step[head]
        stands = np.minimum(step, count[gap] - nth)
        after = (nth * 2 + stands) * span_us // 2
        time_us = of.start_us[gap] + after if side == 0 else of.end_us[gap] - after
        parts.append((gap, time_us, stands))
    gap, time_us, stands = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((time_us, gap))
    return gap[order], time_us[order], stands[order]


def _own_places(of: _Gaps, gap: Ints, hour: Ints) -> tuple[Floats, Floats]:
    """Where ship_hours counts the vessels themselves in hours of their gaps: on the line between their fixes."""
    part = (hour * HOUR + HOUR // 2 - of.start_us[gap]) / np.maximum(of.end_us - of.start_us, 1)[gap]
    lon1, lat1 = from_local_m(*of.last_m, of.lon, of.lat)
    return of.lon[gap] + part * (lon1 - of.lon)[gap], of.lat[gap] + part * (lat1 - of.lat)[gap]


def _states(
    of: _Gaps,
    chance: Floats,
    direct: Floats,
    judged_h: Column,
    heard_h: Column,
    missed_h: Column,
    by_reception: Bools,
    counts: Counts,
    rules: ReceptionRules,
) -> Column:
    """The word for each gap, (n,) of str."""
    poor = heard_h <= rules.poor_share * (heard_h + missed_h)
    state = np.full(len(chance), UNKNOWN, object)
    state[(judged_h > 0) & poor & (direct > rules.silenced_chance)] = NOT_RECEIVED
    gone = np.flatnonzero(~of.resumed & (chance > rules.silenced_chance))
    state[gone[_at_the_edge(of, gone, counts, rules)]] = LEFT_DATA
    rare = chance <= rules.silenced_chance
    state[rare] = np.where(by_reception[rare], NOT_RECEIVED, schema.SILENCED)
    return state


def _cut_off(of: _Gaps, which: Bools, broken: Ints, counts: Counts, rules: ReceptionRules) -> Ints:
    """Those of some gaps that begin, and end if they do, where data may be cut off, or where others broke off too.

    broken: so many others did, (n,); one is enough where nobody was on some side.
    """
    rows = np.flatnonzero(which & ~of.stayed)
    last, alone = from_local_m(*of.last_m, of.lon, of.lat), ~of.resumed[rows]
    begin = of.start_us[rows] // HOUR, of.lon[rows], of.lat[rows]
    end = of.end_us[rows] // HOUR, last[0][rows], last[1][rows]
    cut = counts.outermost(*begin) & (counts.outermost(*end) | alone)
    rim = ~counts.surrounded(*begin) & (~counts.surrounded(*end) | alone)
    return np.asarray(rows[cut | (broken[rows] >= np.where(rim, 1, rules.gate_least))])


def _at_the_edge(of: _Gaps, rows: Ints, counts: Counts, rules: ReceptionRules) -> Bools:
    """Whether some of the vessels could in two hours be on water where nobody was in the day before they were lost."""
    reach_m = 2 * rules.detour_kn * M_PER_NM
    out = np.zeros(len(rows), bool)
    for turn in np.arange(TURNS) * 2 * np.pi / TURNS:
        lon, lat = from_local_m(reach_m * np.cos(turn), reach_m * np.sin(turn), of.lon[rows], of.lat[rows])
        empty = np.flatnonzero(~out & (sum(counts.lately(of.start_us[rows] // HOUR, lon, lat)) == 0))
        out[empty] = is_water(lon[empty], lat[empty])
    return out


# --------------------------------------------------------------------------------------------------------- the step

STATE = {"waiting": schema.GAPS, "lately": schema.GAPS, "outages": schema.OUTAGES}
STATE |= {"ship_hours": schema.SHIP_HOURS, "satellite_counts": schema.SATELLITE_COUNTS}


def reception(state: Tables, batch: Batch, rules: Rules) -> Result:
    """Judge the gaps of which the hours within are final; the others wait. A look ahead judges none."""
    own = rules.reception
    gaps = concat([state["waiting"], batch.table("gaps")], schema.GAPS)
    if batch.provisional:
        return Result(state, {"judged_gaps": _unjudged(gaps)})
    counts = added([state["ship_hours"], batch.table("ship_hours")])
    by_satellite = added_counts([state["satellite_counts"], batch.table("satellite_counts")])
    memory_us = days(rules.vessel.track_memory_d)
    due = batch.final | (_known_us(gaps, memory_us, own) <= batch.watermark_us)
    waiting, ready = (gaps.filter(pa.array(rows)).combine_chunks() for rows in (~due, due))
    others = pa.concat_tables([state["lately"], waiting])
    outages = concat([state["outages"], batch.table("outages")], schema.OUTAGES)
    found = judged(ready, Counts(counts, own, by_satellite), batch.watermark_us, own, others, outages)
    # what was judged is still asked whether it began and ended with what is judged next
    lately = pa.concat_tables([state["lately"], ready])
    asked_us = 3 * memory_us + hours(own.bracket_h + _ASKED_H)  # as long as a gap lasts, and its vessel's own before
    recent = micros(lately, "start_time") + asked_us > batch.watermark_us
    lately = lately.filter(pa.array(recent)).combine_chunks()
    oldest_us = batch.watermark_us - memory_us - hours(own.bracket_h) - 12 * HOUR  # a gap comes ten late
    if waiting.num_rows:
        oldest_us = min(oldest_us, int(micros(waiting, "start_time").min()) - hours(own.window_h) - HOUR)
    counts = counts.filter(pa.array(micros(counts, "hour") >= oldest_us)).combine_chunks()
    by_satellite = by_satellite.filter(pa.array(micros(by_satellite, "span") >= oldest_us)).combine_chunks()
    outages = outages.filter(pa.array(micros(outages, "end_time") + asked_us > batch.watermark_us)).combine_chunks()
    kept = {"waiting": waiting, "lately": lately, "ship_hours": counts, "outages": outages}
    return Result(kept | {"satellite_counts": by_satellite}, {"judged_gaps": found})


_ASKED_H = 2.0


def _last_us(gaps: pa.Table, rules: ReceptionRules) -> Ints:
    """The last whole hour that a judgement of gaps asks for, (n,)."""
    end_us = np.asarray(gaps["end_time"].cast(pa.int64()).fill_null(0))
    return np.asarray(np.maximum(end_us, micros(gaps, "start_time") + hours(rules.edge_h)) // HOUR * HOUR)


def _known_us(gaps: pa.Table, memory_us: int, rules: ReceptionRules) -> Ints:
    """When all is there that a judgement of gaps asks for, (n,): ship-hours, and other gaps that ended as they did."""
    over = np.asarray(pc.equal(gaps["ending"], "track_ended"))
    others_us = np.where(over, micros(gaps, "start_time") + memory_us + hours(_ASKED_H), 0)
    return np.maximum(_last_us(gaps, rules) + hours(rules.bracket_h), others_us)


def _unjudged(gaps: pa.Table) -> pa.Table:
    """Gaps as they stand before anything can be said of them."""
    n = gaps.num_rows
    counts = (*_HOURS, *PASSES, "silent_together", "began_together", "ended_together", "gaps_before")
    chances = ("silence_chance", "p_off", "own_share", "since_gap_h", "since_gap_km")
    columns = _as_given(gaps) | {name: np.zeros(n, np.int64) for name in counts}
    columns |= {name: pa.nulls(n, pa.float64()) for name in chances}
    return build("judged_gaps", columns | {"in_outage_min": np.zeros(n), "judgement": pa.array([UNKNOWN] * n)})
