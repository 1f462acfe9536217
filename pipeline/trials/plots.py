"""Pictures of the evaluation: precision over recall, recall over leads a day, calibration, the points of the card."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from stswatch.models.scorecard import Scorecard
from stswatch.pipeline.pictures.style import DASHES, DOTS, FAINT, INK, QUIET, A, B, look
from stswatch.pipeline.trials.figures import LEADS_A_DAY, Sample, Scores

_DPI = 110
# by place in the order of the scores: the trained card, its variants, then the baselines; apart in grey too
_LINES: tuple[tuple[str, Any, float], ...] = (
    (A.colour, "-", 2.0),
    (A.colour, DASHES, 1.2),
    (A.colour, DOTS, 1.2),
    (B.colour, "-", 1.4),
    (B.colour, DASHES, 1.2),
    (QUIET, "-", 1.0),
    (QUIET, DOTS, 1.2),
    (INK, DASHES, 1.4),
)
_MOST_A_DAY = 40.0


def pictures(of: Sample, scores: Scores, told: Mapping[str, Any], card: Scorecard) -> dict[str, bytes]:
    """The pictures by name as PNG; the same figures give the same bytes."""
    from matplotlib.figure import Figure

    made: dict[str, tuple[tuple[float, float], Callable[[Any], None]]] = {
        "precision_recall": ((6.4, 4.2), lambda figure: _precision(figure, of, scores)),
        "leads": ((6.4, 4.2), lambda figure: _leads(figure, of, scores)),
        "calibration": ((4.2, 4.2), lambda figure: _calibration(figure, told["calibration"])),
        "points": ((9.0, 2.1 * -(-len(card.steps) // 3)), lambda figure: _points(figure, card)),
    }
    written = {}
    with look():
        for name, (size_in, draw) in made.items():
            figure = Figure(figsize=size_in, layout="constrained")
            draw(figure)
            sink = io.BytesIO()
            figure.savefig(sink, format="png", dpi=_DPI, metadata={"Software": None})
            written[name] = sink.getvalue()
    return written


def _precision(figure: Any, of: Sample, scores: Scores) -> None:
    """Precision over recall of all transfers: recall ends where those end that gave an encounter."""
    ax = figure.subplots()
    for (name, score), (colour, dash, width) in zip(scores.items(), _LINES, strict=True):
        found = of.curve(score)
        with np.errstate(invalid="ignore"):
            precision = found.true[1:] / found.leads[1:]
        ax.plot(found.true[1:] / found.transfers, precision, color=colour, ls=dash, lw=width, label=name)
    ax.axhline(of.transfer.mean(), color=FAINT, lw=0.8)
    ax.set(xlabel="recall of all transfers", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    ax.legend(frameon=False, loc="upper right")


def _leads(figure: Any, of: Sample, scores: Scores) -> None:
    ax = figure.subplots()
    for (name, score), (colour, dash, width) in zip(scores.items(), _LINES, strict=True):
        found = of.curve(score)
        ax.plot(found.leads / of.days, found.true / found.transfers, color=colour, ls=dash, lw=width, label=name)
    for k in LEADS_A_DAY:
        ax.axvline(k, color=FAINT, lw=0.8)
    title = f"{of.vessel_days / of.days:,.0f} vessels watched"
    ax.set(xlabel="leads a day", ylabel="recall of all transfers", xlim=(0, _MOST_A_DAY), ylim=(0, 1), title=title)
    ax.legend(frameon=False, loc="lower right")


def _calibration(figure: Any, told: Mapping[str, Any]) -> None:
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], color=FAINT, lw=0.8)
    ax.plot(told["told"], told["was"], color=A.colour, marker="o", lw=1.4)
    ax.set(
        xlabel="told by the score, both kinds in equal number", ylabel="share of transfers", xlim=(0, 1), ylim=(0, 1)
    )
    ax.set_aspect("equal")


def _points(figure: Any, card: Scorecard) -> None:
    """Steps of every feature of the card, on one scale of points."""
    axes = figure.subplots(-(-len(card.steps) // 3), 3, squeeze=False, sharey=True).ravel()
    for ax, steps in zip(axes, card.steps, strict=False):
        cuts = steps.feature.cuts
        beside = 0.1 * (cuts[-1] - cuts[0]) if len(cuts) > 2 else 1.0
        edges = [min(cuts[0], *steps.edges[:1]) - beside, *steps.edges, max(cuts[-1], *steps.edges[-1:]) + beside]
        ax.stairs(steps.points, edges, color=A.colour, lw=1.4, baseline=None)
        ax.set_xlabel(steps.feature.unit)
        ax.axhline(0, color=FAINT, lw=0.8)
        ax.set_title(steps.feature.name)
    for ax in axes[len(card.steps) :]:
        ax.set_axis_off()
    for ax in axes[::3]:
        ax.set_ylabel("points")
