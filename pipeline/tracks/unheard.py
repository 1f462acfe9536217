"""What else than its own set may silence a vessel: the chance to stay unheard, and silences of several with one cause.

docs/silence.md has the formulas. Source: beta-binomial counts with an intra-class correlation, as Williams 1975
(Biometrics 31).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import gammaln

from stswatch.geo.coordinates.cells import GRID_ROW, grid_cell
from stswatch.pipeline.batch import Bools, Floats, Ints, micros, spread, starts_of
from stswatch.pipeline.rules import days, hours, minutes
from stswatch.pipeline.track_rules import ReceptionRules
from stswatch.pipeline.tracks.fixes import BESIDE, PASS_US, PASSES_BESIDE, SPAN_US

SPANS_AN_HOUR = 6  # for which a moment of a silence stands: as long as weather lasts they count together


@dataclass(frozen=True)
class Moments:
    """Moments of silences, (n,) each: of which gap, for how many spans of ten minutes, and who else was there.

    heard, missed: ship-hours of others about it in that hour; lately_heard, lately_missed: of the time before.
    known: whether anybody was placed in the very cell lately; beyond is the edge of what is received, or of the data.
    """

    gap: Ints
    spans: Ints
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

    def others_heard(self, weak: Bools, rules: ReceptionRules) -> tuple[Floats, Floats]:
        """In how many spans others tell, and the mean share of them heard, of each gap, (gaps,) each.

        weak: sets of class B, (gaps,): what hardly hides the others hides them. Where nobody tells, half are heard.
        """
        gaps, tells = len(weak), self.tells(rules)
        gap, spans = self.gap[tells], self.spans[tells]
        times = np.asarray(np.bincount(gap, spans, gaps), float)
        # each hour by itself, drawn to what the days before tell: a storm or an outage must not drown in days
        heard, missed = self.lately_heard[tells], self.lately_missed[tells]
        prior = rules.prior_heard + rules.prior_missed
        place = (rules.prior_heard + heard) / (prior + heard + missed)
        then, then_heard = self.heard[tells] + self.missed[tells], self.heard[tells]
        share = (rules.hour_weight * place + then_heard) / (rules.hour_weight + then)
        share = np.where(weak[gap], share**rules.class_b_power, share)
        total = np.bincount(gap, spans * share, gaps)
        return times, np.where(times > 0, total / np.maximum(times, 1), rules.prior_heard / prior)

    def judged_hours(self, gaps: int, rules: ReceptionRules) -> list[Floats]:
        """Hours that tell, and ship-hours heard and missed in them, of each gap, (gaps,)."""
        whole = self.tells(rules) * self.spans / SPANS_AN_HOUR
        return [np.asarray(np.bincount(self.gap, whole * of, gaps), float) for of in (1, self.heard, self.missed)]


@dataclass(frozen=True)
class OwnHearing:
    """How well vessels are heard themselves, (n,) each.

    share: of its hours, over days, within the bounds of the rules. heard_h, missed_h: those hours. beside: share of the
    spans right before and right after the gap, that of the worse side above all; ashore: of those that no satellite can
    have given. weak: it is a set of class B.
    """

    share: Floats
    heard_h: Floats
    missed_h: Floats
    beside: Floats
    ashore: Floats
    weak: Bools


def own_hearing(gaps: pa.Table, rules: ReceptionRules) -> OwnHearing:
    """How well the vessels of gaps are heard, (n,) each: the worse side of each counts, the other one a little."""
    heard, missed = (np.asarray(gaps[name]).astype(float) for name in ("own_heard_h", "own_missed_h"))
    share = (heard + rules.own_weight_h) / (heard + missed + rules.own_weight_h)
    resumed, near = gaps["end_time"].is_valid(), (1 << BESIDE * SPAN_US // PASS_US) - 1

    def drawn(ashore: bool) -> Floats:
        """The share of spans beside the gap, that of the worse side above all."""
        sides = []
        for side in ("before", "after"):
            of_satellites = np.bitwise_count(np.asarray(gaps[f"satellite_{side}"]) & near) * (PASS_US // SPAN_US)
            spans = np.asarray(gaps[f"heard_{side}"].fill_null(0)) - of_satellites * ashore
            sides.append(np.maximum(spans, 0) / BESIDE)
        before, after = sides[0], np.where(resumed, sides[1], sides[0])
        least, most = np.minimum(before, after), np.maximum(before, after)
        return np.asarray(least + rules.better_side_weight * (most - least))

    weak = np.asarray(pc.not_equal(pc.coalesce(gaps["class0"], gaps["class1"], pa.scalar("B")), "A"))  # or unknown
    return OwnHearing(np.maximum(share, rules.own_share_least), heard, missed, drawn(False), drawn(True), weak)


def silence_chance(of: Moments, own: OwnHearing, rules: ReceptionRules, by_satellites: Floats | float = 1.0) -> Floats:
    """The chance (gaps,) that a vessel which sends all the time is not heard in some moments; 1 where none tells.

    It is told once by spans, as the vessel was heard right beside the gap, and once by hours, as it was heard for days.
    The lesser one holds: who was never missed for an hour in a week is not missed for ten by accident, though every
    second span be empty. by_satellites: the chance that they miss it; stations ashore miss it independently of them.
    """
    times, others = of.others_heard(own.weak, rules)
    times = np.minimum(times, rules.independent_h * SPANS_AN_HOUR)
    by_spans = _unheard(own.share * own.beside * others, BESIDE, times, rules.correlation, rules)
    hours = own.heard_h + own.missed_h
    steady = (own.heard_h + rules.prior_heard) / (hours + rules.prior_heard)
    near = 1 - (1 - own.beside) ** rules.independent_spans
    by_hours = _unheard(steady * near * others, hours, times / SPANS_AN_HOUR, rules.hour_correlation, rules)
    by_all = np.where(times > 0, np.minimum(by_spans, by_hours), 1.0)
    worth = BESIDE / (1 + (BESIDE - 1) * rules.correlation)
    heard = np.maximum(worth * own.share * own.ashore * others, 1e-9)  # no prior: whom no station heard none misses
    ashore = unheard(heard, rules.prior_missed + np.maximum(worth - heard, 0), times)
    return np.minimum(by_all, by_satellites * np.where(times > 0, ashore, 1.0))


def _unheard(share: Floats, counted: Floats | int, times: Floats, together: float, rules: ReceptionRules) -> Floats:
    """The chance (n,) to be missed so many times, as the share heard of so many counted before tells.

    together: correlation of those counted; they are heard or missed together, so that all of them are worth a few.
    """
    worth = counted / (1 + np.maximum(counted - 1, 0) * together)
    return unheard(rules.prior_heard + worth * share, rules.prior_missed + worth * (1 - share), times)


def unheard(a: Floats, b: Floats, times: Floats) -> Floats:
    """The mean of (1 - p) ** times for p of Beta(a, b), (n,): not heard so many times in a row.

    >>> unheard(np.array([1.0]), np.array([1.0]), np.array([3.0])).round(6).tolist()
    [0.25]
    """
    log = gammaln(b + times) - gammaln(a + b + times) - gammaln(b) + gammaln(a + b)
    return np.asarray(np.exp(np.minimum(log, 0.0)))


# ------------------------------------------------- passes of satellites, and who was heard in those beside a gap
# Between passes nobody is heard by satellite, within one most are. So a satellite's silence is counted by passes.

PASSES = ("passes", "passes_beside", "passes_heard")
PASS_SPANS = 2  # of PASS_US: a satellite at 600 km is over a place for a quarter of an hour at most


@dataclass(frozen=True)
class Passes:
    """Passes of satellites, (n,) each: how many within gaps, and beside them before and after; and of those heard."""

    within: Ints
    before: Ints
    heard_before: Ints
    after: Ints
    heard_after: Ints

    def columns(self) -> dict[str, Ints]:
        """As columns of schema.JUDGED_GAPS, PASSES."""
        both = self.before + self.after, self.heard_before + self.heard_after
        return dict(zip(PASSES, (self.within, *both), strict=True))

    def share(self, resumed: Bools, moved: Bools, rules: ReceptionRules) -> Floats:
        """The share of passes (n,) in which satellites hear the vessel, as those beside the gap tell.

        resumed: it was heard again. moved: it can not have lain still for most of the gap. Who lies sends less often,
        so that the side on which it was missed more often counts, unless it moved.
        """
        before = (self.heard_before + 0.5) / (self.before + 1.0)
        after = np.where(resumed, (self.heard_after + 0.5) / (self.after + 1.0), before)
        least, most = np.minimum(before, after), np.maximum(before, after)
        drawn = np.where(moved, rules.pass_moved_weight, rules.better_side_weight)
        return np.asarray(least + drawn * (most - least))

    def chance(self, share: Floats, rules: ReceptionRules, part: Floats | float = 1.0) -> Floats:
        """The chance (n,) that satellites miss a vessel which sends in `part` of the passes, 1 where there are none.

        share: of passes in which they hear it, (n,).
        """
        beside = (self.before + self.after).astype(float)
        within = np.asarray(self.within * part, float)
        return np.asarray(_unheard(share, beside, within, rules.pass_correlation, rules))


def passes_of(gaps: pa.Table, end_us: Ints, counts: pa.Table, rules: ReceptionRules) -> Passes:
    """The passes of gaps, schema.GAPS, judged until end_us (n,); counts: schema.SATELLITE_COUNTS.

    A pass is a run of spans in each of which satellites heard `pass_vessels` others in the region, PASS_SPANS at most.
    That in which the vessel was heard last, or first again, counts for neither side. Of long gaps count the first and
    the last `edge_h`. Up to the middle of a gap the region is that of its start, then that of its end.
    """
    masks = [np.asarray(gaps[f"satellite_{side}"]) for side in ("before", "after")]
    rows = np.flatnonzero((masks[0] | masks[1]) != 0)  # whom satellites never heard they tell nothing of
    start, end = micros(gaps, "start_time")[rows] // PASS_US, end_us[rows] // PASS_US
    resumed = np.asarray(gaps["end_time"].is_valid())[rows]
    edge, middle = hours(rules.edge_h) // PASS_US, np.where(resumed, (start + end) // 2, end)
    sides = (
        (start, -1, start - PASSES_BESIDE + 1, np.minimum(middle, start + edge)),
        (end, 1, np.maximum(middle, end - edge), np.where(resumed, end + PASSES_BESIDE, 0)),
    )
    within, beside, heard_beside = np.zeros((3, 2, gaps.num_rows), np.int64)
    for side, (own, way, first, until) in enumerate(sides):
        gap, nth = spread(np.maximum(until - first, 0))
        off = (first[gap] + nth - own[gap]) * way  # spans from the fix beside the gap, below 0 within it
        heard = (off >= 0) & (masks[side][rows[gap]] >> np.clip(off, 0, PASSES_BESIDE - 1) & 1 == 1)
        places = [np.asarray(gaps[f"{axis}{side}"].fill_null(0.0))[rows] for axis in ("lon", "lat")]
        others = _heard_by_satellite(counts, places[0], places[1], rules)(gap, first[gap] + nth) - heard
        of_pass, head = _runs(others >= rules.pass_vessels, nth == 0)
        if not len(of_pass):
            continue
        whole = rows[gap[of_pass[head]]]
        least, most = np.minimum.reduceat(off[of_pass], head), np.maximum.reduceat(off[of_pass], head)
        found = np.logical_or.reduceat(heard[of_pass], head)
        n = gaps.num_rows
        within[side] = np.bincount(whole[most < 0], minlength=n)
        near = np.flatnonzero(least > 0)[::way]  # the nearest first
        near = near[spread(np.diff(np.append(starts_of(whole[near]), len(near))))[1] < rules.passes_beside]
        beside[side] = np.bincount(whole[near], minlength=n)
        heard_beside[side] = np.bincount(whole[near][found[near]], minlength=n)
    return Passes(within.sum(axis=0), beside[0], heard_beside[0], beside[1], heard_beside[1])


def _runs(on: Bools, first: Bools) -> tuple[Ints, Ints]:
    """The rows that are on, (m,), and where among these runs begin, of PASS_SPANS at most; first: of another row."""
    nth = np.arange(len(on))
    before = np.maximum.accumulate(np.where(on, np.where(first, nth - 1, -1), nth)) if len(on) else nth
    rows = np.flatnonzero(on)
    return rows, np.flatnonzero((rows - before[rows] - 1) % PASS_SPANS == 0)


def _heard_by_satellite(
    counts: pa.Table, lon: Floats, lat: Floats, rules: ReceptionRules
) -> Callable[[Ints, Ints], Ints]:
    """How many vessels satellites heard in the regions of points, (n,), to be asked by point and span, (m,) each."""
    cells, at = np.unique(grid_cell(lon, lat, rules.pass_deg), return_inverse=True)
    span = micros(counts, "span") // PASS_US
    if not len(span) or not len(cells):
        return lambda point, asked: np.zeros(len(point), np.int64)
    low, many = int(span.min()), int(span.max() - span.min()) + 1
    heard = np.zeros(len(cells) * many)
    cell, vessels = np.asarray(counts["cell"]), np.asarray(counts["vessels"])
    for near in (row * GRID_ROW + column for row in (-1, 0, 1) for column in (-1, 0, 1)):
        of = np.minimum(np.searchsorted(cells, cell - near), len(cells) - 1)
        same = cells[of] == cell - near
        heard += np.bincount(of[same] * many + (span[same] - low), vessels[same], len(heard))

    def asked_of(point: Ints, asked: Ints) -> Ints:
        known = (asked >= low) & (asked < low + many)
        return np.where(known, heard[at[point] * many + np.clip(asked - low, 0, many - 1)], 0).astype(np.int64)

    return asked_of


# ------------------------------------------------------------ silences of several vessels that have one cause


@dataclass(frozen=True)
class Together:
    """How many other gaps near each, (n,), go with it: in the whole of it, in its begin, in its end."""

    whole: Ints
    begin: Ints
    end: Ints

    def of_one_cause(self, rules: ReceptionRules) -> Bools:
        """Whether what they have in common is more likely to be a receiver than each vessel's own, (n,)."""
        one_side: Bools = np.maximum(self.begin, self.end) >= rules.together_least
        return one_side | (self.whole > 0)

    def columns(self) -> dict[str, Ints]:
        """As columns of schema.JUDGED_GAPS."""
        return {"silent_together": self.whole, "began_together": self.begin, "ended_together": self.end}


def silent_together(gaps: pa.Table, beside: pa.Table, rules: ReceptionRules) -> Together:
    """How many other gaps near each began or ended with it: a receiver failed, or a coast switched off.

    gaps, beside: schema.GAPS, those of gaps among both. Near is the same or the next cell of `together_deg`, and the
    same or the next `together_min`. Of begins and ends count those of gaps that end `together_after_h` after it at
    most: of what ends later nobody may know yet, and no cut of the data shall show.
    """
    every, own = (_placed(each, rules, rules.together_deg) for each in (beside, gaps))
    resumed, until = np.asarray(gaps["end_time"].is_valid()), _asked_until(gaps, own, rules)

    def others(*names: str, until: Ints | None = None) -> Ints:
        """How many others are alike in these columns, and end until then."""
        at, of = ([columns[name] for name in names] for columns in (own, every))
        return np.maximum(_alike(at, of, until, every["end"]) - 1, 0)

    end = np.where(resumed, others("end", "lon1", "lat1", until=until), 0)
    return Together(others("begin", "end", "lon0", "lat0"), others("begin", "lon0", "lat0", until=until), end)


_BROKEN_D = 7


def broken_off(gaps: pa.Table, beside: pa.Table, rules: ReceptionRules) -> Ints:
    """How many others were lost or came back right where gaps began, and where they ended, (n,): the fewer of both.

    gaps, beside: as for silent_together. Right there is the same or the next cell of `gate_deg`. Others' gaps ended
    in the week before it, in it, or `together_after_h` after it. Where a gap did not end, where it began tells alone.
    """
    every, own = _placed(beside, rules, rules.gate_deg), _placed(gaps, rules, rules.gate_deg)
    until = _asked_until(gaps, own, rules)
    since = own["begin"] - days(_BROKEN_D) // minutes(rules.together_min)
    places = [np.concatenate([every[f"{axis}0"], every[f"{axis}1"]]) for axis in ("lon", "lat")]
    ends = np.concatenate([every["end"], every["end"]])
    resumed = own["end"] > 0
    one_place = (np.abs(own["lon0"] - own["lon1"]) <= 1) & (np.abs(own["lat0"] - own["lat1"]) <= 1)
    found = []
    for side in "01":
        at = [own[f"lon{side}"], own[f"lat{side}"]]
        near = _alike(at, places, until, ends) - _alike(at, places, since, ends)
        found.append(near - resumed * (1 + one_place))
    return np.asarray(np.where(resumed, np.minimum(*found), found[0]))


def _asked_until(gaps: pa.Table, own: dict[str, Ints], rules: ReceptionRules) -> Ints:
    """The last step of `together_min` in which another gap may end that counts for gaps, (n,)."""
    step_us = minutes(rules.together_min)
    resumed = np.asarray(gaps["end_time"].is_valid())
    until_us = np.where(resumed, own["end"] * step_us, own["begin"] * step_us + hours(rules.edge_h))
    return np.asarray((until_us + hours(rules.together_after_h)) // step_us)


def _placed(gaps: pa.Table, rules: ReceptionRules, cell_deg: float) -> dict[str, Ints]:
    """When and where gaps begin and end, (n,) each, in whole steps of `together_min` and cells.

    The end is 0 of those that did not end.
    """
    step_us = minutes(rules.together_min)
    end_us = np.asarray(gaps["end_time"].cast(pa.int64()).fill_null(0))
    cells = {
        name: np.floor(np.asarray(gaps[name].fill_null(0.0)) / cell_deg).astype(np.int64)
        for name in ("lon0", "lat0", "lon1", "lat1")
    }
    return cells | {"begin": micros(gaps, "start_time") // step_us, "end": end_us // step_us}


def _alike(at: Sequence[Ints], of: Sequence[Ints], until: Ints | None, end: Ints) -> Ints:
    """How many rows have the same or the next value in each column as each row of `at`, (n,), itself among them.

    until: the greatest `end` of those that count, all where not given; rows whose end is 0 have none, and do not.
    """
    low = [int(column.min(initial=0)) - 1 for column in of]
    size = [int(column.max(initial=0)) - least + 2 for column, least in zip(of, low, strict=True)]
    last, first = int(end.max(initial=0)), int(end[end > 0].min(initial=1 << 62))
    ends = last - first + 3 if until is not None and last else 1

    def key(columns: Sequence[Ints], nth: Ints | int) -> Ints:
        out = np.zeros(len(columns[0]), np.int64)
        for column, least, most in zip(columns, low, size, strict=True):
            out = out * most + column - least
        return out * ends + nth

    never = ends - 1
    rows = np.sort(key(of, np.where(end > 0, end - first, never) if ends > 1 else 0))
    order = np.argsort(key(at, 0))  # in order they are found at half the cost
    at = [column[order] for column in at]
    upto = np.clip(until[order] - first, -1, never - 1) if until is not None and ends > 1 else 0
    found = np.zeros(len(order), np.int64)
    shifted = len(at) - (ends == 1)  # values of the last column follow each other where no end stands behind them
    for shift in np.indices((3,) * shifted).reshape(shifted, -1).T - 1:
        nearest, farthest = (
            [column + by for column, by in zip(at, (*shift, *(edge,) * (ends == 1)), strict=True)] for edge in (-1, 1)
        )
        found[order] += np.searchsorted(rows, key(farthest, upto), "right") - np.searchsorted(rows, key(nearest, 0))
    return found


def whole_days(start_us: Ints, end_us: Ints, rules: ReceptionRules) -> Bools:
    """Whether gaps begin right before a midnight (UTC) and end right after a later one, (n,): archives come by days."""
    day_us, edge_us = days(1), minutes(rules.day_edge_min)
    whole: Bools = (start_us % day_us >= day_us - edge_us) & (end_us % day_us < edge_us) & (end_us - start_us >= day_us)
    return whole
