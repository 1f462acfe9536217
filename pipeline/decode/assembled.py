"""Sentences to whole messages, and the clock of a capture whose lines carry no time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from operator import xor

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stswatch.pipeline.decode.lines import Bools, Bytes, Ints
from stswatch.pipeline.decode.multipart import Parts, Several, assemble, join
from stswatch.pipeline.decode.sentences import Sentences
from stswatch.pipeline.decode.stamps import FIRST_PLAUSIBLE_US, NO_TIME, Arrivals
from stswatch.pipeline.decode.units import where
from stswatch.pipeline.schema.lake_tables import CODES
from stswatch.pipeline.times import micros

# ------------------------------ RMC and ZDA sentences of NMEA 0183, in which a satellite receiver tells date and time
# Source: NMEA 0183 4.10, RMC (recommended minimum data) and ZDA (time and date).

_SENTENCE = re.compile(rb"\$([A-Z]{2})(RMC|ZDA),([^*$!\\\r\n]*)\*([0-9A-F]{2})(?![0-9A-Fa-f])")
_TIME = re.compile(rb"(\d{6})(?:\.(\d{1,6}))?")
_CENTURY = 80  # a year of two digits from here on is one of the last century


def clock_sentences(text: bytes) -> tuple[Ints, Ints, Ints, Ints]:
    """Where these sentences begin, where the line after each begins, UTC microseconds, and the talker, (n,) each.

    Only those whose checksum holds, with a fix where they say so, and with a date from 1995 on. A talker is a number
    below 0. Never raises.

    >>> begin, after, time_us, _ = clock_sentences(b"$GPZDA,120005.00,10,03,2025,00,00*67\\n!AIVDM")
    >>> begin.tolist(), after.tolist(), time_us.tolist()
    ([0], [37], [1741608005000000])
    """
    found = []
    for sentence in _SENTENCE.finditer(text):
        if reduce(xor, sentence[0][1:-3], 0) != int(sentence[4], 16):
            continue
        time_us = (_rmc if sentence[2] == b"RMC" else _zda)(sentence[3].split(b","))
        if time_us is None or time_us < FIRST_PLAUSIBLE_US:
            continue
        after = text.find(b"\n", sentence.end()) + 1 or len(text)
        found.append((sentence.start(), after, time_us, -1 - int.from_bytes(sentence[1], "little")))
    begin, after_, stamped_us, talker = np.array(found, np.int64).reshape(-1, 4).T
    return begin, after_, stamped_us, talker


def _rmc(fields: list[bytes]) -> int | None:
    """Time, status, position, speed, course, and the date as ddmmyy; a status of V is a warning."""
    if len(fields) < 9 or fields[1] != b"A" or len(fields[8]) != 6 or not fields[8].isdigit():
        return None
    day, month, year = (int(fields[8][at : at + 2]) for at in (0, 2, 4))
    return _moment(year + (1900 if year >= _CENTURY else 2000), month, day, fields[0])


def _zda(fields: list[bytes]) -> int | None:
    """Time, day, month, year; the local zone after them is not looked at, the time is UTC."""
    if len(fields) < 4 or not all(field.isdigit() and len(field) <= 4 for field in fields[1:4]):
        return None
    day, month, year = (int(field) for field in fields[1:4])
    return _moment(year, month, day, fields[0])


def _moment(year: int, month: int, day: int, time: bytes) -> int | None:
    found = _TIME.fullmatch(time)
    if found is None:
        return None
    hour, minute, second = (int(found[1][at : at + 2]) for at in (0, 2, 4))
    try:
        when = datetime(year, month, day, hour, minute, second, int((found[2] or b"0").ljust(6, b"0")), UTC)
        return micros(when)
    except ValueError:
        return None


# ----------------------- The clock of a capture whose lines carry no time, from what tells date and time between them
# These are reports of base stations (types 4 and 11), and the RMC and ZDA sentences of a satellite receiver. Single
# base stations lie. Each of them, and each talker of RMC and ZDA, is heard once in every 200th of the file, once in
# every 200th of all reports, and at its last, so that no talkative one outvotes the others; a report agrees if it
# lies within AGREE_US of the median of the reports round it in the file. Between the agreeing reports, the first and
# last included, time runs evenly with the bytes, and never backwards. Before the first and after the last of them it
# is known for BEYOND_S, at the rate heard last; farther away there is no time.

AGREE_US = 300_000_000
BEYOND_S = 60  # base stations report every 10 s: who hears none for so long has lost them, and the rate may be another
LEAST_REPORTS = 3
_BEYOND_BYTES = 4_096  # and where no rate is known: some 50 sentences, some seconds where there is traffic
_RATE_US = 600_000_000  # the rate beyond the ends is that of so long before them
_SEGMENTS, _FINE = 200, 4_000
_BESIDE = 25  # reports before and after one with which it is compared
_LEAST_BESIDE = 5
_QUARTILES = (25, 50, 75)
_KNOTS = 4_096


@dataclass(frozen=True)
class CaptureClock:
    """Time by the offset in the file: knots of (offset, UTC microseconds), rising, one or more.

    still: the time of the one knot is that of the whole file.
    """

    knots: tuple[tuple[int, int], ...] = field(repr=False)
    still: bool = True  # of a clock with one knot

    def at(self, offset: Ints) -> Ints:
        """UTC microseconds at offsets (n,), to the millisecond; NO_TIME far outside the knots, see BEYOND_S.

        >>> CaptureClock(((0, 0), (100, 1_000_000))).at(np.array([50, 200])).tolist()
        [500000, 2000000]
        >>> CaptureClock(((0, 0), (100, 1_000_000))).at(np.array([6_200])).tolist() == [NO_TIME]
        True
        """
        place, time_us = np.array(self.knots, np.int64).T
        if len(place) == 1 and self.still:
            return np.full(len(offset), time_us[0] // 1_000 * 1_000)
        known_s = (time_us - time_us[0]) / 1e6
        second = np.interp(offset, place, known_s)
        known = np.ones(len(offset), np.bool_)
        after, before = np.searchsorted(time_us, (time_us[0] + _RATE_US, time_us[-1] - _RATE_US + 1)).tolist()
        for rows, end, inner in (
            (np.flatnonzero(offset < place[0]), 0, min(after, len(place) - 1)),
            (np.flatnonzero(offset > place[-1]), -1, max(before - 1, 0)),
        ):
            beyond = offset[rows] - place[end]
            bytes_, seconds = place[inner] - place[end], known_s[inner] - known_s[end]
            rate = seconds / bytes_ if bytes_ else 0.0
            second[rows] += rate * beyond
            known[rows] = np.abs(rate * beyond) <= BEYOND_S if rate else np.abs(beyond) <= _BEYOND_BYTES
        stamped_us = np.floor(second * 1e3).astype(np.int64) * 1_000 + time_us[0]
        return np.asarray(np.where(known, stamped_us, NO_TIME), np.int64)


@dataclass(frozen=True)
class Consensus:
    """What the reports of a file agree on; clock is None where they do not; by_fix: whether RMC or ZDA takes part."""

    clock: CaptureClock | None
    agreeing: int
    reports: int
    stations: int
    by_fix: bool = False


def consensus(offset: Ints, time_us: Ints, mmsi: Ints, size: int) -> Consensus:
    """The clock on which most of those that tell time in a file agree; never raises.

    offset, time_us, mmsi: (n,) one for each report, offsets rising; mmsi: of base stations, below 0 for the talkers of
    RMC and ZDA, of which one report is enough; size: bytes of the file.
    """
    rank = np.arange(len(mmsi)) * _SEGMENTS // max(len(mmsi), 1)
    once = _once(mmsi, offset * _SEGMENTS // max(size, 1), rank)
    _, last = np.unique(mmsi[::-1], return_index=True)
    once = np.union1d(once, len(mmsi) - 1 - last)
    stamped_us, stations = time_us[once], len(np.unique(mmsi))
    agree = _agrees(offset[once], stamped_us)
    agree[agree] = _agrees(offset[once][agree], stamped_us[agree])  # once more without those that were far off
    agreeing = int(agree.sum())
    own = once[agree & (mmsi[once] < 0)]
    if 2 * agreeing <= len(once) or (agreeing < LEAST_REPORTS and not len(own)):
        return Consensus(None, agreeing, len(once), stations)
    chosen = _in_step(offset, time_us, once[agree], mmsi, offset * _FINE // max(size, 1))
    clock = CaptureClock(_knots(offset[chosen], time_us[chosen]), still=False)
    return Consensus(clock, agreeing, len(once), stations, len(own) > 0)


def _once(who: Ints, *parts: Ints) -> Ints:
    """The first row of each in each part; parts count from 0."""
    key = who
    for part in parts:
        key = key * (int(part.max(initial=0)) + 1) + part
    return np.unique(key, return_index=True)[1]


def _in_step(offset: Ints, time_us: Ints, agreeing: Ints, mmsi: Ints, part: Ints) -> Ints:
    """More reports than had a vote: those that tell no time far outside that of the agreeing ones before and after.

    agreeing: rows, rising; mmsi, part: who tells it and in which part of the file: one of each is enough, but of
    satellite receivers, which stand beside the sentences, all are taken.
    """
    rows = np.union1d(_once(mmsi, part), np.flatnonzero(mmsi < 0))
    stamped_us = np.maximum.accumulate(time_us[agreeing])
    after = np.searchsorted(offset[agreeing], offset[rows])
    earliest = stamped_us[np.maximum(after - 1, 0)] - AGREE_US
    latest = stamped_us[np.minimum(after, len(agreeing) - 1)] + AGREE_US
    inside = (after > 0) & (offset[rows] <= offset[agreeing[-1]])
    return np.union1d(agreeing, rows[inside & (time_us[rows] >= earliest) & (time_us[rows] <= latest)])


def _agrees(offset: Ints, stamped_us: Ints) -> Bools:
    """Where a report is near the median of as many reports before it as after it, as time passes between them.

    So a capture may be of any length: where reports are rare, half of what passes between them is allowed on top. The
    first and last few, of which one side is missing, are held to the line through those beside them.
    """
    n, few = len(stamped_us), 2 * _LEAST_BESIDE + 1
    if n <= few:
        return _on_a_line(offset, stamped_us)
    low, middle, high = np.zeros((3, n))
    for at in range(_LEAST_BESIDE, min(n - _LEAST_BESIDE, _BESIDE)):
        beside = min(at, n - 1 - at)
        for here in (at, n - 1 - at):
            around = stamped_us[here - beside : here + beside + 1]
            low[here], middle[here], high[here] = np.percentile(around, _QUARTILES)
    if n > 2 * _BESIDE:
        inner = slice(_BESIDE, -_BESIDE)
        around = np.sort(sliding_window_view(stamped_us, 2 * _BESIDE + 1), axis=1)
        low[inner], middle[inner], high[inner] = (_between(around, share / 100) for share in _QUARTILES)
    agree = np.abs(stamped_us - middle) <= AGREE_US + np.minimum(middle - low, high - middle)
    agree[:_LEAST_BESIDE] = agree[-_LEAST_BESIDE:] = False
    sure = np.flatnonzero(agree)
    for ends, known in ((slice(0, _LEAST_BESIDE), sure[:few]), (slice(n - _LEAST_BESIDE, n), sure[-few:])):
        if len(known) >= LEAST_REPORTS:
            rate, at_us = _line(offset[known], stamped_us[known])
            expected = at_us + rate * (offset[ends] - offset[known[0]])
            passed = rate * np.abs(offset[ends] - offset[known[0 if ends.start == 0 else -1]])
            agree[ends] = np.abs(stamped_us[ends] - expected) <= AGREE_US + passed / 2
    return np.asarray(agree | _on_a_line(offset, stamped_us) if n < 2 * few else agree)


def _between(ordered: Ints, share: float) -> NDArray[np.float64]:
    """What that share of each row, which rises, lies below."""
    at, beyond = divmod(share * (ordered.shape[1] - 1), 1)
    one, other = ordered[:, int(at)], ordered[:, math.ceil(at + beyond)]
    return np.asarray(one + (other - one) * beyond)


def _on_a_line(offset: Ints, stamped_us: Ints) -> Bools:
    """Which of a few reports lie near the line through most of them. Source: H. Theil (1950), P. K. Sen (1968)."""
    n = len(stamped_us)
    if n < LEAST_REPORTS:
        return np.ones(n, np.bool_) if (np.diff(stamped_us) >= 0).all() else np.zeros(n, np.bool_)
    rate, at_us = _line(offset, stamped_us)
    allowed = AGREE_US + np.median(np.abs(np.diff(stamped_us))) / 2
    return np.asarray(np.abs(stamped_us - at_us - rate * (offset - offset[0])) <= allowed)


def _line(offset: Ints, stamped_us: Ints) -> tuple[float, float]:
    """Microseconds a byte, and the time at the first offset, of the line through most of a few reports."""
    one, other = np.triu_indices(len(offset), 1)
    apart = offset[other] - offset[one]
    slopes = (stamped_us[other] - stamped_us[one])[apart > 0] / apart[apart > 0]
    rate = max(float(np.median(slopes)), 0.0) if len(slopes) else 0.0
    return rate, float(stamped_us[0] + np.median(stamped_us - stamped_us[0] - rate * (offset - offset[0])))


def _knots(offset: Ints, time_us: Ints) -> tuple[tuple[int, int], ...]:
    """The first and last report and at most _KNOTS between them, none earlier than the one before.

    Of three reports in a row the middle one counts, so that no single one stands out; of many, the median of some.
    """
    time_us = _smoothed(offset, time_us)
    place, time_us = (_medians(values).astype(np.int64) for values in (offset, time_us))
    place, first = np.unique(place, return_index=True)
    return tuple(zip(place.tolist(), np.maximum.accumulate(time_us)[first].tolist(), strict=True))


def _medians(values: Ints) -> NDArray[np.float64]:
    """The first and the last value, and of those between the medians of at most _KNOTS parts, the first ones longer."""
    between = values[1:-1]
    size, longer = divmod(len(between), min(_KNOTS, len(between)) or 1)
    cut = longer * (size + 1)
    parts = [between[:cut].reshape(longer, size + 1), between[cut:].reshape(-1, size or 1)]
    medians = [np.median(part, axis=1) for part in parts if len(part)]
    return np.concatenate([values[:1], *medians, values[-1:]])


def _smoothed(offset: Ints, time_us: Ints) -> Ints:
    """The running median of three, at the ends with what the next two make of it. Source: J. W. Tukey (1977)."""
    n = len(time_us)
    if n < LEAST_REPORTS:
        return time_us
    smooth = time_us.copy()
    smooth[1:-1] = np.median(sliding_window_view(time_us, 3), axis=1).astype(np.int64)
    for end, one, two in ((0, 1, 2), (n - 1, n - 2, n - 3)):
        rate = (smooth[two] - smooth[one]) / max(abs(int(offset[two] - offset[one])), 1)
        beyond = int(smooth[one] - rate * abs(int(offset[one] - offset[end])))
        smooth[end] = int(np.median([time_us[end], smooth[one], beyond]))
    return smooth


# ----------------- Sentences to whole messages: those of one sentence, and those of several whose parts are all there


@dataclass(frozen=True)
class Whole:
    """Whole messages in the order of their first sentences, (n,) each, and their further sentences, (m,) each.

    sentence: row of the first sentence; data, start, end: the payloads; fill: bits that fill up the last character;
    time_us: when it was received, else NO_TIME; of, further: to which message each further sentence belongs, and its
    row; ambiguous: rows of sentences that could belong to several messages.
    """

    sentence: Ints
    data: Bytes
    start: Ints
    end: Ints
    fill: NDArray[np.int8]
    time_us: Ints
    of: Ints
    further: Ints
    ambiguous: Ints

    def parts_of(self, rows: Ints) -> tuple[Ints, Ints]:
        """The further sentences of some messages, these numbered in the order given, which must rise."""
        place = np.searchsorted(rows, self.of)
        among = np.flatnonzero(np.append(rows, -1)[place] == self.of)
        return place[among], self.further[among]


def whole_messages(found: Sentences, owned: Bools, clock: CaptureClock | Arrivals | None) -> Whole:
    """The messages of which at least one sentence is owned, also where other sentences of it are not; never raises.

    owned: (n,) of the sentences; clock: for what tells no time.
    """
    several = _several(found, owned)
    edges = np.append(several.begins, len(several.rows))
    heads, tails = several.rows[several.begins], several.rows[edges[1:] - 1]
    begins = (found.code == 0) & (found.total == 1) & owned
    begins[heads] = True
    sentence = np.flatnonzero(begins)
    at = np.searchsorted(sentence, heads)
    start, end, fill = found.first[sentence], found.last[sentence], found.fill[sentence]
    spans = found.first[several.rows], found.last[several.rows]
    data, start[at], end[at] = join(found.data, found.size, *spans, several.begins)
    fill[at] = found.fill[tails]
    later = found.part[several.rows] > 1
    of, further = np.repeat(at, np.diff(edges))[later], several.rows[later]
    time_us = _times(found, sentence, of, further, clock)
    return Whole(sentence, data, start, end, fill, time_us, of, further, several.ambiguous)


def _several(found: Sentences, owned: Bools) -> Several:
    """Complete messages of several sentences of which one at least is owned."""
    parts = np.flatnonzero((found.code == 0) & (found.total > 1))
    total, part = (column[parts].astype(np.int64) for column in (found.total, found.part))
    sender = where(found.group[parts], found.talker[parts], found.station[parts])
    offset, own_us, alike, station = (c[parts] for c in (found.offset, found.own_us, found.alike, found.station))
    several = assemble(
        Parts(parts, offset, own_us, total, part, alike, sender, station),
        lambda one, other: _payload(found, parts[one]) != _payload(found, parts[other]),
    )
    rows, ambiguous = parts[several.rows], parts[several.ambiguous]
    if not len(rows):
        return Several(rows, several.begins, ambiguous)
    kept = np.logical_or.reduceat(owned[rows], several.begins)
    counts = np.diff(np.append(several.begins, len(rows)))[kept]
    begins = np.cumsum(counts) - counts
    return Several(rows[np.repeat(kept, np.diff(np.append(several.begins, len(rows))))], begins, ambiguous)


def _payload(found: Sentences, row: int) -> tuple[bytes, int]:
    return found.data[found.first[row] : found.last[row]].tobytes(), int(found.fill[row])


def _times(found: Sentences, sentence: Ints, of: Ints, further: Ints, clock: CaptureClock | Arrivals | None) -> Ints:
    """When each message was received: what its sentences tell, the first one first; else what the clock says."""
    time_us = found.own_us[sentence]
    tells = found.own_us[further] != NO_TIME
    silent = found.own_us[sentence] == NO_TIME
    message, first = np.unique(of[tells], return_index=True)
    first_us = found.own_us[further][tells][first]
    time_us[message] = np.where(silent[message], first_us, time_us[message])
    if clock is not None:
        without = time_us == NO_TIME
        if isinstance(clock, Arrivals):  # a time that is told and not understood is another than its arrival
            without &= ~found.unread[sentence]
        rows = np.flatnonzero(without)
        time_us[rows] = clock.at(found.offset[sentence[rows]])
    return time_us


def codes(found: Sentences, whole: Whole, code: NDArray[np.int8]) -> NDArray[np.int8]:
    """0 for each sentence that was used, else why not; code: (n,) what the decoder says of each message."""
    why = np.where((code == 0) & (whole.time_us == NO_TIME), np.int8(CODES["no_time"]), code)
    alone = (found.code == 0) & (found.total > 1)
    result = np.where(alone, np.int8(CODES["fragment_missing"]), found.code)
    result[whole.ambiguous] = CODES["fragment_ambiguous"]
    result[whole.sentence] = why
    result[whole.further] = why[whole.of]
    return result
