"""From seeds to a trained card, and from a card to its evaluation: what the commands train and evaluate do."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stswatch.errors import StswatchError
from stswatch.models.scorecard import Scorecard
from stswatch.pipeline.trials.archives import Archive
from stswatch.pipeline.trials.card import markdown
from stswatch.pipeline.trials.figures import sample
from stswatch.pipeline.trials.judge import Ground, card_of, cards, judge, scores_of
from stswatch.pipeline.trials.plots import pictures
from stswatch.pipeline.trials.seas import SEAS, SHIFTED, STANDARD, Tell, watched

CARD, FIGURES = "CARD.md", "evaluation.json"


class TrialError(StswatchError, ValueError):
    """A trial that cannot be held; the message says what was found and what to do."""


def trained(seeds: Sequence[int], keep: Path | None, workers: int, tell: Tell) -> bytes:
    """A card trained on seeds of the standard sea, as the bytes of its file; the same seeds give the same bytes."""
    sea = watched(STANDARD, seeds, keep, workers, tell)
    return card_of(sea, told={"sea": STANDARD, "seeds": sorted(seeds)})


def ground(
    card: Scorecard, seeds: Sequence[int], shifted: Sequence[int], keep: Path | None, workers: int, tell: Tell
) -> Ground:
    """The seas of an evaluation. Raises TrialError for a card that was not trained here, or on seeds of the trial."""
    learned = card.training.get("seeds")
    if not learned or card.training.get("sea") != STANDARD:
        raise TrialError(f"{card.model_id} says nothing of seeds that it was trained on; give one of `stswatch train`")
    both = sorted(set(learned) & set(seeds))
    if both:
        raise TrialError(f"seed {both[0]} was in the training of {card.model_id}; evaluate on others, such as 101-104")
    return Ground(
        watched(STANDARD, learned, keep, workers, tell),
        watched(STANDARD, seeds, keep, workers, tell),
        watched(SHIFTED, shifted, keep, workers, tell),
        {"plans": {name: text for name, (_, text) in SEAS.items()}},
    )


def evaluated(
    card: Scorecard, on: Ground, archives: Sequence[Archive], tell: Tell = lambda stage, done, of: None
) -> dict[str, bytes]:
    """The files of an evaluation by name: the card as Markdown, its figures as JSON, its pictures."""
    trained_cards, taken = cards(card, on), sample(on.held_out)
    told = judge(trained_cards, on, archives, lambda what: tell(what, 0, 1))
    drawn = pictures(taken, scores_of(taken.rows, trained_cards), told, card)
    written = {CARD: markdown(told).encode(), FIGURES: (json.dumps(plain(told), indent=1) + "\n").encode()}
    return written | {f"{name}.png": content for name, content in drawn.items()}


def plain(told: Any) -> Any:
    """The same values as JSON can say them: what is no number becomes null.

    >>> plain({"auc": float("nan"), "range": (1.0, 2.0)})
    {'auc': None, 'range': [1.0, 2.0]}
    """
    if isinstance(told, Mapping):
        return {str(key): plain(value) for key, value in told.items()}
    if isinstance(told, list | tuple):
        return [plain(value) for value in told]
    return None if isinstance(told, float) and not math.isfinite(told) else told
