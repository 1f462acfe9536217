"""The reception step: whether a silence tells of the vessel, or of what could be received where it may have been.

A silence is judged by the ship-hours of others (ship_hours.py), in the hours within it and the day before, along ways
that the vessel may have gone. Nothing is taken for silenced because nobody was there to be heard: such hours say
nothing. docs/silence.md has the formulas.

Law: a gap is judged once the counts of all hours within it are final, which they are `bracket_h` after the hour. So no
cut of the data shows.

Source: beta-binomial counts with an intra-class correlation, as Williams 1975 (Biometrics 31); judging a silence by the
reception of others follows Welch et al. 2022 (Science Advances 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
import pyarrow as pa

from stswatch.geo.coast.water import distance_to_shore_km, is_water
from stswatch.geo.coordinates.plane import from_local_m, to_local_m
from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
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
from stswatch.pipeline.rules import ReceptionRules, Rules, days, hours
from stswatch.pipeline.tracks.ship_hours import Counts, added

# ------------------------------------------------------------------ what the ship-hours of others say of one silence


@dataclass(frozen=True)
class PossibleWay:
    """Ways that vessels may have gone, (n,) each: from the first place by way of another to a last one, on a plane.

    Metres east and north of the first place; via_us: when it is at the other place, from start_us on to end_us.
    """

    start_us: Ints
    end_us: Ints
    via_us: Floats
    via_m: tuple[Floats, Floats]
    last_m: tuple[Floats, Floats]

    def at(self, gap: Ints, time_us: Ints) -> tuple[Floats, Floats]:
        """Where those of some gaps are at a time, metres east and north of the first place, (m,) each."""
        since, total = (time_us - self.start_us[gap]).astype(float), (self.end_us - self.start_us)[gap].astype(float)
        via = self.via_us[gap]
        one = np.clip(since / np.maximum(via, 1), 0, 1)
        two = np.clip((since - via) / np.maximum(total - via, 1), 0, 1)
        east, north = (v[gap] * one + (q[gap] - v[gap]) * two for v, q in zip(self.via_m, self.last_m, strict=True))
        return east, north


TURNS = 8  # directions in which a detour is tried


def ways(
    start_us: Ints, end_us: Ints, last_m: tuple[Floats, Floats], resumed: Bools, rules: ReceptionRules
) -> list[PossibleWay]:
    """The ways to be tried, the direct one first: also later, also sooner, and as far aside as time allows.

    last_m: where the vessels are heard again, metres from where they were heard last; of those that are not resumed,
    as if it had stayed, and detours lead away without return.
    """
    span = (end_us - start_us).astype(float)
    apart = np.hypot(*last_m)
    pace = np.maximum(rules.detour_kn * M_PER_NM / HOUR, apart / np.maximum(span, 1))  # metres a microsecond
    reach = pace * span
    going = apart / np.maximum(pace, 1e-30)
    still = np.zeros(len(span)), np.zeros(len(span))
    found = [
        PossibleWay(start_us, end_us, span, last_m, last_m),
        PossibleWay(start_us, end_us, span - going, still, last_m),
        PossibleWay(start_us, end_us, going, last_m, last_m),
    ]
    axis = np.arctan2(last_m[1], last_m[0])
    for turn in np.arange(TURNS) * 2 * np.pi / TURNS:
        # the ellipse of all places from which there is time to come back; without return a circle
        half = np.where(resumed, reach / 2, reach)
        focus = np.where(resumed, apart / 2, 0.0)
        squeezed = np.sqrt(np.maximum(half**2 - focus**2, 0))
        eccentric = focus / np.maximum(half, 1)
        far = squeezed / np.sqrt(np.maximum(1 - (eccentric * np.cos(turn - axis)) ** 2, 1e-12))
        middle = tuple(np.where(resumed, side / 2, 0.0) for side in last_m)
        via = middle[0] + far * np.cos(turn), middle[1] + far * np.sin(turn)
        last = tuple(np.where(resumed, side, v) for side, v in zip(last_m, via, strict=True))
        there = np.minimum(np.hypot(*via) / np.maximum(pace, 1e-30), span)
        found.append(PossibleWay(start_us, end_us, there, via, (last[0], last[1])))
    return found


@dataclass(frozen=True)
class Hours:
    """Hours of silences, (n,) each: of which gap, ship-hours of others about it then, and lately where it may be.

    known: whether anybody was placed in the very cell lately; beyond is the edge of what is received, or of the data.
    """

    gap: Ints
    heard: Ints
    missed: Ints
    lately_heard: Ints
    lately_missed: Ints
    known: Bools

    def tells(self, rules: ReceptionRules) -> Bools:
        """Whether enough others were there."""
        then, lately = self.heard + self.missed, self.lately_heard + self.lately_missed
        enough: Bools = (then >= rules.ship_hours_least) & (lately >= rules.ship_hours_least) & self.known
        return enough


def silence_chance(of: Hours, gaps: int, own: Floats, rules: ReceptionRules) -> Floats:
    """The chance (gaps,) that a vessel which sends all the time is not heard in some hours; 1 where none tells.

    own: share of hours in which the vessel is heard where others are, (gaps,).
    """
    tells = of.tells(rules)
    gap = of.gap[tells]
    count = np.bincount(gap, minlength=gaps)
    known = np.maximum(count, 1)
    alone = np.minimum(count, rules.independent_h)
    lately, lately_heard = _effective(of.lately_heard[tells], of.lately_missed[tells], rules, rules.window_h)
    total, total_heard = (np.bincount(gap, weights, gaps) / known for weights in (lately, lately_heard))
    a, b = rules.prior_heard + total_heard, rules.prior_missed + total - total_heard
    together = _unheard(a, b, own, alone.astype(np.int64))
    # each hour by itself, drawn to what the day tells of the place: a storm or an outage must not drown in days
    place = (rules.prior_heard + lately_heard) / (rules.prior_heard + rules.prior_missed + lately)
    then, then_heard = _effective(of.heard[tells], of.missed[tells], rules)
    expected = (rules.hour_weight * place + then_heard) / (rules.hour_weight + then)
    each = np.bincount(gap, np.log1p(-own[gap] * np.minimum(expected, 1 - 1e-9)), gaps) / known * alone
    return np.where(count > 0, np.maximum(together, np.exp(each)), 1.0)


def _effective(heard: Ints, missed: Ints, rules: ReceptionRules, in_h: float = 1.0) -> tuple[Floats, Floats]:
    """What ship-hours (n,), all and heard, are worth: ships of one hour are heard or missed together."""
    n = heard + missed
    worth = 1 / (1 + np.maximum(n / in_h - 1, 0) * rules.correlation)
    return n * worth, heard * worth


def _unheard(a: Floats, b: Floats, own: Floats, times: Ints) -> Floats:
    """The mean of (1 - own p) ** times for p of Beta(a, b), (n,): not heard so many times in a row."""
    out = np.zeros(len(a))
    for m in np.unique(times).tolist():
        rows = times == m
        missed = np.ones(int(rows.sum()))  # the mean of (1 - p) ** k
        for k in range(m + 1):
            out[rows] += comb(m, k) * (1 - own[rows]) ** (m - k) * own[rows] ** k * missed
            missed = missed * (b[rows] + k) / (a[rows] + b[rows] + k)
    return out


# ---------------------------------------------------------------------------------------------------- the judgement

SILENCED, NOT_RECEIVED, UNKNOWN, LEFT_DATA = "silenced", "not_received", "unknown", "left_data"


@dataclass(frozen=True)
class _Gaps:
    """Gaps as columns, (n,) each; end_us: up to when they are judged. own: share of its hours in which it is heard.

    lost: something that was received within is damaged, so that nobody knows whether all of it was a silence.
    """

    start_us: Ints
    end_us: Ints
    lon: Floats
    lat: Floats
    last_m: tuple[Floats, Floats]
    resumed: Bools
    own: Floats
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
        heard, missed = (np.asarray(gaps[name]) for name in ("own_heard_h", "own_missed_h"))
        own = (heard + rules.own_weight_h) / (heard + missed + rules.own_weight_h)
        own = np.maximum(own, rules.own_share_least)
        lost = np.asarray(gaps["lost_min"]) > 0
        return _Gaps(start_us, end_us, lon, lat, to_local_m(lon1, lat1, lon, lat), resumed, own, lost)


def judged(gaps: pa.Table, counts: Counts, until_us: int, rules: ReceptionRules) -> pa.Table:
    """Gaps with what the ship-hours of others say of them, schema.JUDGED_GAPS.

    gaps: schema.GAPS. until_us: up to when ship-hours are known.
    """
    parts = [gaps.slice(k, _AT_ONCE) for k in range(0, gaps.num_rows, _AT_ONCE)]
    return concat([_judged(part, counts, until_us, rules) for part in parts], schema.JUDGED_GAPS)


_AT_ONCE = 5_000


def _judged(gaps: pa.Table, counts: Counts, until_us: int, rules: ReceptionRules) -> pa.Table:
    of = _Gaps.of(gaps, until_us, rules)
    n = gaps.num_rows
    gap, hour = _hours_of(of, rules)
    direct, *others = ways(of.start_us, of.end_us, of.last_m, of.resumed, rules)
    own_lon, own_lat = _own_places(of, gap, hour)
    counted_own = np.where(of.resumed, of.end_us, until_us) - of.start_us <= hours(rules.bracket_h)

    def places(way: PossibleWay, row: Ints) -> tuple[Floats, Floats]:
        """Where ships are along a way in the hours `row`."""
        return from_local_m(*way.at(gap[row], hour[row] * HOUR + HOUR // 2), of.lon[gap[row]], of.lat[gap[row]])

    def asked(row: Ints, lon: Floats, lat: Floats) -> Hours:
        """Ship-hours of others in the hours `row` about these places."""
        heard, missed = counts.then(hour[row], lon, lat)
        mine = counted_own[gap[row]] & counts.beside(lon, lat, own_lon[row], own_lat[row])
        lately, known = counts.lately(hour[row], lon, lat), counts.anybody(hour[row], lon, lat)
        return Hours(gap[row], heard, np.maximum(missed - mine, 0), *lately, known)

    every = np.arange(len(gap))
    at = asked(every, *places(direct, every))
    direct_chance = silence_chance(at, n, of.own, rules)
    tells = at.tells(rules)
    judged_h, heard_h, missed_h = (np.bincount(gap, tells * count, n) for count in (1, at.heard, at.missed))
    chance, rare = direct_chance.copy(), np.flatnonzero(direct_chance <= rules.silenced_chance)
    # who was lost at the shore may have gone up a river, or where the coast is drawn otherwise than it is
    at_shore = np.zeros(n, bool)
    at_shore[rare] = distance_to_shore_km(of.lon[rare], of.lat[rare]) <= rules.river_km
    for way in others:  # only what no way before explains
        unexplained = chance <= rules.silenced_chance
        row = every[unexplained[gap]]
        if not len(row):
            break
        lon, lat = places(way, row)
        on_land = ~(at_shore[gap[row]] | is_water(lon, lat))
        possible = unexplained & (np.bincount(gap[row], on_land, n) == 0)
        chance = np.where(possible, np.maximum(chance, silence_chance(asked(row, lon, lat), n, of.own, rules)), chance)
    state = _states(of, chance, direct_chance, judged_h, heard_h, missed_h, counts, rules)
    columns = {
        "judgement": pa.array(state.tolist(), pa.string()),
        "silence_chance": chance,
        "p_off": rules.off_share / (rules.off_share + (1 - rules.off_share) * chance),
        "judged_h": judged_h.astype(np.int64),
        "others_heard_h": heard_h.astype(np.int64),
        "others_missed_h": missed_h.astype(np.int64),
        "own_share": of.own,
    }
    none = judged_h == 0
    for name in ("silence_chance", "p_off"):
        columns[name] = np.where(none, np.nan, columns[name])
    given = {name: gaps[name].combine_chunks() for name in schema.GAPS.names}
    return build("judged_gaps", given | columns)


def _hours_of(of: _Gaps, rules: ReceptionRules) -> tuple[Ints, Ints]:
    """The whole hours within gaps, of long ones the first and the last: (gap, hour since 1970) of each, (m,).

    None of a gap in which something is lost: it is not judged.
    """
    first, last = -(-of.start_us // HOUR), of.end_us // HOUR
    edge = round(rules.edge_h)
    gap, nth = spread(np.where(of.lost, 0, np.clip(last - first, 0, 2 * edge)))
    long = (last - first)[gap] > 2 * edge
    return gap, np.where(long & (nth >= edge), last[gap] - 2 * edge + nth, first[gap] + nth)


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
    counts: Counts,
    rules: ReceptionRules,
) -> Column:
    """The word for each gap, (n,) of str."""
    poor = heard_h <= rules.poor_share * (heard_h + missed_h)
    state = np.full(len(chance), UNKNOWN, object)
    state[(judged_h > 0) & poor & (direct > rules.silenced_chance)] = NOT_RECEIVED
    gone = np.flatnonzero(~of.resumed & (chance > rules.silenced_chance))
    state[gone[_at_the_edge(of, gone, counts, rules)]] = LEFT_DATA
    state[chance <= rules.silenced_chance] = SILENCED
    return state


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

STATE = {"waiting": schema.GAPS, "ship_hours": schema.SHIP_HOURS}


def reception(state: Tables, batch: Batch, rules: Rules) -> Result:
    """Judge the gaps of which the hours within are final; the others wait. A look ahead judges none."""
    own = rules.reception
    gaps = concat([state["waiting"], batch.table("gaps")], schema.GAPS)
    if batch.provisional:
        return Result(state, {"judged_gaps": _unjudged(gaps)})
    counts = added([state["ship_hours"], batch.table("ship_hours")])
    end_us = np.asarray(gaps["end_time"].cast(pa.int64()).fill_null(0))
    last_us = np.maximum(end_us, micros(gaps, "start_time") + hours(own.edge_h)) // HOUR * HOUR
    due = batch.final | (last_us + hours(own.bracket_h) <= batch.watermark_us)
    found = judged(gaps.filter(pa.array(due)), Counts(counts, own), batch.watermark_us, own)
    waiting = gaps.filter(pa.array(~due)).combine_chunks()
    oldest_us = batch.watermark_us - days(rules.vessel.track_memory_d) - hours(own.bracket_h) - HOUR
    if waiting.num_rows:
        oldest_us = min(oldest_us, int(micros(waiting, "start_time").min()) - hours(own.window_h) - HOUR)
    counts = counts.filter(pa.array(micros(counts, "hour") >= oldest_us)).combine_chunks()
    return Result({"waiting": waiting, "ship_hours": counts}, {"judged_gaps": found})


def _unjudged(gaps: pa.Table) -> pa.Table:
    """Gaps as they stand before anything can be said of them."""
    n = gaps.num_rows
    none = {name: np.zeros(n, np.int64) for name in ("judged_h", "others_heard_h", "others_missed_h")}
    unknown = {name: pa.nulls(n, pa.float64()) for name in ("silence_chance", "p_off", "own_share")}
    given = {name: gaps[name].combine_chunks() for name in schema.GAPS.names}
    return build("judged_gaps", given | none | unknown | {"judgement": pa.array([UNKNOWN] * n, pa.string())})
