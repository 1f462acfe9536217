"""Draws zones and ports of interest over the coast: the picture of `stswatch areas --picture` and of docs/zones.md."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from stswatch.geo.labels import Label, place
from stswatch.geo.longitude import near_lon
from stswatch.geo.map_ground import SEA, Bounds, fill, ground, seen_from
from stswatch.geo.ports import HARBOUR, harbours, ports
from stswatch.geo.zones import REPORTED, Area, Zones, zones

DATA = ("zones.geojson", "harbours.geojson", "ports.csv", "searoute_corrections.csv")


class Panel(NamedTuple):
    """A map in the picture: west, south, east, north in degrees; left, bottom, width, height in shares; its title."""

    bounds: Bounds
    place: Bounds
    title: str


WHOLE = Panel((104.0, 17.5, 146.5, 48.0), (0.045, 0.055, 0.945, 0.90), "")
INSETS = (
    Panel((123.3, 37.35, 126.6, 40.1), (0.665, 0.090, 0.310, 0.368), "A: west coast of the DPRK"),
    Panel((129.3, 41.4, 133.6, 43.3), (0.085, 0.720, 0.310, 0.207), "B: Chongjin to Nakhodka"),
)
SIZE_IN, DPI = (13.0, 11.6), 110
SHAPE = WHOLE.place[2] * SIZE_IN[0] / (WHOLE.place[3] * SIZE_IN[1])  # width to height of the whole map
NEAR_DEG = 12  # a map wider than this shows ports as marks alone
NOTE = (
    "A zone is a place where transfers were reported or are thought likely: it accuses nobody who is there.\n"
    "Its edges are working lines, not boundaries. Clipped to water, cut free of ports outside the DPRK trade."
    " Coast: GSHHG, LGPL-3."
)
COLOURS = {"reported": "#d9541e", "context": "#3b6ea5", "own": "#7a2da8", "trade": "#b00020", "port": "#333333"}


def render(suffix: str, area: Area | None = None) -> bytes:
    """The zones of the program and the ports of interest as a .png, .svg or .pdf file; round a user's zones, if given.

    The file carries `fingerprint()`.

    >>> fingerprint().encode() in render(".svg")
    True
    """
    named = {".png": {"Software": None, "Source": fingerprint()}, ".svg": {"Date": None, "Source": fingerprint()}}
    out = io.BytesIO()
    metadata = named.get(suffix, {"CreationDate": None, "Keywords": fingerprint()})
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}):  # a zone's name may hold dollars
        draw(area)[0].savefig(out, format=suffix.removeprefix("."), metadata=metadata)
    return out.getvalue()


def draw(area: Area | None = None) -> tuple[Any, list[str]]:
    """The picture as a matplotlib figure, and the names for which it had no room.

    >>> figure, left_out = draw()
    >>> len(figure.axes) >= 3, left_out
    (True, [])
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_IN, dpi=DPI, facecolor="white")
    renderer = FigureCanvasAgg(figure).get_renderer()
    own = area.zones if area is not None and area.zones.ids else None
    insets = () if own else INSETS
    left_out = []
    for panel in (WHOLE._replace(bounds=_round_about(own)) if own else WHOLE, *insets):
        axes = _axes(figure, panel, on_top=panel in insets)
        for table in (zones(), own):
            _zones(axes, table)
        _ports(axes, panel)
        inner = () if panel in insets else insets
        _frames(axes, inner)
        axes.apply_aspect()
        taken = [*_marks(axes, panel), *(_pixels(figure, inset.place).buffer(50) for inset in inner)]
        left_out += place(renderer, axes, _names(panel, own, inner), taken)
    figure.text(0.045, 0.97, f"Zones of stswatch{f' and those of {area.name}' if own and area else ''}", size=15)
    figure.text(0.045, 0.012, NOTE, size=9, linespacing=1.4)
    _legend(figure, own is not None)
    return figure, left_out


def fingerprint() -> str:
    """SHA-256 of the data that the picture of docs/ is drawn from, which it carries as its `Source`.

    >>> len(fingerprint())
    64
    """
    folder = files("stswatch.geo") / "data"
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in DATA)).hexdigest()


def _round_about(own: Zones) -> Bounds:
    """The box round a user's zones, with a margin, in the shape of the map; over the date line if narrower."""
    seen = [shapely.total_bounds(seen_from(middle, own.geometry)) for middle in (0.0, 180.0)]
    west, south, east, north = min(seen, key=lambda bounds: bounds[2] - bounds[0])
    lon, lat = (west + east) / 2, (south + north) / 2
    wide = SHAPE / np.cos(np.radians(lat))  # degrees of longitude to one of latitude
    half = 0.65 * max(north - south, (east - west) / wide, 0.2)
    half_lon = min(half * wide, 180)
    return lon - half_lon, max(lat - half, -90), lon + half_lon, min(lat + half, 90)


def _axes(figure: Any, panel: Panel, on_top: bool) -> Any:
    """A map with land, sea and a grid; one on top of another has its own ground, tick labels and all."""
    left, bottom, width, height = panel.place
    if on_top:
        sheet = (left - 0.036, bottom - 0.025, width + 0.046, height + 0.05)
        figure.add_axes(sheet, zorder=2, xticks=[], yticks=[])
    axes = figure.add_axes(panel.place, zorder=3 if on_top else 1, facecolor=SEA)
    ground(axes, panel.bounds, (panel.bounds[2] - panel.bounds[0]) / (width * SIZE_IN[0] * DPI))
    axes.set_title(panel.title, size=9, pad=4, loc="left")
    return axes


def _colour(table: Zones, properties: dict[str, Any]) -> str:
    kind = "reported" if properties["kind"] == REPORTED else "context"
    return COLOURS[kind if table is zones() else "own"]


def _zones(axes: Any, table: Zones | None) -> None:
    """Large ones first, so that small ones lie on top."""
    for properties, shape in reversed(list(zip(table.properties, table.geometry, strict=True)) if table else []):
        colour, reported = _colour(table or zones(), properties), properties["kind"] == REPORTED
        fill(axes, shape, facecolor=colour, alpha=0.20 if reported else 0.08, edgecolor="none", zorder=2)
        edge = "-" if reported else (0, (4, 3))
        fill(axes, shape, facecolor="none", edgecolor=colour, linestyle=edge, linewidth=0.9, zorder=3)


def _seen(panel: Panel) -> NDArray[np.int64]:
    """The ports of interest in a panel, those of the trade first: index into `ports()`."""
    table, (west, south, east, north) = ports(), panel.bounds
    lon = near_lon(table.lon, (west + east) / 2)
    here = (lon > west) & (lon < east) & (table.lat > south) & (table.lat < north)
    which = np.flatnonzero(here & table.drawn)
    return which[np.argsort(~table.trade[which], kind="stable")]


def _points(panel: Panel, which: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where some ports are, (n, 2), at the turn at which the map has them."""
    middle = (panel.bounds[0] + panel.bounds[2]) / 2
    return np.column_stack([near_lon(ports().lon[which], middle), ports().lat[which]])


def _ports(axes: Any, panel: Panel) -> None:
    table, polygons, seen = ports(), harbours(), _seen(panel)
    if panel.bounds[2] - panel.bounds[0] < NEAR_DEG:
        for row in np.flatnonzero(np.isin(polygons.port, seen)):
            colour = COLOURS["trade" if table.trade[polygons.port[row]] else "port"]
            dashes = "-" if polygons.part[row] == HARBOUR else (0, (1, 1))
            fill(axes, polygons.geometry[row], facecolor="none", edgecolor=colour, linestyle=dashes, linewidth=0.7)
    for kind, mark, size in (("port", "o", 2.6), ("trade", "s", 3.6)):
        which = seen[table.trade[seen] == (kind == "trade")]
        style = {"ms": size, "color": COLOURS[kind], "mec": "white", "mew": 0.4, "zorder": 5}
        axes.plot(*_points(panel, which).T, mark, **style)


def _marks(axes: Any, panel: Panel) -> list[Any]:
    """The boxes, in pixels, of the marks of ports."""
    x, y = axes.transData.transform(_points(panel, _seen(panel))).T
    return list(shapely.box(x - 4, y - 4, x + 4, y + 4))


def _frames(axes: Any, insets: tuple[Panel, ...]) -> None:
    """Where the insets are."""
    for inset in insets:
        west, _, _, north = inset.bounds
        axes.plot(*shapely.box(*inset.bounds).exterior.xy, color="black", linewidth=0.7, zorder=4)
        axes.text(west, north, f" {inset.title[:1]}", size=9, va="top", weight="bold", zorder=4)


def _pixels(figure: Any, share: Bounds) -> Any:
    width, height = figure.bbox.width, figure.bbox.height
    left, bottom = share[0] * width, share[1] * height
    return shapely.box(left, bottom, left + share[2] * width, bottom + share[3] * height)


def _names(panel: Panel, own: Zones | None, insets: tuple[Panel, ...]) -> Iterator[Label]:
    """Names of zones, the user's first, then of ports; what an inset shows is named there."""
    box = shapely.box(*panel.bounds)
    elsewhere = shapely.union_all([shapely.box(*inset.bounds) for inset in insets])
    for zone_table in (own, zones()):
        for properties, shape in zip(zone_table.properties, zone_table.geometry, strict=True) if zone_table else ():
            there = shapely.union_all(seen_from((panel.bounds[0] + panel.bounds[2]) / 2, shape))
            seen = shapely.intersection(there, box)
            if seen.area > 0.2 * min(shape.area, box.area) and not elsewhere.covers(shape):
                at = shapely.point_on_surface(seen)
                style = {"size": 9, "weight": "bold", "color": _colour(zone_table or zones(), properties)}
                yield Label(properties["id"], at.x, at.y, True, style)
    table = ports()
    for i, (lon, lat) in zip(_seen(panel), _points(panel, _seen(panel)).tolist(), strict=True):
        if not elsewhere.intersects(shapely.Point(lon, lat)):
            style = {"size": 7, "color": COLOURS["trade" if table.trade[i] else "port"]}
            yield Label(str(table.name[i]), lon, lat, False, style)


def _legend(figure: Any, own: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def patch(kind: str, label: str, **style: Any) -> Any:
        return Patch(facecolor=COLOURS[kind] + "22", edgecolor=COLOURS[kind], label=label, **style)

    def mark(kind: str, label: str, marker: str) -> Any:
        return Line2D([], [], marker=marker, color=COLOURS[kind], linestyle="", markersize=4, label=label)

    rows = [patch("own", "your file")] if own else []
    rows += [patch("reported", "reported transfer area"), patch("context", "context, not scored", linestyle="--")]
    rows += [mark("trade", "port of the DPRK trade", "s"), mark("port", "other port with polygons", "o")]
    figure.legend(handles=rows, loc="upper right", bbox_to_anchor=(0.985, 0.998), ncols=3, fontsize=8.5, frameon=False)
