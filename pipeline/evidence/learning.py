"""A scorecard that learns from what became of referred cases too: compared with the one before, approved by a name.

An outcome says what a meeting was: confirmed or cleared. It is a label and never a feature: a card sees what was
measured, as of any meeting. Nothing takes such a card by itself: a run scores by it where `scorecard` names its file.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.errors import StswatchError
from stswatch.models import ranking
from stswatch.models.ranking import BESIDE
from stswatch.models.scorecard import Scorecard, load, parsed
from stswatch.pipeline.evaluation import figures, seas
from stswatch.pipeline.evaluation.evaluate import card_of, plain
from stswatch.pipeline.evaluation.seas import LOOK_ALIKE, ROWS, STANDARD, TRANSFER, TRUTH, Watched, watched
from stswatch.pipeline.evidence import upkeep
from stswatch.pipeline.rule_files import from_json
from stswatch.pipeline.store import case_log, case_queries, queries
from stswatch.pipeline.store.case_log import LogEntry
from stswatch.pipeline.store.database import StoreError
from stswatch.pipeline.store.files import read_json, write_json
from stswatch.pipeline.trouble import Progress

APPROVED, DECIDED = "approved", "decided"
_TRUTH = {"confirmed": TRANSFER, "cleared": LOOK_ALIKE}
_SEED = -1  # of the meetings that people decided on, among seeds of simulated seas


class LearningError(StswatchError, ValueError):
    """A card that cannot be learned or approved; the message says what lacks, and what to do."""


@dataclass(frozen=True)
class Outcomes:
    """What became of cases: their meetings as ROWS, and how many were confirmed, cleared, or are gone by now.

    sha256: of the entries that say so.
    """

    rows: pa.Table
    counts: Mapping[str, int]
    sha256: str


def outcomes(data: Path) -> Outcomes:
    """The meetings of which the last outcome is confirmed or cleared, live ones alone.

    Raises StoreError where the folder holds no database, CaseLogError.
    """
    log = case_log.verified(data)
    if log.finding is not None:
        raise case_log.CaseLogError(f"{data / case_log.NAME}: {log.finding}; nothing is learned from it")
    last = {e.case: e for e in log.entries if e.kind == "outcome" and e.exercise is None and e.case}
    known = {case: entry for case, entry in last.items() if entry.body["outcome"] in _TRUTH}
    counts = Counter[str]()
    pages, truth = list[pa.Table](), list[str]()
    used = list[LogEntry]()
    with queries.one_snapshot(data):
        for case, entry in sorted(known.items()):
            page = _meeting(data, case)
            counts[entry.body["outcome"] if page is not None else "gone"] += 1
            if page is not None:
                pages.append(page)
                truth.append(_TRUTH[entry.body["outcome"]])
                used.append(entry)
        rows = _labelled(data, pages, truth)
    return Outcomes(rows, counts, hashlib.sha256("".join(e.sha256 for e in used).encode()).hexdigest())


def _meeting(data: Path, case: str) -> pa.Table | None:
    """The row of an encounter as it stands; None where there is none any more, or the case is a dark meeting."""
    if case.startswith("D"):
        return None
    with suppress(StoreError):
        page = case_queries.standing(data, None, 1, queries.encounter(data, case)["id"])
        return page if page.num_rows else None
    return None


def _labelled(data: Path, pages: Sequence[pa.Table], truth: Sequence[str]) -> pa.Table:
    """Meetings, a row each, as those of a watched sea."""
    if not pages:
        return ROWS.empty_table()
    found = pa.concat_tables(pages)
    beside = case_queries.beside(data, found["id"].to_pylist())
    place = {key: k for k, key in enumerate(zip(beside["id"].to_pylist(), beside["revision"].to_pylist(), strict=True))}
    keys = zip(found["id"].to_pylist(), found["revision"].to_pylist(), strict=True)
    around = beside.take(pa.array([place[key] for key in keys], pa.int64()))
    n = found.num_rows
    stored = {*around.column_names, *found.column_names}  # how each was heard is known of simulated seas alone
    labels: dict[str, Any] = {field.name: pa.nulls(n, field.type) for field in ROWS if field.name not in stored}
    labels |= {field.name: pa.nulls(n, field.type) for field in TRUTH}
    labels |= {"truth": pa.array(truth), "family": pa.array([DECIDED] * n), "scenario": pa.array([DECIDED] * n)}
    labels |= {"detected": pa.array([True] * n), "repeat": pa.array([False] * n), BESIDE: pa.array([False] * n)}
    labels["seed"] = pa.array(np.full(n, _SEED))
    columns = [
        labels[name] if name in labels else (around if name in around.column_names else found)[name]
        for name in ROWS.names
    ]
    return pa.table(columns, names=ROWS.names).cast(ROWS)


# ------------------------------------------------------------------------------------------ learned, compared, approved


def learn(
    data: Path,
    out: Path,
    approved_by: str | None = None,
    seeds: Sequence[int] | None = None,
    cache: Path | None = None,
    workers: int = 1,
    tell: Progress = lambda stage, done, of: None,
) -> dict[str, Any]:
    """Train on simulated seas and the outcomes of a data folder; gives the comparison with the card that is shipped.

    Without a name the comparison alone is written, beside `out`. With one, the card is written too, and who approved it
    into the log: if the comparison was written before, of this very card, and does not say that it is worse. Raises
    LearningError, StoreError, CaseLogError, OSError.
    """
    approved_by = None if approved_by is None else upkeep.checked_name(approved_by)
    found = outcomes(data)
    _enough(data, found.counts)
    learned_on = tuple(seeds or seas.TRAINING_SEEDS)
    sea = watched(STANDARD, learned_on, cache, workers, tell)
    both = Watched(pa.concat_tables([sea.rows, found.rows]).combine_chunks(), sea.days, sea.vessel_days)
    about = {"sea": STANDARD, "seeds": sorted(learned_on), "outcomes": dict(found.counts), "entries": found.sha256}
    content = card_of(both, name=DECIDED, about=about)
    card, before = parsed(content), load()
    overlap = sorted({*learned_on, *before.training.get("seeds", ())} & set(seas.HELD_OUT_SEEDS))
    if overlap:
        raise LearningError(f"seed {overlap[0]} is one of those that both cards are compared on; give other `seeds`")
    held_out = watched(STANDARD, seas.HELD_OUT_SEEDS, cache, workers, tell)
    compared = comparison(card, before, held_out, found)
    written = out.with_suffix(".comparison.json")
    if approved_by is None:
        write_json(written, compared)
        return compared
    _approve(written, compared, card)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
    _note(data, approved_by, card, content, written)
    return compared


def _enough(data: Path, counts: Mapping[str, int]) -> None:
    """Raise LearningError where there are too few of either kind."""
    least = int(from_json(queries.run_of(data)["rules"]).case.learn_from)
    lack = [f"{least - counts.get(name, 0)} more {name}" for name in _TRUTH if counts.get(name, 0) < least]
    if lack:
        have = ", ".join(f"{counts.get(name, 0)} {name}" for name in _TRUTH)
        raise LearningError(
            f"{data}: {have} outcomes are too few to learn from; {' and '.join(lack)} are needed (rule case.learn_from)"
        )


def comparison(card: Scorecard, before: Scorecard, held_out: Watched, found: Outcomes) -> dict[str, Any]:
    """Both cards on the same held-out seas, as plain values; worse: whether the whole range of the difference is."""
    taken = figures.sample(held_out)
    scores = {name: one.score(taken.rows)[0] for name, one in (("new", card), ("before", before))}
    drawn = [ranking.average_precision(taken.drawn(scores[name])) for name in ("new", "before")]
    whole = [float(ranking.average_precision(taken.curve(scores[name]))) for name in ("new", "before")]
    difference = ranking.interval(whole[0] - whole[1], drawn[0] - drawn[1])
    made: dict[str, Any] = plain(
        {
            "new": {"model_id": card.model_id, "figures": _named(figures.figures(taken, scores["new"]))},
            "before": {"model_id": before.model_id, "figures": _named(figures.figures(taken, scores["before"]))},
            "pr_auc_difference": difference._asdict(),
            "worse": bool(difference.high < 0),
            "held_out_seeds": sorted(set(held_out.rows["seed"].to_pylist())),
            "outcomes": dict(found.counts),
            "entries_sha256": found.sha256,
        }
    )
    return made


def _named(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: figure._asdict() for name, figure in found.items()}


def _approve(written: Path, compared: Mapping[str, Any], card: Scorecard) -> None:
    """Raise LearningError where nobody can have read the comparison of this card, or it speaks against it."""
    try:
        known = read_json(written)["new"]["model_id"]
    except (OSError, ValueError, KeyError, TypeError):
        known = None
    if known != card.model_id:
        raise LearningError(
            f"{written}: is not the comparison of {card.model_id}; give the command without `approved_by` and read it"
        )
    if compared["worse"]:
        raise LearningError(f"{card.model_id}: is worse than {compared['before']['model_id']} on the held-out seas")


def _note(data: Path, author: str, card: Scorecard, content: bytes, written: Path) -> None:
    """Write into the log who approved which card on which comparison, once."""
    body = {
        "model_id": card.model_id,
        "card_sha256": hashlib.sha256(content).hexdigest(),
        "comparison_sha256": hashlib.sha256(written.read_bytes()).hexdigest(),
        "note": f"approved: scorecard {card.model_id}",
    }
    with case_log.appending(data) as log:
        if not any(e.kind == APPROVED and dict(e.body) == body and e.author == author for e in log.entries):
            log.append(APPROVED, author, None, None, body, datetime.now(UTC))
    upkeep.show(data)


def as_text(compared: Mapping[str, Any], out: Path, approved_by: str | None) -> str:
    """What was compared, and what to do next."""
    value = compared["pr_auc_difference"]
    pair = [f"{compared[name]['figures']['pr_auc']['value']:.3f}" for name in ("new", "before")]
    lines = [
        f"on held-out seas {json.dumps(compared['held_out_seeds'])}, precision-recall AUC: {pair[0]} of"
        f" {compared['new']['model_id']}, {pair[1]} of {compared['before']['model_id']}; difference"
        f" {value['value']:+.3f} ({value['low']:+.3f} to {value['high']:+.3f})"
    ]
    if approved_by is None:
        lines.append(f"{out.with_suffix('.comparison.json')}: read it; --approved-by NAME then writes the card")
    else:
        lines.append(f"{out}: approved by {approved_by}; `stswatch run --scorecard {out}` scores by it")
    return "\n".join(lines)
