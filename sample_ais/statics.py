"""What ships say of themselves, as received: static and voyage reports with the errors that crews make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stswatch.sample_ais import transmit
from stswatch.sample_ais.cast import ALWAYS, Actor, Emitter
from stswatch.sample_ais.columns import Cast, silent
from stswatch.sample_ais.courses import Ints, step_at, steps
from stswatch.sample_ais.hearing import Hearing
from stswatch.sample_ais.motion import Floats

# Share of ships whose static data hold an error, by kind. An estimate: Harati-Mokhtari et al., Automatic Identification
# System (AIS): data reliability and human error implications, Journal of Navigation 60 (2007), found type, dimensions,
# draught and destination wrong more often than names and numbers.
ERRORS = {"no_imo": 0.02, "swapped_size": 0.02, "no_size": 0.03, "type_0": 0.03, "no_draught": 0.10, "cut_name": 0.02}

Columns = Mapping[str, Any]


def said(emitter: Emitter, actor: Actor, number: int, seed: int) -> dict[str, Any]:
    """What an emitter says, but for the draught: values by column of the static reports, errors among them."""
    ship = emitter.ship
    rng = np.random.default_rng([seed, 11, number])
    wrong = {name for name, share in ERRORS.items() if rng.random() < share}
    bow, stern, port, starboard = antenna(ship.kind.length_m, ship.kind.beam_m, int(ship.hull[5:]))
    if "swapped_size" in wrong:
        bow, stern = stern, bow
    if "no_size" in wrong:
        bow = stern = port = starboard = 0
    return {
        "mmsi": ship.mmsi,
        "imo": 0 if "no_imo" in wrong else ship.imo,
        "name": ship.name[:-1] if "cut_name" in wrong else ship.name,
        "call_sign": ship.call_sign,
        "ship_type": 0 if "type_0" in wrong else ship.kind.ship_type,
        "to_bow_m": bow,
        "to_stern_m": stern,
        "to_port_m": port,
        "to_starboard_m": starboard,
        "destination": ship.destination,
        "tells_draught": "no_draught" not in wrong,
    }


def antenna(length_m: int, beam_m: int, number: int) -> tuple[int, int, int, int]:
    """Antenna to bow, stern, port and starboard, metres: on a bridge aft, or forward in one hull of five.

    >>> antenna(100, 16, 1)
    (83, 17, 8, 8)
    """
    share = 0.72 if number % 5 == 4 else 0.15 + 0.02 * (number % 4)
    stern = max(2, round(length_m * share))
    port = max(1, min(beam_m - 1, beam_m // 2 + (number % 3) - 1))
    return max(1, length_m - stern), stern, port, beam_m - port


def received(
    rng: np.random.Generator, hearing: Hearing, days: float, every_s: float
) -> tuple[Ints, Floats, Floats, Ints]:
    """Emitter, time sent, draught and station of the static reports received (n,); draught NaN for class B.

    Of `every_s` at most one is kept, as networks do.
    """
    cast, slot = hearing.cast, np.arange(0.0, days * 86_400, every_s)
    emitter, time_s = np.repeat(np.arange(len(cast.owner)), len(slot)), np.tile(slot, len(cast.owner))
    on = (time_s >= cast.from_s[emitter]) & (time_s < cast.until_s[emitter])
    emitter, time_s = emitter[on], time_s[on]
    sent = np.full(len(emitter), max(1, round(every_s / transmit.STATIC_S)), np.int64)
    of = transmit.Slots(emitter, time_s, np.full(len(emitter), transmit.STATIC_S), sent)
    heard, when_s, station = hearing.first(rng, of, rng.random(len(emitter)))
    emitter, when_s = emitter[heard], when_s + np.floor(300 * rng.random(len(when_s)))
    awake = ~silent(cast, cast.owner[emitter], when_s) & (when_s < days * 86_400)
    emitter, when_s = emitter[awake], when_s[awake]
    return emitter, when_s, draughts_m(cast, emitter, when_s), station[awake]


def draughts_m(cast: Cast, emitter: Ints, time_s: Floats) -> Floats:
    """What each emitter (n,) says of its draught at a time (n,); NaN for class B, which has no such field."""
    told = [a.draughts or ((ALWAYS[0], a.ship.kind.draught_m),) for a in cast.actors]
    now = step_at(steps(told), cast.owner[emitter], time_s)
    return np.where(cast.class_b[emitter], np.nan, now)
