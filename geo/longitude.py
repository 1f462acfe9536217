"""The date line, in one place: one meridian has many longitudes, and these functions choose among them.

Longitudes are degrees, float64, of any turn. Functions take scalars or arrays (n,), broadcast as NumPy does, never
mutate and never raise on numbers; what is not finite gives nothing finite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def wrap_lon(lon_deg: ArrayLike) -> Floats:
    """Longitude in [-180, 180); what is in that range already comes back bit for bit.

    >>> float(wrap_lon(181.5)), float(wrap_lon(-180.0)), float(wrap_lon(180.0))
    (-178.5, -180.0, -180.0)
    """
    lon = np.asarray(lon_deg, np.float64)
    with np.errstate(invalid="ignore"):
        turned = lon - 360.0 * turns_of(lon)
    return turned[()]


def turns_of(lon_deg: ArrayLike) -> Floats:
    """Whole turns to take off a longitude so that it lies in [-180, 180).

    >>> turns_of([-181.0, 179.0, 540.0]).tolist()
    [-1.0, 0.0, 2.0]
    """
    lon = np.asarray(lon_deg, np.float64)
    with np.errstate(invalid="ignore"):
        turns = np.floor((lon + 180.0) / 360.0)
        # the quotient may round up to a whole number: a longitude a hair below 180 would be turned below -180
        turns = turns - (lon - 360.0 * turns < -180.0)
    return turns[()]


def near_lon(lon_deg: ArrayLike, reference_deg: ArrayLike) -> Floats:
    """The same meridian as lon, within 180 degrees of the reference; may lie beyond +-180.

    >>> float(near_lon(-179.5, 179.5)), float(near_lon(179.5, -179.5)), float(near_lon(10.0, 20.0))
    (180.5, -180.5, 10.0)
    """
    with np.errstate(invalid="ignore"):
        return (np.asarray(lon_deg, np.float64) + turn_to(lon_deg, reference_deg))[()]


def turn_to(lon_deg: ArrayLike, reference_deg: ArrayLike) -> Floats:
    """Degrees, whole turns, that bring lon within 180 degrees of the reference.

    For a piece of a way, whose ends must be turned together.

    >>> float(turn_to(-179.5, 179.5)), float(turn_to(10.0, 20.0))
    (360.0, 0.0)
    """
    lon, reference = np.asarray(lon_deg, np.float64), np.asarray(reference_deg, np.float64)
    with np.errstate(invalid="ignore"):
        return (np.rint((reference - lon) / 360.0) * 360.0)[()]


def lon_difference(lon0_deg: ArrayLike, lon1_deg: ArrayLike) -> Floats:
    """Degrees east from lon0 to lon1 by the shorter way, within +-180; west is negative.

    >>> float(lon_difference(179.5, -179.5)), float(lon_difference(10.0, 350.0))
    (1.0, -20.0)
    """
    lon0 = np.asarray(lon0_deg, np.float64)
    with np.errstate(invalid="ignore"):
        return (near_lon(lon1_deg, lon0) - lon0)[()]
