"""The simulated sea of 24 hours: which scenes it holds, where and when.

To make it richer, add a scene to a list.
Lanes and places are made by hand in open water of the Yellow Sea and the East China Sea.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from stswatch.sample_ais import scenes
from stswatch.sample_ais.scenes import Role, Scene, Silence
from stswatch.sample_ais.ships import Yard

START_S = 1_741_564_800  # 2025-03-10T00:00Z
HOURS = 24

# waypoints in open water, lon and lat
KOREA_BAY = (124.0, 38.9)
WEST_SEA = (124.45, 38.45)
YELLOW_N = (123.6, 38.0)
YELLOW_M = (123.5, 36.0)
YELLOW_S = (123.6, 34.0)
CHINA_N = (124.2, 32.0)
CHINA_M = (124.8, 30.0)
CHINA_S = (124.4, 27.0)
FAR_EAST = (127.2, 30.3)
CHANGJIANG = (122.9, 31.0)
QINGDAO_OFF = (121.2, 35.6)

NORTHWARD = (CHINA_S, CHINA_M, CHINA_N, YELLOW_S, YELLOW_M)
SOUTHWARD = NORTHWARD[::-1]


def build(seed: int) -> list[Scene]:
    """All scenes; the same seed gives the same sea. Each scene draws from a random stream of its own."""
    yard = Yard()
    made = (_transfers(yard), _look_alikes(yard), _traffic(yard))
    recipes = [recipe for part in made for recipe in part]
    return [recipe(np.random.default_rng([seed, k])) for k, recipe in enumerate(recipes)]


Recipe = Callable[[np.random.Generator], Scene]


def _transfers(yard: Yard) -> list[Recipe]:
    by_day = [
        Role(yard.launch("tanker", "XD"), [CHINA_S], [CHINA_S]),
        Role(yard.launch("small_tanker", "XA"), [YELLOW_M, CHINA_N], [CHINA_N, YELLOW_M], speed_kn=9.0),
    ]
    into_the_night = [
        Role(yard.launch("bulker", "XE"), [YELLOW_S, YELLOW_N], [YELLOW_N]),
        Role(yard.launch("coaster", "XA"), [WEST_SEA], [WEST_SEA], speed_kn=8.0),
    ]
    then_silent = [
        Role(yard.launch("small_tanker", "XF"), [YELLOW_M, YELLOW_N, WEST_SEA], [WEST_SEA, YELLOW_N, YELLOW_M]),
        Role(
            yard.launch("coaster", "XA"),
            [KOREA_BAY],
            [KOREA_BAY],
            (Silence(14.7, 18.7, "switched_off"),),
            8.0,
        ),
    ]
    since_yesterday = [
        Role(yard.launch("tanker", "XD"), [FAR_EAST], [FAR_EAST]),
        Role(yard.launch("small_tanker", "XC"), [CHINA_N], [CHINA_N, YELLOW_S], speed_kn=11.0),
    ]
    under_way = [
        Role(yard.launch("tanker", "XE"), [YELLOW_S], [YELLOW_N]),
        Role(yard.launch("small_tanker", "XF"), [YELLOW_N], [YELLOW_S]),
    ]
    three = [
        Role(yard.launch("tanker", "XF"), [CHINA_M], [CHINA_S]),
        Role(yard.launch("small_tanker", "XB"), [CHANGJIANG], [CHANGJIANG]),
        Role(yard.launch("small_tanker", "XA"), [CHINA_N, CHINA_M], [CHINA_M, CHINA_N, YELLOW_S]),
    ]
    far_out = "two tankers far from any port, one under the flag in the role of the DPRK"
    return [
        lambda r: scenes.transfer(r, "transfer_ecs", by_day, (125.2, 29.4), 3.2, 9.0, 65, 0.5, why=far_out),
        lambda r: scenes.transfer(
            r,
            "transfer_korea_bay",
            into_the_night,
            (124.15, 39.0),
            21.5,
            27.0,
            85,
            0.2,
            why="cargo to a coaster in Korea Bay, still going on when the recording ends",
        ),
        lambda r: scenes.transfer(
            r,
            "transfer_chodo_then_silent",
            then_silent,
            (124.69, 38.63),
            11.0,
            14.5,
            55,
            0.1,
            why="two hulls north-west of Cho-do; one is silent for four hours right after",
        ),
        lambda r: scenes.transfer(
            r,
            "transfer_since_yesterday",
            since_yesterday,
            (126.0, 30.9),
            -3.0,
            4.3,
            110,
            0.6,
            why="begun before the recording",
        ),
        lambda r: scenes.transfer(
            r,
            "transfer_under_way",
            under_way,
            (123.4, 36.2),
            15.5,
            17.8,
            95,
            2.2,
            why="both keep 2 kn while hoses are across",
        ),
        lambda r: scenes.transfer(
            r,
            "transfer_three",
            three,
            (124.6, 28.3),
            12.0,
            19.5,
            60,
            0.4,
            why="a hull on each side of a third",
        ),
    ]


def _look_alikes(yard: Yard) -> list[Recipe]:
    bulker, barge = scenes.launch_all(yard, [("bulker", "XD"), ("bunker", "XB")])
    box, boat = scenes.launch_all(yard, [("container", "XE"), ("pilot", "XB")])
    tug, towed = scenes.launch_all(yard, [("tug", "XC"), ("barge", "XC")])
    trawlers = scenes.launch_all(yard, [("trawler", "XB")] * 2)
    waiting = scenes.launch_all(yard, [("bulker", "XD"), ("coaster", "XB"), ("bulker", "XF")])
    quays = [
        (scenes.launch_all(yard, [("coaster", "XB"), ("container", "XE")]), (121.69, 38.93)),  # Dalian
        (scenes.launch_all(yard, [("bulker", "XD"), ("tanker", "XB")]), (120.31, 36.05)),  # Qingdao
        (scenes.launch_all(yard, [("container", "XF"), ("coaster", "XB")]), (121.52, 31.41)),  # Shanghai
    ]
    doubled = yard.launch("coaster", "XF")
    tracks = ((YELLOW_S, YELLOW_M, YELLOW_N), (CHINA_S, CHINA_M, CHINA_N))
    return [
        lambda r: scenes.bunkering(
            r,
            bulker,
            Role(barge, [(122.15, 29.92)], [(122.15, 29.92)], speed_kn=7.0),
            (122.18, 29.92),
            6.0,
            9.0,
        ),
        lambda r: scenes.pilot(
            r,
            Role(box, [YELLOW_M, QINGDAO_OFF], [(120.36, 36.02)], speed_kn=12.0),
            boat,
            (120.55, 35.90),
            (120.38, 36.01),
            13.0,
        ),
        lambda r: scenes.tow(r, tug, towed, [(123.1, 37.6), (122.9, 36.9), (122.3, 36.0), (121.9, 34.0)], -2.0),
        lambda r: scenes.pair_trawl(r, trawlers, (123.0, 33.2), -1.0, 25.0),
        lambda r: scenes.anchorage(r, waiting, (122.6, 31.1)),
        *[lambda r, s=ships, q=quay: scenes.moored(r, s, q) for ships, quay in quays],
        lambda r: scenes.two_hulls(r, doubled, replace(doubled, hull=doubled.hull + "-double"), tracks, 9.0),
    ]


def _traffic(yard: Yard) -> list[Recipe]:
    ferries = scenes.launch_all(yard, [("ferry", "XB"), ("ferry", "XC")])
    through = scenes.launch_all(
        yard,
        [("container", "XE"), ("bulker", "XD"), ("tanker", "XD"), ("container", "XC"), ("coaster", "XB")],
    )
    boats = scenes.launch_all(yard, [("trawler", "XC"), ("trawler", "XB")])
    hole = (Silence(9.0, 12.2, "out_of_range"),)
    return [
        lambda r: scenes.ferry(r, ferries[0], [(121.75, 38.88), (121.9, 38.3), (121.45, 37.65)], 1.5),
        lambda r: scenes.ferry(
            r,
            ferries[1],
            [(122.2, 37.55), (123.5, 37.5), (125.4, 37.45), (126.05, 37.42), (126.35, 37.35)],
            4.0,
        ),
        lambda r: scenes.passage(r, through[0], NORTHWARD, -6.0, 15.0),
        lambda r: scenes.passage(r, through[1], SOUTHWARD, -4.0, 11.0, hole),
        lambda r: scenes.passage(r, through[2], [FAR_EAST, CHINA_N, YELLOW_S, QINGDAO_OFF], 1.0, 12.5),
        lambda r: scenes.passage(r, through[3], [CHANGJIANG, CHINA_N, (126.0, 32.6), (127.5, 33.0)], -3.0, 14.0),
        lambda r: scenes.passage(r, through[4], [YELLOW_N, (122.9, 38.2), (121.5, 38.58), (120.0, 38.7)], 5.0, 10.0),
        lambda r: scenes.fishing(r, boats[0], (124.8, 34.6), (Silence(2.5, 7.9, "equipment"),)),
        lambda r: scenes.fishing(r, boats[1], (123.4, 30.6), (Silence(17.0, 26.0, "switched_off"),)),
    ]
