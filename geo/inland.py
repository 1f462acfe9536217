"""Positions so far inland that no ship can be there: what a falsified track may show, and no river port does."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stswatch.geo.ports import port_or_anchorage_of
from stswatch.geo.water import distance_inland_km

# Rivers and docks are lawful places, and the coast draws few of them: it ends the Scheldt 7 km below Antwerp and the
# Delaware 26 km below Philadelphia. So a position is called far inland only from here on, and
FAR_INLAND_KM = 5.0
# only this far from every port, and in no harbour that is drawn. docs/zones.md says how many real positions are left.
FROM_PORT_KM = 20.0


def far_inland(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
    """Whether points (n,), degrees, are on land, FAR_INLAND_KM or more from water, and far from every port.

    That is FROM_PORT_KM from its point and in no polygon of its harbours. Lakes are water. False for what is no
    position. Never raises.

    >>> far_inland([126.7, 125.62, 124.0, np.nan], [40.0, 38.74, 38.0, 39.0]).tolist()
    [True, False, False, False]
    """
    x, y = np.broadcast_arrays(np.atleast_1d(np.asarray(lon, float)), np.atleast_1d(np.asarray(lat, float)))
    with np.errstate(invalid="ignore"):
        far = distance_inland_km(x, y) >= FAR_INLAND_KM
    where = np.nonzero(far)
    far[where] = port_or_anchorage_of(x[where], y[where], FROM_PORT_KM)[0] < 0
    return np.asarray(far)
