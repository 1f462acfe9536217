"""Owns: the port table is sound and keeps its trade marks; the nearest port is the nearest."""

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.ports import SAME_PORT_KM, SAME_TRADE_PORT_KM, lawful_port, nearest_port, ports
from stswatch.geo.sphere import haversine_m


def test_the_table_is_sound():
    table = ports()
    assert len(table.id) > 3_900
    assert len(set(table.id)) == len(table.id)
    assert (np.abs(table.lon) <= 180).all()
    assert (np.abs(table.lat) <= 90).all()
    assert not ((np.abs(table.lon) < 0.1) & (np.abs(table.lat) < 0.1)).any()
    assert {len(code) for code in table.country} == {2}
    assert all(table.name)
    with pytest.raises(ValueError, match="read-only"):
        table.lon[0] = 0


def test_trade_ports_are_those_of_the_dprk_vostochny_and_dunay():
    table = ports()
    trade = set(table.id[table.trade])
    assert {"nampo", "rajin", "wonsan", "haeju", "tanchon", "vostochny", "dunay"} <= trade
    assert set(table.country[table.trade]) == {"KP", "RU"}
    assert table.trade[table.country == "KP"].all()
    assert not table.trade[np.isin(table.name, ["Nakhodka", "Dandong", "Dalian", "Hai Phong"])].any()


def test_no_double_stands_beside_one_of_our_own_ports():
    table = ports()
    own = np.flatnonzero(np.char.islower(table.id))
    rest = np.flatnonzero(~np.char.islower(table.id))
    assert len(own) == 32
    for i in own:
        distance_km = haversine_m(table.lon[i], table.lat[i], table.lon[rest], table.lat[rest]) / 1000
        assert distance_km.min() > (SAME_TRADE_PORT_KM if table.trade[i] else SAME_PORT_KM)


@given(st.floats(-200, 200), st.floats(-90, 90))
def test_the_nearest_port_is_the_nearest_of_all(lon, lat):
    table = ports()
    index, distance_km = nearest_port([lon], [lat])
    all_km = haversine_m(lon, lat, table.lon, table.lat) / 1000
    assert index.dtype == np.int64
    assert distance_km[0] == pytest.approx(all_km.min(), abs=1e-4)
    assert all_km[index[0]] == pytest.approx(all_km.min(), abs=1e-4)


@given(st.floats(117, 135), st.floats(33, 44), st.sampled_from([2.0, 10.0, 50.0]))
def test_a_lawful_port_is_near_and_no_trade_port_is(lon, lat, radius_km):
    table = ports()
    all_km = haversine_m(lon, lat, table.lon, table.lat) / 1000
    found = int(lawful_port([lon], [lat], radius_km)[0])
    if found >= 0:
        assert all_km[found] <= radius_km
        assert all_km[table.trade].min() > radius_km
    else:
        assert all_km.min() > radius_km or all_km[table.trade].min() <= radius_km


def test_every_port_is_its_own_nearest_and_no_point_has_none():
    table = ports()
    _, distance_km = nearest_port(table.lon, table.lat)
    assert distance_km.max() < 1e-6
    assert nearest_port([], [])[0].shape == (0,)


@pytest.mark.real
@pytest.mark.skipif("STSWATCH_REAL_DATA" not in os.environ, reason="STSWATCH_REAL_DATA names no folder of real data")
def test_ports_of_the_world_port_index_are_found_near():
    path = Path(os.environ["STSWATCH_REAL_DATA"]) / "geo" / "wpi_full.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8-sig") as file:
        index = [row for row in csv.DictReader(file) if row["PORT_NAME"] != "LANSHAN"]  # its latitude there is wrong
    lon, lat = (np.array([float(row[name]) for row in index]) for name in ("LONGITUDE", "LATITUDE"))
    found, distance_km = nearest_port(lon, lat)
    dprk = np.array([row["COUNTRY"] == "KP" for row in index])
    large = np.array([row["HARBORSIZE"] == "L" for row in index])
    assert dprk.sum() == 10
    assert distance_km[dprk].max() < 0.2
    assert ports().trade[found[dprk]].all()
    assert large.sum() > 100
    assert np.median(distance_km[large]) < 3
    assert np.mean(distance_km[large] < 10) > 0.9
