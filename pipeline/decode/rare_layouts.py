"""The bits of the message types that no run needs, for `stswatch decode`: binary messages, acknowledgements, commands.

A table a form, as text: `name bits kind`, fields parted by commas and following each other without a hole. The kind is
one of payloads.KINDS, text, bytes or spare, `count` where none stands; `/10` says that the wire counts tenths, `-600`
what is added to the number on the wire before that. Of several forms of a type the first one counts whose tests hold.

Names and forms are those of pyais. Source: ITU-R M.1371-5, annex 8 (type 28: M.1371-6); what binary messages carry:
IMO SN/Circ.236 and SN.1/Circ.289 (DAC 1), CCNR Vessel Tracking and Tracing Standard (DAC 200), USCG (DAC 367). Two
names are those of columns that say where a message was received: here they are `ship_length` and `signal_station`.
"""

from __future__ import annotations

import re

from stswatch.pipeline.decode.layouts import BitTest, Field, Layout

_WORD = re.compile(r"(?P<name>\S+) (?P<bits>\d+)(?: (?P<kind>[a-z ]+))?(?:/(?P<per>\d+))?(?P<plus>[+-]\d+)?")


def _fields(text: str) -> tuple[Field, ...]:
    """The fields that a text lists, spare ones named by their number."""
    found, spares = [], 0
    for word in re.split(r",\s+", " ".join(text.split())):
        match = _WORD.fullmatch(word)
        assert match, word
        name = match["name"]
        if name == "-":
            spares += 1
            name = f"spare_{spares}"
        kind = "spare" if match["name"] == "-" else match["kind"] or "count"
        found.append(Field(name, int(match["bits"]), kind, int(match["per"] or 1), plus=int(match["plus"] or 0)))
    return tuple(found)


_HEAD = "msg_type 6, repeat 2, mmsi 30"
_BROADCAST = f"{_HEAD}, - 2"
_ADDRESSED = f"{_HEAD}, seqno 2, dest_mmsi 30, retransmit 1 flag, - 1"
_POINT = "lon 25 degrees/60000, lat 24 degrees/60000"
_TIME = "day 5, hour 5, minute 6"
_DATE = f"month 4, {_TIME}"
_CORNERS = """ne_lon 18 signed quantity/10, ne_lat 17 signed quantity/10,
    sw_lon 18 signed quantity/10, sw_lat 17 signed quantity/10"""
_AREA = f"linkage 10, notice 7, {_DATE}, duration 18, area_data 870 bytes"
_BERTH = f"""linkage 10, berth_length 9, berth_depth 8 quantity/10, position 3, {_DATE}, availability 1 flag, agent 2,
    fuel 2, chandler 2, stevedore 2, electrical 2, water 2, customs 2, cartage 2, crane 2, lift 2, medical 2,
    navrepair 2, provisions 2, shiprepair 2, surveyor 2, steam 2, tugs 2, solidwaste 2, liquidwaste 2,
    hazardouswaste 2, ballast 2, additional 2, regional1 2, regional2 2, future1 2, future2 2, berth_name 120 text,
    berth_lon 25 degrees/60000, berth_lat 24 degrees/60000"""
_CURRENTS = """cspeed 8 quantity/10, cdir 9, cspeed2 8 quantity/10, cdir2 9, cdepth2 5, cspeed3 8 quantity/10, cdir3 9,
    cdepth3 5"""
_WAVES = """waveheight 8 quantity/10, waveperiod 6, wavedir 9, swellheight 8 quantity/10, swellperiod 6, swelldir 9,
    seastate 4"""
_WIND = "wspeed 7, wgust 7, wdir 9, wgustdir 9"


def _form(name: str, types: int | tuple[int, ...], section: str, text: str, *when: BitTest, most: int = 0) -> Layout:
    return Layout(name, (types,) if isinstance(types, int) else types, section, _fields(text), when, most)


def _addressed(name: str, dac: int, fid: int, section: str, text: str) -> Layout:
    """An application of type 6."""
    return _form(name, 6, section, f"{_ADDRESSED}, dac 10, fid 6, {text}", BitTest(72, 10, dac), BitTest(82, 6, fid))


def _broadcast(name: str, dac: int, fid: int, section: str, text: str, *when: BitTest) -> Layout:
    """An application of type 8."""
    tests = (BitTest(40, 10, dac), BitTest(50, 6, fid), *when)
    return _form(name, 8, section, f"{_BROADCAST}, dac 10, fid 6, {text}", *tests)


_236, _289, _INLAND = "IMO SN/Circ.236", "IMO SN.1/Circ.289", "CCNR inland AIS"

_APPLICATIONS_6 = (
    _form(
        "persons on board, without an addressee",
        6,
        _236,
        f"{_BROADCAST}, dac 10, fid 6, persons 13, - 3",
        BitTest(40, 10, 1),
        BitTest(50, 6, 16),
        most=72,
    ),
    # what is too short for DAC and FID where an addressed message has them fails the tests of all that follow
    _addressed("persons on board", 1, 16, _236, "persons 13, - 35"),
    _addressed(
        "clearance time to enter a port",
        1,
        18,
        _289,
        f"linkage 10, {_DATE}, port_name 120 text, destination 30 text, {_POINT}, - 43",
    ),
    _addressed("berthing data", 1, 20, _289, _BERTH),
    _addressed("area notice", 1, 23, _289, _AREA),
    _addressed("dangerous cargo", 1, 25, _289, "unit 2, amount 10, cargo_data 476 bytes"),
    _form("addressed binary message", 6, "3.4", f"{_ADDRESSED}, dac 10, fid 6, data 920 bytes"),
)

_APPLICATIONS_8 = (
    _broadcast("text", 1, 0, "annex 5", "ack_required 1 flag, text_sequence 11, text 906 text"),
    _broadcast(
        "weather and water, superseded",
        1,
        11,
        _236,
        f"""lat 24 degrees/60000, lon 25 degrees/60000, {_TIME}, {_WIND}, airtemp 11 quantity/10-600, humidity 7,
        dewpoint 10 quantity/10-200, pressure 9 count+800, pressuretend 2, visibility 8 quantity/10,
        waterlevel 9 quantity/10-100, leveltrend 2, {_CURRENTS}, {_WAVES}, watertemp 10 quantity/10-100, preciptype 3,
        salinity 9 quantity/10, ice 2""",
    ),
    _broadcast("targets of a traffic service, superseded", 1, 16, _236, "target_data 840 bytes"),
    _broadcast("targets of a traffic service", 1, 17, _289, "target_data 480 bytes"),
    _broadcast(
        "marine traffic signal",
        1,
        19,
        _289,
        f"linkage 10, signal_station 120 text, {_POINT}, status 2, signal 5, hour 5, minute 6, nextsignal 5, - 102",
    ),
    _broadcast("berthing data", 1, 20, _289, _BERTH),
    _broadcast("weather seen from a ship, as the WMO writes it", 1, 21, _289, "data 952 bytes", BitTest(56, 1, 1)),
    _broadcast(
        "weather seen from a ship",
        1,
        21,
        _289,
        f"""wmo 1 flag, location 120 text, {_POINT}, {_TIME}, weather 4, vislimit 1 flag, visibility 7 quantity/10,
        humidity 7, wspeed 7, wdir 9, pressure 9 count+799, pressuretend 4, airtemp 11 signed quantity/10,
        watertemp 10 signed quantity/10, waveperiod 6, waveheight 8 quantity/10, wavedir 9, swellheight 8 quantity/10,
        swelldir 9, swellperiod 6, - 3""",
    ),
    _broadcast("area notice", 1, 22, _289, _AREA),
    _broadcast(
        "more static and voyage data",
        1,
        24,
        _289,
        """linkage 10, airdraught 13 quantity/100, lastport 30 text, nextport 30 text, secondport 30 text,
        ais_state 2, ata_state 2, bnwas_state 2, ecdisb_state 2, chart_state 2, sounder_state 2, epaid_state 2,
        steer_state 2, gnss_state 2, gyro_state 2, lrit_state 2, magcomp_state 2, navtex_state 2, arpa_state 2,
        sband_state 2, xband_state 2, hfradio_state 2, inmarsat_state 2, mfradio_state 2, vhfradio_state 2,
        grndlog_state 2, waterlog_state 2, thd_state 2, tcs_state 2, vdr_state 2, - 2, iceclass 4 ice class,
        horsepower 18, vhfchan 12, lshiptype 42 text, tonnage 18, lading 2, heavyoil 2, lightoil 2, dieseloil 2,
        totaloil 14, persons 13, - 10""",
    ),
    _broadcast("environment", 1, 26, _289, "reports_data 560 bytes"),
    _broadcast(
        "route",
        1,
        27,
        _289,
        f"linkage 10, sender 3, rtype 5, {_DATE}, duration 18, waycount 5, waypoints_data 880 bytes",
    ),
    _broadcast("text description", 1, 29, _289, "linkage 10, description 966 text"),
    _broadcast(
        "weather and water",
        1,
        31,
        _289,
        f"""{_POINT}, accuracy 1 flag, {_TIME}, {_WIND}, airtemp 11 signed quantity/10, humidity 7,
        dewpoint 10 signed quantity/10, pressure 9 count+799, pressuretend 2, visgreater 1 flag,
        visibility 7 quantity/10, waterlevel 12 quantity/100-1000, leveltrend 2, {_CURRENTS}, {_WAVES},
        watertemp 10 signed quantity/10, preciptype 3, salinity 9 quantity/10, ice 2""",
    ),
    _broadcast(
        "inland ship",
        200,
        10,
        _INLAND,
        """vin 48 text, ship_length 13 quantity/10, beam 10 quantity/10, shiptype 14, hazard 3,
        draught 11 quantity/100, loaded 2, speed_q 1 flag, course_q 1 flag, heading_q 1 flag, - 8""",
    ),
    _broadcast(
        "weather warning for inland waters",
        200,
        23,
        _INLAND,
        """start_year 8, start_month 4, start_day 5, end_year 8, end_month 4, end_day 5, start_hour 5, start_minute 6,
        end_hour 5, end_minute 6, start_lon 28 degrees/600000, start_lat 27 degrees/600000,
        end_lon 28 degrees/600000, end_lat 27 degrees/600000, type 4 warning, min 9 signed, max 9 signed,
        intensity 2, wind 4 wind, - 6""",
    ),
    _broadcast(
        "water levels",
        200,
        24,
        _INLAND,
        """country 12 text, gauge_id_1 11, water_level_1 14 signed, gauge_id_2 11, water_level_2 14 signed,
        gauge_id_3 11, water_level_3 14 signed, gauge_id_4 11, water_level_4 14 signed""",
    ),
    _broadcast(
        "signal of inland waters",
        200,
        40,
        _INLAND,
        "lon 28 degrees/600000, lat 27 degrees/600000, form 4, facing 9, direction 3 impact, status_raw 30, - 11",
    ),
    _broadcast("environment in the USA", 367, 33, "USCG", "reports_data 896 bytes"),
    _form("binary message to all", 8, "3.6", f"{_BROADCAST}, dac 10, fid 6, data 952 bytes"),
)

_SLOTS = ", ".join(f"offset{k} 12, number{k} 4, timeout{k} 3, increment{k} 11" for k in range(1, 5))
_ACKNOWLEDGED = ", ".join(f"mmsi{k} 30, mmsiseq{k} 2" for k in range(1, 5))
_CHANNELS = "channel_a 12, channel_b 12, txrx 4, power 1 flag"
_BANDS = "addressed 1 flag, band_a 1 flag, band_b 1 flag, zonesize 3, - 23"
_KIND = f"{_HEAD}, addressed 1 flag, structured 1 flag"
_IS_ADDRESSED, _IS_STRUCTURED = BitTest(38, 1, 1), BitTest(39, 1, 1)
_ASSIGNED = "mmsi1 30, offset1 12, increment1 10"

RARE_LAYOUTS: tuple[Layout, ...] = (
    *_APPLICATIONS_6,
    _form("acknowledgement", (7, 13), "3.5 and 3.11", f"{_BROADCAST}, {_ACKNOWLEDGED}"),
    *_APPLICATIONS_8,
    _form("request for the time", 10, "3.8", f"{_BROADCAST}, dest_mmsi 30, - 2"),
    _form("addressed safety text", 12, "3.10", f"{_ADDRESSED}, text 936 text"),
    _form("safety text to all", 14, "3.12", f"{_BROADCAST}, text 968 text"),
    _form(
        "interrogation",
        15,
        "3.13",
        f"""{_BROADCAST}, mmsi1 30, type1_1 6, offset1_1 12, - 2, type1_2 6, offset1_2 12, - 2, mmsi2 30, type2_1 6,
        offset2_1 12, - 2""",
    ),
    _form("assignment of one", 16, "3.14", f"{_BROADCAST}, {_ASSIGNED}, - 4", most=96),
    _form("assignment of two", 16, "3.14", f"{_BROADCAST}, {_ASSIGNED}, mmsi2 30, offset2 12, increment2 10"),
    _form("DGNSS correction", 17, "3.15", f"{_BROADCAST}, lon 18 quantity/10, lat 17 quantity/10, - 5, data 736 bytes"),
    _form("slots of a base station", 20, "3.18", f"{_BROADCAST}, {_SLOTS}"),
    _form(
        "channels for two stations",
        22,
        "3.20",
        f"{_BROADCAST}, {_CHANNELS}, dest1 30, empty_1 5, dest2 30, empty_2 5, {_BANDS}",
        BitTest(139, 1, 1),
    ),
    _form("channels for an area", 22, "3.20", f"{_BROADCAST}, {_CHANNELS}, {_CORNERS}, {_BANDS}"),
    _form(
        "command to a group",
        23,
        "3.21",
        f"""{_BROADCAST}, {_CORNERS}, station_type 4 station, ship_type 8 ship, - 22, txrx 2, interval 4 interval,
        quiet 4, - 6""",
    ),
    _form(
        "short binary message, addressed, of an application",
        25,
        "3.23",
        f"{_KIND}, dest_mmsi 30, app_id 16, data 82 bytes",
        _IS_ADDRESSED,
        _IS_STRUCTURED,
    ),
    _form("short binary message, addressed", 25, "3.23", f"{_KIND}, dest_mmsi 30, data 98 bytes", _IS_ADDRESSED),
    _form("short binary message of an application", 25, "3.23", f"{_KIND}, app_id 16, data 112 bytes", _IS_STRUCTURED),
    _form("short binary message", 25, "3.23", f"{_KIND}, data 128 bytes"),
    _form(
        "long binary message, addressed",
        26,
        "3.24",
        f"{_KIND}, dest_mmsi 30, app_id 16, data 958 bytes, radio 20",
        _IS_ADDRESSED,
    ),
    _form(
        "long binary message of an application",
        26,
        "3.24",
        f"{_KIND}, app_id 16, data 988 bytes, radio 20",
        _IS_STRUCTURED,
    ),
    _form("long binary message", 26, "3.24", f"{_KIND}, data 1004 bytes, radio 20"),
    _form(
        "aid to navigation in one slot",
        28,
        "M.1371-6",
        f"""{_HEAD}, second 6, lon 28 degrees/600000, lat 27 degrees/600000, restricted 2, station_type 3 aid station,
        aid_type 7 aid, iala_mrn 17, dimension 4, dimensions_a 9, dimensions_b 11, dimension_additional_data 1,
        charted_status 1, station_status 4, status_bits 8, - 1, auth 1""",
    ),
)
