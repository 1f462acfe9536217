"""The checks of tracks, one row each, and the step in which those meet that need the tracks of several vessels.

A check that needs what a format lacks gives no row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Batch, Result, Tables, build, concat, micros
from stswatch.pipeline.rules import Rules, minutes
from stswatch.pipeline.tracks.checks import course_checks, jumps, received
from stswatch.pipeline.tracks.identity import Walked
from stswatch.pipeline.tracks.legs import Intervals


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
    TrackCheck(received.HEARD_WHERE, "how far it was from the middle of those whom the station heard besides", "km"),
    TrackCheck(received.SENTENCE_FIELDS, "which part of its communication states no transponder sends so", "share"),
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
    heard = {"heard_by": received.heard_by(ended, rules.check), "states_sent": received.states_sent(ended, rules.check)}
    crossed = course_checks.crossings(walked, between, rules.check)
    checked = concat([parts, course_checks.windows(ended, rules.check)], schema.FLOW["checked_parts"])
    rows = {"identity_changes": changes, "checked_parts": checked, "leaps": leaps, "crossings": crossed}
    return samples, rows | heard


def compare(state: Tables, batch: Batch, rules: Rules) -> Result:
    """What the tracks of several vessels show together: numbers that change places, displacement, copied course_checks.

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
    parts += [received.heard_where(batch.table("heard_by"), rules.check)]
    parts += [received.sentence_fields(batch.table("states_sent"), rules.check)]
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
