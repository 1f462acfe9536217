"""How pictures look: colours that hold for the colour-blind and in grey, sizes, the font.

Vessel a is dark blue, with round marks; vessel b is orange, with square ones: far apart in hue for every kind of colour
vision (Source: Okabe and Ito, Color Universal Design, 2008), and dark beside light where there is no colour.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context, rcdefaults, rcParams

DPI = 150
WIDTH_IN, HEIGHT_IN = 11.69, 8.27  # A4 across
PT_PER_IN = 72.0


@dataclass(frozen=True)
class Hand:
    """How one vessel is drawn."""

    letter: str
    colour: str
    marker: str


A, B = Hand("A", "#0b3c78", "o"), Hand("B", "#d9730d", "s")
INK, QUIET, FAINT = "#1c2733", "#5d6b78", "#aab4bd"
SEA, LAND, SHORE = "#f4f8fa", "#e6dfd0", "#9c8f76"
SPAN, SPAN_LIGHT = "#f6dd8d", "#fcf3d4"  # while they were together: behind the courses, behind the curves
UNSEEN = "#c9ced3"
REPORTED_ZONE, CONTEXT_ZONE, OWN_ZONE = "#7d4a8c", "#5b7f9c", "#0f7f6d"
TRADE_PORT = "#b00020"
NEAR_TO_FAR = ("#7d1128", "#d9541e", "#efb366")  # how far something gets
DASHES = (0, (3.2, 1.8))
DOTS = (0, (0.8, 2.2))

_LOOK = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 7.5,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold dollars
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.linewidth": 0.6,
    "axes.facecolor": "white",
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.5,
    "svg.hashsalt": "stswatch",  # else ids differ from time to time
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "path.simplify": True,
}


@contextmanager
def look() -> Iterator[None]:
    """This look, whatever the user's own settings are; they come back after."""
    with rc_context(), warnings.catch_warnings():
        rcdefaults()
        rcParams.update(_LOOK)
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in letters that the font lacks shows as boxes
        yield


def halo(width_pt: float = 2.0) -> list[Any]:
    """A light edge round letters, so that they can be read over lines."""
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=width_pt, foreground="white", alpha=0.85)]
