"""Judged gaps beside the truth of simulated seas, and beside an oracle that knows the simulator's own chances.

Truth is that the set was off, whatever the cause. Of each silence the simulators tell how likely it was for a set that
sends (`log10_unheard`); no detector can know more. The oracle weighs that chance against the share of spans of SPAN_H of
a vessel in which sets of that sea are off: a vessel has many spans, so that rare silences of reception occur.
What it finds at DECIDED or above, or at 1 - DECIDED or below, is decided; nobody can decide the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.geo.coast.water import distance_to_shore_km
from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.pipeline.batch import Bools, Column, Floats, Ints, micros
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import InMemory
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
class Silences:
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

    def where(self, keep: Bools) -> Silences:
        """Some of them."""
        names = ("judgement", "chance", "receiver", "off", "log10_unheard", "near_shore")
        return Silences(**{name: getattr(self, name)[keep] for name in names}, spans=self.spans)

    def oracle(self) -> Floats:
        """The chance that the set was off, (n,), as who knows the simulator's chances has it."""
        share = self.off.sum() / self.spans
        unheard = 10.0 ** np.clip(self.log10_unheard, -300, 0)
        return np.asarray(share / (share + (1 - share) * unheard))


def silences(fixes: pa.Table, static_reports: pa.Table, gaps: pa.Table, rules: Rules | None = None) -> Silences:
    """What the steps say of the silences of a sea that its truth `gaps` knows, beside that truth.

    fixes, static_reports: of the lake. gaps: mmsi, start, end (null: until the data end), cause, perhaps log10_unheard.
    """
    until_us = int(np.max(micros(valid(fixes), "time")))
    lake = {"fixes": fixes, "static_reports": static_reports}
    found = InMemory(rules or Rules()).slice(lake, until_us, final=True)
    judged, hours = found["judged_gaps"], added([found["ship_hours"]])
    row = _matched(judged, gaps, until_us)
    keep = np.flatnonzero(row >= 0)
    judged, truth = judged.take(pa.array(keep)), gaps.take(pa.array(row[keep]))
    cause = np.array(truth["cause"].to_pylist(), object)
    told = "log10_unheard" in truth.column_names
    lon, lat = (np.asarray(judged[name]) for name in ("lon0", "lat0"))
    every = Silences(
        np.array(judged["judgement"].to_pylist(), object),
        np.nan_to_num(np.asarray(judged["silence_chance"].to_pandas(), float), nan=1.0),
        np.array(judged["receiver"].to_pylist(), object),
        np.isin(cause.astype(str), OFF),
        np.asarray(truth["log10_unheard"], float) if told else np.full(len(keep), np.nan),
        distance_to_shore_km(lon, lat) <= NEAR_SHORE_KM,
        float(sum(np.asarray(hours[name]).sum() for name in ("heard", "missed")) / SPAN_H),
    )
    return every.where(cause != LEFT)


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


def table(of: Silences) -> list[dict[str, Any]]:
    """How well silences were judged, all and by kind: counts, precision and recall, beside the oracle's."""
    every = np.ones(len(of.off), bool)
    kinds = {
        "all": every,
        "terrestrial": of.receiver == "terrestrial",
        "satellite": of.receiver == "satellite",
        "within 50 nm of shore": of.near_shore,
    }
    return [{"gaps": name} | _figures(of, keep) for name, keep in kinds.items()]


def _figures(of: Silences, keep: Bools) -> dict[str, Any]:
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


def calibration(of: Silences, rules: Rules | None = None, seed: int = 0) -> list[dict[str, Any]]:
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


def measured(seeds: Sequence[int], second: Sequence[int] = ()) -> Mapping[str, Any]:
    """Both styles of sea watched and judged; the same seeds give the same figures. Some two minutes of CPU a seed."""
    found: dict[str, Any] = {"first": [], "second": []}
    for seed in seeds:
        sea = simulate(PLAN, seed)
        of = silences(sea.fixes, sea.static_reports, sea.gaps)
        found["first"].append({"seed": seed, "table": table(of), "calibration": calibration(of)})
    for seed in second:
        other = simulate_second(SECOND_PLAN, seed)
        of = silences(other.fixes, other.static_reports, other.gaps)
        found["second"].append({"seed": seed, "table": table(of), "calibration": calibration(of)})
    return found
