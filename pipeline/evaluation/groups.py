"""Whether a card is as often wrong about one group of vessels as about another: by flag, type, size, how it was heard.

Flag and name are no inputs of a score. Groups can fare unlike all the same, since they trade and lie in other waters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.geo.reference.mmsi import flag_of
from stswatch.models.features import observed_share
from stswatch.pipeline.batch import Bools, Floats, Ints
from stswatch.pipeline.evaluation.figures import Sample

LEAST = 100  # meetings of others in a group; of fewer a rate has an interval that says nothing
UNKNOWN = "not said"
TYPES = {"fishing": (30, 30), "tug, pilot or tender": (31, 59), "passenger": (60, 69), "cargo": (70, 79)}
TYPES |= {"tanker": (80, 89)}
SIZES_M = (0, 50, 100, 200, 1000)
SEEN = {"seen half of the time or less": (0.0, 0.5), "seen more than that": (0.5, 1.01)}


def false_leads(taken: Sample, score: Floats, cut_off: float) -> list[dict[str, Any]]:
    """Of meetings that are no transfer the share that are leads, all and by group of either vessel, with its range.

    score: (n,) of the rows of `taken`. A row each: what, group, meetings, share (with its 95 % range over vessels drawn
    again; None where the group has fewer than LEAST), apart: whether the share of all lies outside.
    """
    lead = score >= cut_off
    every = _row("all", "all", ~taken.transfer, lead, taken)
    rows = [every]
    for what, groups in _groups(taken).items():
        rows += [_row(what, name, keep & ~taken.transfer, lead, taken) for name, keep in groups.items()]
    for row in rows:
        share = row["share"]
        row["apart"] = share is not None and not share[1] <= every["share"][0] <= share[2]
    return [row for row in rows if row["meetings"]]


def _groups(taken: Sample) -> dict[str, dict[str, Bools]]:
    """The rows of each group, a meeting in those of both its vessels, (n,)."""
    rows = taken.rows
    flags = [_flag(np.asarray(rows[f"mmsi_{v}"], np.int64)) for v in "ab"]
    types, sizes = ([rows[name].to_pandas().to_numpy(float) for name in names] for names in _COLUMNS)
    seen = observed_share(rows)
    spans = {f"{low} to {high} m": (low, high) for low, high in pairwise(SIZES_M)}
    return {
        "flag by MMSI": {name: _either(flags, lambda of, n=name: of == n) for name in np.unique(np.concatenate(flags))},
        "type": {UNKNOWN: _either(types, np.isnan)}
        | {name: _either(types, lambda of, s=span: (of >= s[0]) & (of <= s[1])) for name, span in TYPES.items()},
        "length": {UNKNOWN: _either(sizes, np.isnan)}
        | {name: _either(sizes, lambda of, s=span: (of >= s[0]) & (of < s[1])) for name, span in spans.items()},
        "receiver": _heard_by(rows),
        "AIS class": _classes(rows),
        "how well heard": {name: (seen >= low) & (seen < high) for name, (low, high) in SEEN.items()},
    }


def _of_both(rows: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """What a column of each of the two vessels holds, (n,) of str or None."""
    a, b = (rows[f"{name}_{v}"].to_numpy(zero_copy_only=False) for v in "ab")
    return a, b


def _heard_by(rows: pa.Table) -> dict[str, Bools]:
    a, b = _of_both(rows, "heard")
    known = (a != None) & (b != None)  # noqa: E711  # of each
    alone = {kind: np.asarray((a == kind) & (b == kind), bool) for kind in ("terrestrial", "satellite")}
    found = {f"both by {kind} receivers alone": keep for kind, keep in alone.items()}
    return found | {"by receivers of both kinds": np.asarray(known, bool) & ~np.logical_or(*alone.values())}


def _classes(rows: pa.Table) -> dict[str, Bools]:
    a, b = _of_both(rows, "class")
    pairs = {"A and A": ("A", "A"), "A and B": ("A", "B"), "B and B": ("B", "B")}
    return {n: np.asarray((a == x) & (b == y) | (a == y) & (b == x), bool) for n, (x, y) in pairs.items()}


_COLUMNS = (("ship_type_a", "ship_type_b"), ("length_a_m", "length_b_m"))


def _flag(mmsi: Ints) -> np.ndarray:
    """The flag by the first digits of each number, or those digits where they are of no state, (n,) of str."""
    flag, digits = flag_of(mmsi), np.char.add("MID ", (mmsi // 1_000_000).astype(str))
    return np.where(flag == None, digits, flag).astype(str)  # noqa: E711  # of each


def _either(sides: Sequence[np.ndarray], holds: Any) -> Bools:
    return np.asarray(holds(sides[0]) | holds(sides[1]))


def _row(what: str, group: str, keep: Bools, lead: Bools, taken: Sample) -> dict[str, Any]:
    n = int(keep.sum())
    row: dict[str, Any] = {"what": what, "group": group, "meetings": n, "share": None}
    if n < LEAST:
        return row
    weights = taken.weights[:, keep]
    drawn = (weights * lead[keep]).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return row | {"share": [float(lead[keep].mean()), float(low), float(high)]}


# -------------------------------------------------------------------------------------------------- what is printed

GROUPS = f"""Of meetings that are no transfer, the share that are leads by this card, for all and by group of either
vessel, of receivers and AIS classes by that of both, with its range over vessels drawn again. No input of a score is a
flag, a number or a name, so that flags that fare unlike others do so by where they trade. Groups of fewer than {LEAST}
meetings say nothing, and of a vessel of which nothing was received while they met the receiver is not known."""


def groups_text(rows: Sequence[Mapping[str, Any]] | None) -> str:
    """What `false_leads` found, as a table of Markdown; groups of too few meetings in one line."""
    if not rows:
        return ""
    lines = ["| by | group | meetings | leads among them | |", "|---|---|---|---|---|"]
    few: dict[str, int] = {}
    for row in rows:
        if row["share"] is None:
            few[row["what"]] = few.get(row["what"], 0) + 1
            continue
        share = "{:.2%} ({:.2%} to {:.2%})".format(*row["share"])
        apart = "apart from all" if row["apart"] else ""
        lines.append(f"| {row['what']} | {row['group']} | {row['meetings']:,} | {share} | {apart} |")
    parts = [GROUPS, "\n".join(lines)]
    if few:
        listed = ", ".join(f"{count} by {what}" for what, count in few.items())
        parts.append(f"Not enough data: {listed}.")
    return "\n\n".join(parts)
