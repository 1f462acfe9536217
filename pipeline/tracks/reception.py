"""The reception step: whether a silence tells of the vessel, or of what could be received where it may have been.

A silence is judged by the ship-hours of others (ship_hours.py), in the hours within it and the day before, along ways
that the vessel may have gone. Nothing is taken for silenced because nobody was there to be heard: such hours say
nothing. docs/silence.md has the formulas.

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
from stswatch.pipeline.tracks.gaps import TURNS, PossibleWay, ways
from stswatch.pipeline.tracks.ship_hours import BESIDE, Counts, added, added_counts
from stswatch.pipeline.tracks.unheard import (
    PASSES,
    SPANS_AN_HOUR,
    Moments,
    OwnHearing,
    in_outages_min,
    own_gaps_before,
    passes_of,
    silence_chance,
    silent_together,
    whole_days,
)

# ---------------------------------------------------------------------------------------------------- the judgement

_AT_ONCE = 5_000
EDGE_STEP = 2  # spans from one moment to the next near the ends of a gap
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
        return _Gaps(start_us, end_us, lon, lat, last_m, resumed, _own_hearing(gaps, rules), stayed, moved, lost)


def _own_hearing(gaps: pa.Table, rules: ReceptionRules) -> OwnHearing:
    """How well the vessels of gaps are heard, (n,) each: the worse side of each counts, the other one a little."""
    heard, missed = (np.asarray(gaps[name]).astype(float) for name in ("own_heard_h", "own_missed_h"))
    share = (heard + rules.own_weight_h) / (heard + missed + rules.own_weight_h)
    before = np.asarray(gaps["heard_before"]) / BESIDE
    after = np.where(gaps["end_time"].is_valid(), np.asarray(gaps["heard_after"].fill_null(0)) / BESIDE, before)
    least, most = np.minimum(before, after), np.maximum(before, after)
    beside = least + rules.better_side_weight * (most - least)
    weak = np.asarray(pc.not_equal(pc.coalesce(gaps["class0"], gaps["class1"], pa.scalar("B")), "A"))  # or not told
    return OwnHearing(np.maximum(share, rules.own_share_least), heard, missed, beside, weak)


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
    n = gaps.num_rows
    gap, time_us, spans = _moments_of(of, rules)
    hour = time_us // HOUR
    direct, *others = ways(of.start_us, of.end_us, of.last_m, of.resumed, rules)
    own_lon, own_lat = _own_places(of, gap, hour)
    counted_own = np.where(of.resumed, of.end_us, until_us) - of.start_us <= hours(rules.bracket_h)
    own_heard = (hour == of.start_us[gap] // HOUR) | (of.resumed[gap] & (hour == of.end_us[gap] // HOUR))

    def places(way: PossibleWay, row: Ints) -> tuple[Floats, Floats]:
        """Where ships are along a way in the moments `row`."""
        return from_local_m(*way.at(gap[row], time_us[row]), of.lon[gap[row]], of.lat[gap[row]])

    def asked(row: Ints, lon: Floats, lat: Floats) -> Moments:
        """Ship-hours of others in the moments `row` about these places."""
        heard, missed = counts.then(hour[row], lon, lat)
        beside = counts.beside(lon, lat, own_lon[row], own_lat[row])
        mine = counted_own[gap[row]] & beside & ~own_heard[row]
        heard, missed = np.maximum(heard - (beside & own_heard[row]), 0), np.maximum(missed - mine, 0)
        lately, known = counts.lately(hour[row], lon, lat), counts.anybody(hour[row], lon, lat)
        return Moments(gap[row], spans[row], heard, missed, *lately, known)

    passes = passes_of(gaps, of.end_us, counts.by_satellite, rules)
    by_satellite = passes.share(of.resumed, of.moved, rules)
    told_by_passes = passes.chance(by_satellite, rules) <= rules.silenced_chance
    anchored = ~of.moved & ~of.stayed & (_shore_km(of, told_by_passes) <= rules.anchor_km)
    all_spans = np.maximum(np.bincount(gap, spans, n), 1)

    def chance_along(at: Moments, row: Ints, lon: Floats, lat: Floats) -> Floats:
        """The chance not to be heard along a way; passes tell as much of it as lies where others were lately."""
        alone = (at.lately_heard + at.lately_missed == 0) & told_by_passes[at.gap]
        alone[alone] = ~counts.surrounded(hour[row][alone], lon[alone], lat[alone])
        among = np.bincount(at.gap, at.spans * ~alone, n) / all_spans
        _, others = at.others_heard(of.own.weak, rules)
        share = by_satellite * np.where(anchored, others, 1.0)
        return np.minimum(silence_chance(at, of.own, rules), passes.chance(share, rules, among))

    every = np.arange(len(gap))
    lon, lat = places(direct, every)
    at = asked(every, lon, lat)
    direct_chance = chance_along(at, every, lon, lat)
    judged_h, heard_h, missed_h = at.judged_hours(n, rules)
    at_shore = _at_the_shore(of, direct_chance, rules)
    away = np.minimum(rules.detour_share * np.maximum((of.end_us - of.start_us) / hours(rules.detour_h), 1) ** 2, 1)
    away = np.where(of.resumed, away, rules.gone_share)
    likely = np.where(of.stayed, rules.stay_detour_share, away)
    aside, tried, chance = np.zeros(n), np.zeros(n), direct_chance
    for way in others:  # only what no way before explains
        unexplained = chance <= rules.silenced_chance
        row = every[unexplained[gap]]
        if not len(row):
            break
        lon, lat = places(way, row)
        on_land = ~(at_shore[gap[row]] | is_water(lon, lat))
        possible = unexplained & (np.bincount(gap[row], on_land, n) == 0)
        aside += np.where(possible, chance_along(asked(row, lon, lat), row, lon, lat), 0.0)
        tried += possible
        chance = np.minimum(direct_chance + likely * aside / len(others), 1.0)
    chance = np.minimum(direct_chance + likely * aside / np.maximum(tried, 1), 1.0)
    together = silent_together(gaps, beside, rules)
    outage_min = in_outages_min(gaps, of.end_us, outages, rules)
    received = together.of_one_cause(rules) | _mostly(outage_min, gaps, of)
    state = _states(of, chance, direct_chance, judged_h, heard_h, missed_h, received, counts, rules)
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


def _as_given(gaps: pa.Table) -> dict[str, object]:
    """The columns of gaps that judged ones have too."""
    return {name: gaps[name].combine_chunks() for name in schema.GAPS.names if name in schema.JUDGED_GAPS.names}


def _mostly(outage_min: Floats, gaps: pa.Table, of: _Gaps) -> Bools:
    """Whether what of gaps lies outside of outages would be no gap, (n,)."""
    left_us = of.end_us - of.start_us - outage_min * MINUTE
    return np.asarray((outage_min > 0) & (left_us <= np.asarray(gaps["threshold_h"]) * HOUR))


def _at_the_shore(of: _Gaps, chance: Floats, rules: ReceptionRules) -> Bools:
    """Who of those hardly silent by chance may have gone up a river, or where no coast is drawn right."""
    return _shore_km(of, chance <= rules.silenced_chance) <= rules.river_km


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

STATE = {
    "waiting": schema.GAPS,
    "lately": schema.GAPS,
    "ship_hours": schema.SHIP_HOURS,
    "satellite_counts": schema.SATELLITE_COUNTS,
    "outages": schema.OUTAGES,
}


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
    oldest_us = batch.watermark_us - memory_us - hours(own.bracket_h) - 7 * HOUR  # a gap comes five late
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
    counts = (*_HOURS, "silent_together", "began_together", "ended_together")
    chances = ("silence_chance", "p_off", "own_share", "since_gap_h", "since_gap_km")
    columns = _as_given(gaps) | {name: np.zeros(n, np.int64) for name in (*counts, *PASSES, "gaps_before")}
    columns |= {name: pa.nulls(n, pa.float64()) for name in chances}
    columns |= {"in_outage_min": np.zeros(n), "judgement": pa.array([UNKNOWN] * n, pa.string())}
    return build("judged_gaps", columns)
