"""The checks of tracks, one row each, those by what reception tells, and the step that puts several tracks together.

A check that needs what a format lacks gives no row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stswatch.geo.coordinates.sphere import haversine_m, near_lon
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    MINUTE,
    SECOND,
    Batch,
    Bools,
    Floats,
    Ints,
    Result,
    Tables,
    build,
    concat,
    micros,
    ordered,
    starts_of,
)
from stswatch.pipeline.rules import Rules, hours, minutes
from stswatch.pipeline.track_rules import CheckRules
from stswatch.pipeline.tracks.checks import course_checks, jumps
from stswatch.pipeline.tracks.checks.jumps import check_rows
from stswatch.pipeline.tracks.identity import Walked
from stswatch.pipeline.tracks.legs import Intervals

# ------------------ What reception tells against positions: who can hear the place, fields that no transponder sends so
# Judged are blocks of fixed UTC hours that are over, each vessel beside all others of its block: what a feed or a
# converter does to all of them accuses none.

HEARD_WHERE, SENTENCE_FIELDS = "heard_where", "sentence_fields"
SLOTS = 2_250  # of a frame of one minute. Source: ITU-R M.1371-5, annex 2, 3.1.1
NO_SECOND = 60
_CLOCK_MIN = 3  # state and time of reception differ by less, receivers that lag among them
_REACHED = 0.9  # share of the vessels of a station that its reach holds
_KM = 1000.0


def heard_by(samples: pa.Table, rules: CheckRules) -> pa.Table:
    """Rows of schema.HEARD_BY: the places of each track and block by the station that heard them."""
    named = np.asarray(samples["station"]) != 0
    if not named.any():
        return schema.empty("heard_by")
    found, block = _in_blocks(samples.filter(pa.array(named)), rules)
    mmsi, track_us, station = np.asarray(found["mmsi"]), micros(found, "track_start"), np.asarray(found["station"])
    of_track = starts_of(mmsi, track_us, block)
    each = np.searchsorted(of_track, np.arange(len(block)), side="right") - 1
    places = np.diff(np.append(of_track, len(block)))
    order = np.lexsort((micros(found, "time"), station, each))
    starts = starts_of(each[order], station[order])
    count = np.diff(np.append(starts, len(order)))
    head, tail = order[starts], order[starts + count - 1]
    more = {"station": station[head], "samples": count, "of": places[each[head]]}
    return _block_rows("heard_by", found, head, tail, more)


def states_sent(samples: pa.Table, rules: CheckRules) -> pa.Table:
    """Rows of schema.STATES_SENT: how many states and seconds of each track and block are as no transponder sends."""
    sent = np.asarray(samples["sentence"]) != 0
    if not sent.any():
        return schema.empty("states_sent")
    found, block = _in_blocks(samples.filter(pa.array(sent)), rules)
    sentence, time_us = np.asarray(found["sentence"]), micros(found, "time")
    starts = starts_of(np.asarray(found["mmsi"]), micros(found, "track_start"), block)
    count = np.diff(np.append(starts, len(block)))
    odd = np.add.reduceat(_odd(sentence // 64 - 1, time_us).astype(np.int64), starts)
    # a second that is missing tells nothing: the standard has a value for it, and some sets send no other
    seconds, clock = (_different(second, starts) for second in (sentence % 64, time_us // SECOND % 60))
    known = np.add.reduceat((sentence % 64 != NO_SECOND).astype(np.int64), starts)
    seconds = np.where(known == count, seconds, NO_SECOND)
    more = {"states": count, "odd": odd, "seconds": seconds, "clock_seconds": clock}
    return _block_rows("states_sent", found, starts, starts + count - 1, more)


def _different(second: Ints, starts: Ints) -> Ints:
    """How many different seconds, 0 to 63, each group has, (k,)."""
    bits = np.bitwise_or.reduceat(np.int64(1) << second, starts).view(np.uint64)
    return np.bitwise_count(bits).astype(np.int64)


def _odd(state: Ints, time_us: Ints) -> Bools:
    """Communication states of messages 1 and 2 that are zero, name a slot that there is not, or tell another time.

    The submessage holds a slot where the slots left are 2, 4 or 6, hour and minute where one is left.
    Source: ITU-R M.1371-5, annex 2, 3.3.7.2.1 to 3.3.7.2.3.
    """
    left, message = (state >> 14) & 7, state & 0x3FFF
    no_slot = (left > 0) & (left % 2 == 0) & (message >= SLOTS)
    hour, minute = message >> 9, (message >> 2) & 0x7F
    late = (hour * 60 + minute - time_us // MINUTE + 720) % 1440 - 720
    other_time = (left == 1) & (hour < 24) & (minute < 60) & (np.abs(late) > _CLOCK_MIN)
    return np.asarray((state == 0) | no_slot | other_time)


def _in_blocks(samples: pa.Table, rules: CheckRules) -> tuple[pa.Table, Ints]:
    """The places in order of vessel, track and time, and the block of each."""
    time_us = micros(samples, "time")
    order = ordered(
        np.asarray(samples["mmsi"]).astype(np.int64), micros(samples, "track_start") // 1000, time_us // 1000
    )
    return samples.take(pa.array(order)).combine_chunks(), time_us[order] // hours(rules.block_h)


def _block_rows(table: str, found: pa.Table, head: Ints, tail: Ints, more: dict[str, Ints]) -> pa.Table:
    """Rows from the first and the last place of each."""
    columns = {name: np.asarray(found[name])[head] for name in ("mmsi", "lon", "lat")}
    time_us = micros(found, "time")
    columns |= {"track_start": micros(found, "track_start")[head]}
    return build(table, columns | {"start_time": time_us[head], "end_time": time_us[tail]} | more)


# ----------------------------------------------------------------------------------------- each beside all the others


def heard_where(rows: pa.Table, rules: CheckRules) -> pa.Table:
    """Tracks that a station heard far beyond where all others were whom it heard in the block.

    rows: schema.HEARD_BY of whole blocks, in any order. The middle of a station is the median of its vessels' places,
    its reach holds nine of ten of them.
    """
    if not rows.num_rows:
        return schema.empty("track_checks")
    keys = [("station", "ascending"), ("start_time", "ascending"), ("mmsi", "ascending"), ("track_start", "ascending")]
    rows = rows.sort_by(keys).combine_chunks()
    station, block = np.asarray(rows["station"]), micros(rows, "start_time") // hours(rules.block_h)
    starts = starts_of(station, block)
    count = np.diff(np.append(starts, rows.num_rows))
    each = np.repeat(np.arange(len(starts)), count)
    lon, lat = np.asarray(rows["lon"]), np.asarray(rows["lat"])
    near = near_lon(lon, lon[starts][each])
    lon0, lat0 = (_at_share(values, each, starts, count, 0.5)[each] for values in (near, lat))
    away_km = haversine_m(lon0, lat0, lon, lat) / _KM
    reach_km = _at_share(away_km, each, starts, count, _REACHED)
    usual = (count > rules.station_vessels) & (reach_km <= rules.station_reach_km)
    samples, of = np.asarray(rows["samples"]), np.asarray(rows["of"])
    most_km = reach_km + rules.station_beyond_km
    far = usual[each] & (away_km > most_km[each]) & (samples >= rules.station_samples) & (2 * samples > of)
    k = np.flatnonzero(far)
    return _checked(HEARD_WHERE, rows, k, np.round(away_km[k], 1), np.round(most_km[each][k], 1), samples[k])


def _at_share(values: Floats, each: Ints, starts: Ints, count: Ints, share: float) -> Floats:
    """The value below which this share of each group lies, (k,): one of its values."""
    order = np.lexsort((values, each))
    return np.asarray(values[order][starts + ((count - 1) * share).astype(np.int64)])


def sentence_fields(rows: pa.Table, rules: CheckRules) -> pa.Table:
    """Tracks whose states no transponder sends and whose seconds stand still, where hardly any other's are so.

    rows: schema.STATES_SENT of whole blocks, in any order.
    """
    states, odd = np.asarray(rows["states"]), np.asarray(rows["odd"])
    enough = states >= rules.state_samples
    if not enough.any():
        return schema.empty("track_checks")
    share = odd / np.maximum(states, 1)
    strange = enough & (share >= rules.state_share)
    block = np.unique(micros(rows, "start_time") // hours(rules.block_h), return_inverse=True)[1]
    others = np.bincount(block[enough], minlength=int(block.max()) + 1)[block] - 1
    alike = np.bincount(block[strange], minlength=int(block.max()) + 1)[block] - strange
    rare = (others >= rules.state_vessels) & (alike <= rules.state_feed_share * others)
    still = np.asarray(rows["seconds"]) <= rules.state_seconds
    still &= np.asarray(rows["clock_seconds"]) >= rules.state_clock_share * states
    k = np.flatnonzero(strange & rare & still)
    return _checked(SENTENCE_FIELDS, rows, k, np.round(share[k], 3), np.full(len(k), rules.state_share), states[k])


def _checked(name: str, rows: pa.Table, k: Ints, measured: Floats, threshold: Floats, samples: Ints) -> pa.Table:
    start_us, end_us = micros(rows, "start_time")[k], micros(rows, "end_time")[k]
    lon, lat = (np.asarray(rows[column])[k] for column in ("lon", "lat"))
    more = {"lon": lon, "lat": lat, "measured": measured, "threshold": threshold, "samples": samples}
    return check_rows(name, np.asarray(rows["mmsi"])[k], micros(rows, "track_start")[k], (start_us, end_us), **more)


# -------------------------------------------------------------------------- The table, and the step over many vessels


@dataclass(frozen=True)
class TrackCheck:
    """One check: its name in `track_checks`, what it measures and in which unit."""

    name: str
    measures: str
    unit: str


TRACK_CHECKS = (
    TrackCheck(jumps.IMPOSSIBLE_SPEED, "how far off the vessel was shown, to where no ship can go in that time", "km"),
    TrackCheck(jumps.DISPLACEMENT, "how many vessels went to one place at once: interference", "vessels"),
    TrackCheck(course_checks.CIRCLE, "how far the places stray from a circle", "of its radius"),
    TrackCheck(course_checks.GENERATED, "how far the places stray from an even course, in the median", "m"),
    TrackCheck(HEARD_WHERE, "how far it was from the middle of those whom the station heard besides", "km"),
    TrackCheck(SENTENCE_FIELDS, "which part of its communication states no transponder sends so", "share"),
    TrackCheck(jumps.INLAND, "how far from the shore, on land, it was shown after a hop that no ship makes", "km"),
    TrackCheck(course_checks.COPIED, "which part of the course repeats an earlier one, its speeds too", "share"),
)

JUDGED = schema.table("Until when blocks of crossings are judged.", schema.column("time", schema.UTC, "until then"))
STATE = {"leaps": schema.LEAPS, "crossings": schema.CROSSINGS, "judged": JUDGED}


def examine(
    walked: Walked, ready: pa.Table, between: Intervals, samples: pa.Table, until_us: int, final: bool, rules: Rules
) -> tuple[pa.Table, Tables]:
    """What the tracks of each vessel show by themselves, and what `compare` needs of them.

    ready: the new fixes; samples: the first result of the slice before. Gives the places to keep, and rows of
    identity_changes, checked_parts, leaps, crossings, heard_by and states_sent. Never raises.
    """
    changes, parts, leaps = jumps.jumps(walked, between, rules)
    samples = course_checks.sample(walked, ready, samples, rules.check)
    ended, samples = course_checks.over(samples, until_us, final, rules.check)
    heard = {"heard_by": heard_by(ended, rules.check), "states_sent": states_sent(ended, rules.check)}
    crossed = course_checks.crossings(walked, between, rules.check)
    checked = concat([parts, course_checks.windows(ended, rules.check)], schema.FLOW["checked_parts"])
    rows = {"identity_changes": changes, "checked_parts": checked, "leaps": leaps, "crossings": crossed}
    return samples, rows | heard


def compare(state: Tables, batch: Batch, rules: Rules) -> Result:
    """What the tracks of several vessels show together: numbers that change places, displacement, copied courses.

    Law: leaps and crossings come in whole buckets of thin_bucket_min, blocks are judged when they are over.
    """
    bucket_us = minutes(rules.vessel.thin_bucket_min)
    until_us = batch.watermark_us // bucket_us * bucket_us
    leaps = concat([state["leaps"], batch.table("leaps")], schema.LEAPS)
    before_us = int(micros(state["judged"], "time")[0]) if state["judged"].num_rows else -(1 << 60)
    to_us = (1 << 60) if batch.final else until_us
    swaps = jumps.handshakes(leaps, (before_us, to_us), rules)
    checked, crossings = course_checks.copies(
        state["crossings"], batch.table("crossings"), (before_us, to_us), rules.check
    )
    parts = [batch.table("checked_parts"), jumps.displacements(batch.table("leaps"), rules), checked]
    parts += [heard_where(batch.table("heard_by"), rules.check)]
    parts += [sentence_fields(batch.table("states_sent"), rules.check)]
    kept_us = 2 * minutes(rules.check.leap_within_min + rules.check.apart_min)
    recent = leaps.filter(pa.array(micros(leaps, "end") > until_us - kept_us))
    anything = crossings.num_rows + recent.num_rows > 0 and not batch.final
    judged = build(JUDGED, {"time": np.array([until_us])}) if anything else JUDGED.empty_table()
    kept = {"leaps": recent.combine_chunks(), "crossings": crossings, "judged": judged}
    rows = {
        "identity_events": concat([batch.table("identity_changes"), swaps], schema.FLOW["identity_events"]),
        "track_checks": concat(parts, schema.FLOW["track_checks"]),
    }
    return Result(kept, rows)
