"""Judged gaps beside the truth of simulated seas, and beside an oracle that knows the simulator's own chances.

Truth is that the set was off, whatever the cause. Of each silence the simulators tell how likely it was for a set that
sends (`log10_unheard`); no detector can know more. The oracle weighs that chance against the share of spans of SPAN_H
of a vessel in which sets of that sea are off: a vessel has many spans, so that rare silences of reception occur.
What it finds at DECIDED or above, or at 1 - DECIDED or below, is decided; nobody can decide the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coast.water import distance_to_shore_km
from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.pipeline.batch import HOUR, MINUTE, Bools, Column, Floats, Ints, Tables, micros
from stswatch.pipeline.rules import Rules, days
from stswatch.pipeline.steps import InMemory
from stswatch.pipeline.tracks.checks.jumps import HANDSHAKE
from stswatch.pipeline.tracks.checks.table import TRACK_CHECKS
from stswatch.pipeline.tracks.fixes import valid
from stswatch.pipeline.tracks.ship_hours import added
from stswatch.sample_ais.second.sea import SecondPlan
from stswatch.sample_ais.second.sea import simulate as simulate_second
from stswatch.sample_ais.simulation import VoyagePlan, simulate

DECIDED, SPAN_H = 0.99, 2.0
OFF = ("switched_off", "equipment")
LEFT = "left"  # the ship is beyond the edge of the sea: it is no silence of a set, and none of reception
NEAR_SHORE_KM = 50 * M_PER_NM / 1000
SHARES = (0.01, 0.03, 0.10)
PLAN = VoyagePlan(days=14.0)
SECOND_PLAN = SecondPlan(days=7.0, background=300, transfers=60, look_alikes=240)


@dataclass(frozen=True)
class JudgedGaps:
    """Judged gaps with their truth, (n,) each. log10_unheard: NaN where the simulator does not tell it.

    spans: how many spans of SPAN_H vessels of the sea had.
    """

    judgement: Column
    chance: Floats
    receiver: Column
    off: Bools
    log10_unheard: Floats
    near_shore: Bools
    spans: float

    def where(self, keep: Bools) -> JudgedGaps:
        """Some of them."""
        names = ("judgement", "chance", "receiver", "off", "log10_unheard", "near_shore")
        return JudgedGaps(**{name: getattr(self, name)[keep] for name in names}, spans=self.spans)

    def oracle(self) -> Floats:
        """The chance that the set was off, (n,), as who knows the simulator's chances has it."""
        share = self.off.sum() / self.spans
        unheard = 10.0 ** np.clip(self.log10_unheard, -300, 0)
        return np.asarray(share / (share + (1 - share) * unheard))


def silences(fixes: pa.Table, static_reports: pa.Table, gaps: pa.Table, rules: Rules | None = None) -> JudgedGaps:
    """What the steps say of the silences of a sea that its truth `gaps` knows, beside that truth.

    fixes, static_reports: of the lake. gaps: mmsi, start, end (null: until the data end), cause, perhaps log10_unheard.
    """
    return judged_silences(*watched_to_the_end(fixes, static_reports, rules), gaps)


def watched_to_the_end(fixes: pa.Table, static_reports: pa.Table, rules: Rules | None = None) -> tuple[Tables, int]:
    """The tables of all steps, and when the data end, microseconds."""
    until_us = int(np.max(micros(valid(fixes), "time")))
    lake = {"fixes": fixes, "static_reports": static_reports}
    return InMemory(rules or Rules()).slice(lake, until_us, final=True), until_us


def judged_silences(found: Tables, until_us: int, gaps: pa.Table) -> JudgedGaps:
    """The same of the tables that the steps gave for data that end at until_us."""
    judged, hours = found["judged_gaps"], added([found["ship_hours"]])
    row = _matched(judged, gaps, until_us)
    keep = np.flatnonzero(row >= 0)
    judged, truth = judged.take(pa.array(keep)), gaps.take(pa.array(row[keep]))
    cause = np.array(truth["cause"].to_pylist(), object)
    has_chance = "log10_unheard" in truth.column_names
    lon, lat = (np.asarray(judged[name]) for name in ("lon0", "lat0"))
    every = JudgedGaps(
        np.array(judged["judgement"].to_pylist(), object),
        np.nan_to_num(np.asarray(judged["silence_chance"].to_pandas(), float), nan=1.0),
        np.array(judged["receiver"].to_pylist(), object),
        np.isin(cause.astype(str), OFF),
        np.asarray(truth["log10_unheard"], float) if has_chance else np.full(len(keep), np.nan),
        distance_to_shore_km(lon, lat) <= NEAR_SHORE_KM,
        float(sum(np.asarray(hours[name]).sum() for name in ("heard", "missed")) / SPAN_H),
    )
    return every.where(cause != LEFT)


def held_out(fixes: pa.Table, static_reports: pa.Table, station: str, rules: Rules | None = None) -> pa.Table:
    """Gaps of the data without one station, each with whether that station heard the vessel all through: then it sent.

    A second truth, which needs no simulator: none of those that it heard may be `silenced`. fixes, static_reports: of
    the lake. Gives schema judged_gaps and `heard`: with what the station heard no silence over the threshold is left.
    """
    by = pc.fill_null(pc.equal(fixes["station"], station), False)
    found, until_us = watched_to_the_end(fixes.filter(pc.invert(by)), static_reports, rules)
    gaps, own = found["judged_gaps"], valid(fixes.filter(by))
    who, when = np.asarray(own["mmsi"], np.int64), micros(own, "time")
    order = np.lexsort((when, who))
    who, when = who[order], when[order]
    start_us, limit_us = micros(gaps, "start_time"), np.asarray(gaps["threshold_h"]) * HOUR
    end_us = np.asarray(gaps["end_time"].cast(pa.int64()).fill_null(until_us))
    heard = np.zeros(gaps.num_rows, bool)
    for k, mmsi in enumerate(np.asarray(gaps["mmsi"]).tolist()):
        times = when[np.searchsorted(who, mmsi) : np.searchsorted(who, mmsi, "right")]
        within = times[(times > start_us[k]) & (times < end_us[k])]
        heard[k] = np.diff(within, prepend=start_us[k], append=end_us[k]).max() <= limit_us[k]
    return gaps.append_column("heard", pa.array(heard))


def _matched(judged: pa.Table, gaps: pa.Table, until_us: int) -> Ints:
    """The row of the truth that overlaps each gap for more than half of it, -1 where none does, (n,)."""

    def columns(table: pa.Table, start: str, end: str) -> tuple[Ints, Ints, Ints]:
        last = np.asarray(table[end].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).fill_null(until_us))
        return np.asarray(table["mmsi"], np.int64), micros(table, start), last

    mmsi, start, end = columns(judged, "start_time", "end_time")
    who, since, until = columns(gaps, "start", "end")
    order = np.argsort(who, kind="stable")
    out = np.full(len(mmsi), -1)
    for k in range(len(mmsi)):
        of = order[np.searchsorted(who[order], mmsi[k]) : np.searchsorted(who[order], mmsi[k], "right")]
        if len(of):
            shared = np.minimum(until[of], end[k]) - np.maximum(since[of], start[k])
            best = int(np.argmax(shared))
            out[k] = of[best] if shared[best] * 2 > end[k] - start[k] else -1
    return out


def table(of: JudgedGaps) -> list[dict[str, Any]]:
    """How well silences were judged, all and by kind: counts, precision and recall, beside the oracle's."""
    every = np.ones(len(of.off), bool)
    kinds = {
        "all": every,
        "terrestrial": of.receiver == "terrestrial",
        "satellite": of.receiver == "satellite",
        "within 50 nm of shore": of.near_shore,
    }
    return [{"gaps": name} | _figures(of, keep) for name, keep in kinds.items()]


def _figures(of: JudgedGaps, keep: Bools) -> dict[str, Any]:
    silenced, oracle = of.judgement == "silenced", of.oracle()
    row = {
        "number": int(keep.sum()),
        "off": int((keep & of.off).sum()),
        "precision": _share(silenced & keep, of.off),
        "recall": _share(of.off & keep, silenced),
    }
    if np.isnan(of.log10_unheard).all():
        return row
    decided = keep & ((oracle >= DECIDED) | (oracle <= 1 - DECIDED))
    return row | {
        "oracle_precision": _share(keep & (oracle >= DECIDED), of.off),
        "oracle_recall": _share(of.off & keep, oracle >= DECIDED),
        "decided": int(decided.sum()),
        "precision_of_decided": _share(silenced & decided, of.off),
        "recall_of_decided": _share(of.off & decided & (oracle >= DECIDED), silenced),
        "undecided_not_silenced": _share(keep & ~decided, ~silenced),
    }


def calibration(of: JudgedGaps, rules: Rules | None = None, seed: int = 0) -> list[dict[str, Any]]:
    """Where the chance of a set that is off is put beside how often it was, for shares of gaps that are off.

    Gaps of sets that are on are all kept, of the others as many as give the share; the prior is the sea's own share of
    spans then. A row for each share and band of p_off: gaps, mean of p_off, share that was off.
    """
    rng, rows = np.random.default_rng(seed), []
    on, off = np.flatnonzero(~of.off), np.flatnonzero(of.off)
    for share in SHARES:
        chosen = rng.permutation(off)[: round(len(on) * share / (1 - share))]
        prior = len(chosen) / of.spans
        kept = np.concatenate([on, chosen])
        p_off = prior / (prior + (1 - prior) * of.chance[kept])
        for low, high in ((0.0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.01)):
            band = (p_off >= low) & (p_off < high)
            if band.any():
                rows.append(
                    {
                        "share": share,
                        "band": f"{low:g} to {min(high, 1.0):g}",
                        "number": int(band.sum()),
                        "p_off": float(p_off[band].mean()),
                        "off": float(of.off[kept][band].mean()),
                    }
                )
    return rows


def _share(of: Bools, that: Bools) -> float | None:
    return float((of & that).sum() / of.sum()) if of.any() else None


# ----------------------------------------------------------- Identity, checks of tracks and port calls of the same seas

BEFORE_US, AFTER_US = HOUR, 3 * HOUR  # a row of a forged course begins so long before or after it at most
NEAR_US = 15 * MINUTE  # who was heard so near a swap of numbers before and after it can be seen to swap
LEAST_CALL_US = HOUR


def events(
    found: Tables, vessel_days: float, fixes: pa.Table | None = None, truth: Mapping[str, pa.Table] | None = None
) -> list[dict[str, Any]]:
    """How much of what happened was found, and false rows per 1,000 vessel-days, a row each for what has a truth.

    found: of the steps. fixes: of the lake. truth: tables of the first simulator, None where there are none; then the
    rows of all checks are counted as if they were false, which is the most that are.
    """
    checks = _frame(found["track_checks"])
    swaps = _frame(found["identity_events"].filter(pc.equal(found["identity_events"]["kind"], HANDSHAKE)))
    calls = _frame(found["port_calls"].filter(pc.equal(found["port_calls"]["shown"], "lit")))
    if fixes is None or truth is None:
        counted = {**checks.check_name.value_counts(), HANDSHAKE: len(swaps)}
        return [_event(name, None, counted.get(name, 0), vessel_days) for name in (*_CHECKS, HANDSHAKE)]
    forged, known = _frame(truth["forged"]), _frame(truth["handshakes"])
    pairs = _overlaps(forged, checks, ("start", "end"), ("start_time", "start_time"), (BEFORE_US, AFTER_US))
    meant = (forged["style"] != "displaced").to_numpy()
    rows = [_event("forged courses, any check", _any(pairs)[meant], None, vessel_days)]
    swapped = (known.rename(columns={name: "mmsi"}) for name in ("mmsi_a", "mmsi_b"))  # then it is another hull
    of_swap = [
        _overlaps(one, checks, ("time", "time"), ("start_time", "start_time"), (days(1),) * 2) for one in swapped
    ]
    false = checks.check_name[~np.concatenate([pairs, *of_swap]).any(axis=0)].value_counts()
    rows += [_event(name, None, int(false.get(name, 0)), vessel_days) for name in _CHECKS]
    same = _swapped(known, swaps)
    heard = _heard_near(known, fixes)
    rows += [_event(HANDSHAKE, _any(same), int((~same.any(axis=0)).sum()), vessel_days)]
    rows += [_event(f"{HANDSHAKE}, both heard within 15 min", _any(same)[heard], None, vessel_days)]
    true_calls = _frame(truth["port_calls"])
    long = true_calls[(true_calls.shown == "lit") & (true_calls.leaves - true_calls.arrives >= LEAST_CALL_US)]
    at = _overlaps(long, calls, ("arrives", "leaves"), ("arrival", "departure"))
    at &= long.port.to_numpy()[:, None] == calls.port.to_numpy()
    true = _overlaps(true_calls, calls, ("arrives", "leaves"), ("arrival", "departure"))
    return [*rows, _event("port calls, lit", _any(at), int((~true.any(axis=0)).sum()), vessel_days)]


def _frame(table: pa.Table) -> Any:
    """A table with times as microseconds; what has no end, or is open, ends with the greatest of them."""
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            us = table.column(at).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
            table = table.set_column(at, field.name, us.fill_null(1 << 62))
    return table.to_pandas()


_CHECKS = tuple(check.name for check in TRACK_CHECKS)


def _event(name: str, found: Bools | None, false: int | None, vessel_days: float) -> dict[str, Any]:
    return {
        "event": name,
        "number": None if found is None else len(found),
        "recall": None if found is None or not len(found) else float(found.mean()),
        "false_per_1000": None if false is None else float(1000 * false / vessel_days),
    }


def _any(pairs: Bools) -> Bools:
    """Of what is true (n,), whether any row is of it; pairs: (n, m)."""
    return np.asarray(pairs.any(axis=1))


def _overlaps(
    truth: Any, rows: Any, span: tuple[str, str], of: tuple[str, str], slack_us: tuple[int, int] = (0, 0)
) -> Bools:
    """Whether rows (m,) are of the same vessel and time as what is true (n,), (n, m)."""
    start, end = (truth[name].to_numpy()[:, None] for name in span)
    first, last = (rows[name].to_numpy()[None, :] for name in of)
    same = truth.mmsi.to_numpy()[:, None] == rows.mmsi.to_numpy()
    return np.asarray(same & (first <= end + slack_us[1]) & (last >= start - slack_us[0]))


def _swapped(known: Any, swaps: Any) -> Bools:
    """Whether events (m,) are the swaps of two numbers that there were (n,), within a day, (n, m)."""
    of = [np.sort(pair.to_numpy(), axis=1) for pair in (known[["mmsi_a", "mmsi_b"]], swaps[["mmsi", "other_mmsi"]])]
    apart = np.abs(known.time.to_numpy()[:, None] - swaps.first_time.to_numpy())
    return np.asarray((of[0][:, None] == of[1]).all(axis=2) & (apart <= days(1)))


def _heard_near(known: Any, fixes: pa.Table) -> Bools:
    """Whether both numbers were heard within NEAR_US before and after each swap, (n,)."""
    mmsi, time_us = np.asarray(fixes["mmsi"]), micros(fixes, "time")
    near = []
    for swap in known.itertuples():
        heard = [time_us[mmsi == each] - swap.time for each in (swap.mmsi_a, swap.mmsi_b)]
        near.append(all(((side * d > 0) & (side * d <= NEAR_US)).any() for d in heard for side in (-1, 1)))
    return np.array(near, bool)


def measured(seeds: Sequence[int], second: Sequence[int] = ()) -> Mapping[str, Any]:
    """Both styles of sea watched and judged; the same seeds give the same figures. Some two minutes of CPU a seed."""
    found: dict[str, Any] = {"first": [], "second": []}
    for seed in seeds:
        sea = simulate(PLAN, seed)
        tables, until_us = watched_to_the_end(sea.fixes, sea.static_reports)
        of = judged_silences(tables, until_us, sea.gaps)
        beside = events(tables, sea.vessel_days, sea.fixes, sea.more)
        found["first"].append({"seed": seed, "table": table(of), "calibration": calibration(of), "events": beside})
    for seed in second:
        other = simulate_second(SECOND_PLAN, seed)
        tables, until_us = watched_to_the_end(other.fixes, other.static_reports)
        of, beside = judged_silences(tables, until_us, other.gaps), events(tables, other.vessel_days)
        found["second"].append({"seed": seed, "table": table(of), "calibration": calibration(of), "events": beside})
    return found
