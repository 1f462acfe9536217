"""The vessel step: from fixes and static reports of an MMSI shard to legs, gaps, counts and what is known.

Law: fixes are taken in whole UTC buckets, those of an unfinished bucket wait; a track falls silent when the frontier
has passed its last fix by the threshold, exactly as a later fix would tell. So no cut of the data shows.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Batch, Floats, Result, Tables, build, concat
from stswatch.pipeline.rules import Rules, VesselRules, minutes
from stswatch.pipeline.tracks import gaps
from stswatch.pipeline.tracks.coverage import HEARD, receptions
from stswatch.pipeline.tracks.fixes import PENDING, distinct, split, used, valid
from stswatch.pipeline.tracks.identity import TRACKS, walk
from stswatch.pipeline.tracks.legs import Legs, Track, inner_ms, pieces, rounding_m, slow_legs, steps
from stswatch.pipeline.tracks.outages import reporting
from stswatch.pipeline.tracks.particulars import known, told_anew

STATE = {"pending": PENDING, "tracks": TRACKS, "heard": HEARD, "said": schema.PARTICULARS}


def vessel(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice of one MMSI shard; see the module docstring for the law, schema.FLOW for what it gives."""
    fixes = concat([state["pending"], valid(batch.table("fixes"))], PENDING)
    bucket_us = minutes(rules.vessel.thin_bucket_min)
    until_us = batch.frontier_us if batch.final else batch.frontier_us // bucket_us * bucket_us
    ready, pending = split(fixes, until_us, batch.final)
    ready = distinct(ready)
    walked = walk(state["tracks"], ready, rules.vessel)
    now = walked.fixes
    between = steps(now, rules.vessel)
    has_leg = between.leg | (walked.carried & walked.had_leg)
    legs = slow_legs(now, between, has_leg, rules.vessel)
    tracks, gap_rows, edge_rows = gaps.tell(walked, between, has_leg, until_us, batch, rules.vessel)
    counts, heard = receptions(ready, state["heard"], until_us, rules.coverage)
    reports = used(batch.table("static_reports"))
    particulars, said = told_anew(reports, state["said"], batch.frontier_us)
    rows = {
        "legs": _leg_rows(now, legs, rules.vessel),
        "gaps": gap_rows,
        "edges": edge_rows,
        "particulars": particulars,
        "receptions": counts,
        "reporting": reporting(ready, rules),
        "vessels": known(ready, reports),
    }
    return Result({"pending": pending, "tracks": tracks, "heard": heard, "said": said}, rows)


def _leg_rows(fixes: Track, legs: Legs, rules: VesselRules) -> pa.Table:
    """The slow legs as rows of schema.LEGS."""
    cut = pieces(fixes, legs, rules)
    start, end = legs.start[cut.leg], legs.end[cut.leg]
    offsets, inner = inner_ms(fixes, legs)
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(inner, pa.int32()))
    return build(
        "legs",
        {
            "mmsi": fixes.mmsi[start],
            "track": fixes.track_us[start],
            "start": cut.start_us,
            "end": cut.end_us,
            "lon0": _tidy(cut.lon0),
            "lat0": _tidy(cut.lat0),
            "lon1": _tidy(cut.lon1),
            "lat1": _tidy(cut.lat1),
            "speed_dkn": legs.speed_dkn[cut.leg],
            "speed_told": legs.told[cut.leg],
            "fix_start": fixes.time_us[start],
            "fix_end": fixes.time_us[end],
            "fresh": legs.fresh[cut.leg] & (cut.nth == 0),
            "heading_deg": fixes.heading_deg[end],
            "rounding_m": rounding_m(fixes, legs)[cut.leg],
            "inner": lists if len(cut.leg) == len(legs.start) else lists.take(pa.array(cut.leg)),
        },
    )


def _tidy(degrees: Floats) -> Floats:
    return np.round(degrees, 7)
