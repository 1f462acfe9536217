"""Dark meetings that the steps infer beside the truth of simulated seas: of seas that are full of them, and of others.

A true meeting counts where it lasted as long as the rules ask of a stay, and each party that was silent was heard
before and after: of one that waited and was heard (`one_dark`), or of two that were silent (`both_dark`). Leads that
are no meeting are counted on ordinary seas, where few hide and many are silent for lawful reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Bools, Tables
from stswatch.pipeline.evaluation.silences import watched_to_the_end
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.store.views import dark_leads_of
from stswatch.sample_ais.second.sea import SecondPlan
from stswatch.sample_ais.second.sea import simulate as simulate_second
from stswatch.sample_ais.simulation import VoyagePlan, simulate

DARK_ONLY = VoyagePlan(days=35.0, background=300, transfers=210, look_alikes=120, only=("dark", "loitering", "silence"))
ORDINARY = VoyagePlan(days=35.0)
SECOND = SecondPlan(days=30.0, background=300, transfers=60, look_alikes=240, thin_s=300.0)
FALSE_PER = 2_000  # vessel-days
FLEETS = (1_000, 2_000)  # vessels heard each day
TRANSFER = "transfer"


def dark_figures(found: Tables, meetings: pa.Table, vessel_days: float, rules: Rules | None = None) -> dict[str, Any]:
    """How many true meetings in the dark there were, were found and are leads, and leads that are none.

    found: the tables of the steps. meetings: the truth: mmsi_a, mmsi_b, start, end, kind. vessel_days: vessels times
    days on which each was heard.
    """
    by = rules or Rules()
    true = _true_meetings(found, meetings, by)
    rows = found["dark_meetings"].to_pandas()
    pairs = _overlapping(rows, meetings.to_pandas())
    lead: Bools = rows.id.isin(dark_leads_of(found, by.dark)).to_numpy(bool)
    false = int((lead & ~np.isin(np.arange(len(rows)), pairs.row)).sum())
    out: dict[str, Any] = {}
    for kind, of in true.groupby("kind"):
        met = pairs[pairs.meeting.isin(of.index)].merge(rows[["kind"]], left_on="row", right_index=True)
        right = met[met.kind == kind]
        out[str(kind)] = {
            "number": len(of),
            "silenced": int(of.silenced.sum()),
            "found": int(right.meeting.nunique()),
            "leads": int(right[lead[right.row]].meeting.nunique()),
        }
    a_day = lead.sum() / vessel_days
    return out | {
        "vessel_days": int(vessel_days),
        "leads": int(lead.sum()),
        "false_leads": false,
        f"false_per_{FALSE_PER}": FALSE_PER * false / vessel_days,
        "leads_a_day": {str(fleet): float(fleet * a_day) for fleet in FLEETS},
    }


def _true_meetings(found: Tables, meetings: pa.Table, rules: Rules) -> pd.DataFrame:
    """Transfers in the dark by their row in the truth: kind, and whether any silence in it was judged silenced."""
    of = meetings.to_pandas()
    long = of.end - of.start >= pd.Timedelta(hours=rules.dark.stay_h)
    of = of[(of.kind == TRANSFER) & long]
    gaps = found["judged_gaps"].to_pandas()
    gaps = gaps[gaps.ending == "resumed"]
    waits = found["loitering"].to_pandas()
    silent, silenced, waited = ({} for _ in range(3))
    for v in "ab":
        inside = of[[f"mmsi_{v}", "start", "end"]].reset_index().merge(gaps, left_on=f"mmsi_{v}", right_on="mmsi")
        inside = inside[(inside.start_time <= inside.start) & (inside.end_time >= inside.end)]
        silent[v] = of.index.isin(inside["index"])
        silenced[v] = of.index.isin(inside["index"][inside.judgement == schema.SILENCED])
        beside = of[[f"mmsi_{v}", "start", "end"]].reset_index().merge(waits, left_on=f"mmsi_{v}", right_on="mmsi")
        beside = beside[(beside.start_time < beside.end) & (beside.end_time > beside.start)]
        waited[v] = of.index.isin(beside["index"]) & ~silent[v]
    both: Bools = silent["a"] & silent["b"]
    one: Bools = (silent["a"] & waited["b"]) | (silent["b"] & waited["a"])
    kind = np.select([both, one], ["both_dark", "one_dark"], "")
    known = pd.DataFrame({"kind": kind, "silenced": silenced["a"] | silenced["b"]}, index=of.index)
    return known[known.kind != ""]


def _overlapping(rows: pd.DataFrame, meetings: pd.DataFrame) -> pd.DataFrame:
    """Which rows of dark meetings are of which true one: the same pair at the same time; columns row, meeting."""
    own = pd.DataFrame({"row": np.arange(len(rows)), "start_time": rows.start_time, "end_time": rows.end_time})
    own["a"], own["b"] = (getattr(np, f"{least}imum")(rows.mmsi_a, rows.mmsi_b) for least in ("min", "max"))
    true = meetings[["mmsi_a", "mmsi_b", "start", "end"]].rename_axis("meeting").reset_index()
    both = own.merge(true, left_on=["a", "b"], right_on=["mmsi_a", "mmsi_b"])
    return both[(both.start < both.end_time) & (both.end > both.start_time)][["row", "meeting"]]


def measured(seeds: Sequence[int], second: Sequence[int] = ()) -> list[Mapping[str, Any]]:
    """A row of figures for each sea: of dark meetings alone and ordinary ones. Some four minutes of CPU a seed."""
    rows: list[Mapping[str, Any]] = []
    for name, plan in (("dark meetings alone", DARK_ONLY), ("ordinary", ORDINARY)):
        for seed in seeds:
            sea = simulate(plan, seed)
            tables, _ = watched_to_the_end(sea.fixes, sea.static_reports)
            figures = dark_figures(tables, sea.meetings, sea.vessel_days)
            rows.append({"sea": name, "seed": seed, "days": plan.days} | figures)
    for seed in second:
        other = simulate_second(SECOND, seed)
        tables, _ = watched_to_the_end(other.fixes, other.static_reports)
        figures = dark_figures(tables, other.meetings, other.vessel_days)
        rows.append({"sea": "second simulator", "seed": seed, "days": SECOND.days} | figures)
    return rows


# -------------------------------------------------------------------------------------------------- what is printed

DARK = f"""Meetings that silences left time for ([dark_meetings.md](../docs/dark_meetings.md)), on seas of five weeks,
by `stswatch evaluate --dark`. A true meeting counts where each silent party was heard before and after it, and of
`one_dark` where the other waited and was heard. Where every scene is one in the dark, others fit by accident each day,
so that few are leads; ordinary seas say how often a lead is none, in {FALSE_PER:,} vessel-days."""
_HEADS = (
    *("sea", "seed", "`one_dark`: there were", "silenced", "found", "leads", "`both_dark`: there were", "silenced"),
    *("found", "leads", "vessel-days", "leads that are none", f"in {FALSE_PER:,}"),
    *(f"leads a day, {fleet:,} vessels" for fleet in FLEETS),
)


def dark_text(rows: Sequence[Mapping[str, Any]] | None) -> str:
    """What `measured` found, as a table of Markdown; nothing where it was not asked for."""
    if not rows:
        return ""
    none = {"number": 0, "silenced": 0, "found": 0, "leads": 0}
    lines = [_HEADS, ["---"] * len(_HEADS)]
    for row in rows:
        one, both = (row.get(kind, none) for kind in ("one_dark", "both_dark"))
        counts = [of[name] for of in (one, both) for name in none]
        rates = [row[f"false_per_{FALSE_PER}"], *row["leads_a_day"].values()]
        vessel_days = f"{row['vessel_days']:,}"
        lines.append(
            [row["sea"], str(row["seed"]), *map(str, counts), vessel_days, str(row["false_leads"])]
            + [f"{rate:.2f}" for rate in rates]
        )
    return DARK + "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)
