"""What lies round a meeting, as part of the score: one visible table, one pure function per feature.

Columns are those of view `encounter_context`, each twice: NAME_a and NAME_b, of one vessel and of the other. A feature
is symmetric in the two, and NaN where it is not known: where the data do not cover its window, or a silence in it is
not judged. So what was not received gives no points. None of them sees who met: flag, MMSI, names, lists and past
decisions are no inputs, and neither is an event that rests on a flag or on names alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stswatch.models.feature import Columns, Feature, Floats, floats

# How much of the data has to lie beside it: as long as the windows of rules.context.
SILENCE_D, LOITERING_D, BEFORE_D, AFTER_D = 1.0, 2.0, 30.0, 10.0


def known_at(columns: Mapping[str, Any], age_d: float) -> dict[str, Any]:
    """The same columns, by name, as they are known so many days after each meeting; n as before.

    What a watch sees of a meeting that has just ended is at 0. A silence that begins after a meeting is judged when it
    has ended, so that it counts at the end only. Doubts are not told apart by their time: those of the days after count
    at any age.
    """
    known = dict(columns)
    for v in "ab":
        heard = {name: floats(columns, f"{name}_{v}") for name in ("known_after_d", "to_call_h")}
        late = ~(heard["to_call_h"] <= age_d * 24)
        known[f"known_after_d_{v}"] = np.minimum(heard["known_after_d"], age_d)
        for name in ("to_call_h", "next_port_trade", "draught_change_m"):
            known[f"{name}_{v}"] = np.where(late, np.nan, floats(columns, f"{name}_{v}"))
        if age_d < AFTER_D:
            known[f"off_after_{v}"] = np.zeros(len(late))
            known[f"dark_call_after_h_{v}"] = np.zeros(len(late))
    return known


def _both(columns: Columns, name: str) -> Floats:
    """One column of both vessels, (2, n)."""
    return np.stack([floats(columns, f"{name}_{v}") for v in "ab"])


def _where_heard(columns: Columns, value: Floats, side: str, least_d: float) -> Floats:
    """Values of both vessels (2, n), NaN for one that was not heard for so long before or until so long after it."""
    return np.where(_both(columns, f"known_{side}_d") >= least_d, value, np.nan)


def _greatest(value: Floats) -> Floats:
    """The greater of both, (n,). Where one is not known it is known only as far as it lies above 0."""
    most = np.fmax(value[0], value[1])
    return np.where((most > 0) | ~np.isnan(value).any(axis=0), most, np.nan)


def _silenced(columns: Columns, side: str) -> Floats:
    off = _both(columns, f"off_{side}")
    if side != "inside":
        off = np.where(off > 0, off, _where_heard(columns, off, side, SILENCE_D))
    return _greatest(off)


def silenced_before(columns: Columns) -> Floats:
    """How surely one of them switched off in the day before; who hides the way to a meeting does."""
    return _silenced(columns, "before")


def silenced_inside(columns: Columns) -> Floats:
    """How surely one of them switched off while they met."""
    return _silenced(columns, "inside")


def silenced_after(columns: Columns) -> Floats:
    """How surely one of them switched off in the day after; who hides where the cargo goes does."""
    return _silenced(columns, "after")


def _loitered_h(columns: Columns, side: str) -> Floats:
    return _greatest(_where_heard(columns, _both(columns, f"loitered_{side}_h"), side, LOITERING_D))


def loitered_before_h(columns: Columns) -> Floats:
    """How long the one that waited longer had loitered in the two days before; who comes early waits for somebody."""
    return _loitered_h(columns, "before")


def loitered_after_h(columns: Columns) -> Floats:
    """How long the one that stayed longer loitered in the two days after."""
    return _loitered_h(columns, "after")


def since_call_h(columns: Columns) -> Floats:
    """How long ago the one that was in port last had left; bunker vessels, tugs and pilots come out of port."""
    a, b = _both(columns, "since_call_h")
    return np.asarray(np.minimum(a, b))


def to_call_h(columns: Columns) -> Floats:
    """After how long the first of them was in port; bunker vessels, tugs and pilots go back into port."""
    a, b = _both(columns, "to_call_h")
    return np.asarray(np.minimum(a, b))


def dark_call_h(columns: Columns) -> Floats:
    """Most time to spare at a port of the DPRK or of its trade, in a silence that was judged to be switched off."""
    most = np.maximum(_both(columns, "dark_call_before_h"), _both(columns, "dark_call_after_h"))
    return np.asarray(most.max(axis=0))


def trade_calls(columns: Columns) -> Floats:
    """How many of the two were heard in a port of the DPRK or of its trade before or after it."""
    either = np.fmax(_both(columns, "last_port_trade"), _both(columns, "next_port_trade"))
    return np.where(np.isnan(either).any(axis=0), np.nan, either.sum(axis=0))


def partners_before(columns: Columns) -> Floats:
    """How many vessels the busier of both had met; who serves ships meets many."""
    return _greatest(_where_heard(columns, _both(columns, "partners_before"), "before", BEFORE_D))


def met_before(columns: Columns) -> Floats:
    """How often the two had met in the month before."""
    return _greatest(_where_heard(columns, _both(columns, "same_before"), "before", BEFORE_D))


def draught_exchanged_m(columns: Columns) -> Floats:
    """By how much one went deeper and the other rose, from the last call to the next, as they entered it."""
    a, b = _both(columns, "draught_change_m")
    return np.asarray(np.maximum(np.maximum(np.minimum(a, -b), np.minimum(-a, b)), 0))


def doubts(columns: Columns) -> Floats:
    """How many events of identity and checks of positions speak against the one of both with more of them."""
    return np.asarray((_both(columns, "identity_events") + _both(columns, "track_checks")).max(axis=0))


_CHANCES = (0.25, 0.5, 0.75, 0.9)
CONTEXT = (
    Feature.measured_by(
        silenced_before,
        "one switched off in the day before, with a chance of {value:.2f}",
        "chance",
        1,
        cuts=_CHANCES,
        silence=True,
        supports="who hides the way to a meeting switches off before it",
        opposes="nobody hid the way to it",
        unknown="a silence in the day before that is not judged, or less than a day of data",
    ),
    Feature.measured_by(
        silenced_inside,
        "one switched off while they met, with a chance of {value:.2f}",
        "chance",
        1,
        cuts=_CHANCES,
        silence=True,
        supports="who hides a meeting switches off",
        opposes="nobody hid it",
        unknown="a silence while they met that is not judged",
    ),
    Feature.measured_by(
        silenced_after,
        "one switched off in the day after, with a chance of {value:.2f}",
        "chance",
        1,
        cuts=_CHANCES,
        silence=True,
        supports="who hides where the cargo goes switches off after it",
        opposes="nobody hid the way from it",
        unknown="a silence in the day after that is not judged, or no day of data after it yet",
    ),
    Feature.measured_by(
        loitered_before_h,
        "one had loitered for {value:.0f} h of the two days before",
        "h",
        0,
        cuts=(1, 6, 12, 24, 36),
        supports="as who waits for a partner",
        opposes="more like the traffic of a roadstead",
        unknown="how long they had loitered is not known: fewer than two days of data before it",
    ),
    Feature.measured_by(
        loitered_after_h,
        "one loitered for {value:.0f} h of the two days after",
        "h",
        0,
        cuts=(1, 6, 12, 24, 36),
        supports="as who waits for the next partner",
        opposes="more like the traffic of a roadstead",
        unknown="how long they loitered afterwards is not known: no two days of data after it yet",
    ),
    Feature.measured_by(
        since_call_h,
        "one had left port {value:.0f} h before",
        "h",
        1,
        cuts=(6, 12, 24, 48, 96, 168, 336),
        supports="long at sea, both of them",
        opposes="bunker vessels, tugs and pilots come out of port",
        unknown="no call of both was heard in the month before",
    ),
    Feature.measured_by(
        to_call_h,
        "one was in port {value:.0f} h after",
        "h",
        1,
        cuts=(6, 12, 24, 48, 96, 168),
        supports="long at sea, both of them",
        opposes="bunker vessels, tugs and pilots go back into port",
        unknown="no call of both was heard in the ten days after",
    ),
    Feature.measured_by(
        dark_call_h,
        "{value:.0f} h to spare at a port of the DPRK or of its trade while switched off",
        "h",
        1,
        cuts=(6, 24, 72),
        silence=True,
        supports="there was time to load or land there",
        opposes="no silence that was judged to be switched off leaves time for such a call",
    ),
    Feature.measured_by(
        trade_calls,
        "{value:.0f} of 2 vessels heard in a port of the DPRK or of its trade",
        "vessels",
        1,
        cuts=(0.5, 1.5),
        supports="a voyage of that trade",
        opposes="neither voyage is of that trade",
        unknown="no call of both was heard round it",
    ),
    Feature.measured_by(
        partners_before,
        "the busier of both had met {value:.0f} others in the month before",
        "vessels",
        0,
        cuts=(1, 2, 4, 8, 16),
        supports="as who takes part in transfers",
        opposes="as who serves ships, or lies in a roadstead",
        unknown="how many others they had met is not known: less than a month of data before it",
    ),
    Feature.measured_by(
        met_before,
        "the two had met {value:.0f} times in the month before",
        "meetings",
        0,
        cuts=(1, 2, 4),
        supports="as partners do",
        opposes="as vessels of one harbour or company do",
        unknown="how often the two had met is not known: less than a month of data before it",
    ),
    Feature.measured_by(
        draught_exchanged_m,
        "one went {value:.1f} m deeper and the other rose as much",
        "m",
        1,
        cuts=(0.2, 0.5, 1, 2),
        self_reported=True,
        supports="cargo went from the one to the other",
        opposes="their draughts do not say that cargo changed hulls",
        unknown="the draughts of both from call to call are not known",
    ),
    Feature.measured_by(
        doubts,
        "{value:.0f} doubts about the identity or the positions of one",
        "events",
        1,
        cuts=(1, 2, 4),
        supports="who forges what it is or where it is hides something",
        opposes="nothing speaks against what they said",
    ),
)
