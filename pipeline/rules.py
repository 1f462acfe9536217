"""Every number that decides, with its unit, its reason and its default; one frozen dataclass per step.

Those on tracks and gaps are in track_rules.py. The rules of a run are stored with its results. `stswatch rules` prints
them as a table, and `--rules FILE` takes a TOML file of the same shape.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cache

from stswatch.pipeline.track_rules import (
    CheckRules,
    ClockRules,
    CoverageRules,
    IdentityRules,
    ReceptionRules,
    StayRules,
    VesselRules,
    number,
)

__all__ = [
    "CaseRules",
    "CheckRules",
    "ClockRules",
    "ContextRules",
    "CoverageRules",
    "DarkRules",
    "EncounterRules",
    "IdentityRules",
    "LeadRules",
    "ProximityRules",
    "ReceptionRules",
    "Rules",
    "StayRules",
    "VesselRules",
    "days",
    "hours",
    "minutes",
    "number",
]


@dataclass(frozen=True)
class ProximityRules:
    """Which legs are beside each other."""

    distance_m: float = number(
        500.0,
        "m",
        "Global Fishing Watch uses it; two hulls of 150 m side by side have antennas up to 200 m apart",
    )
    error_share: float = number(
        1.0,
        "of distance_m",
        "where the distance may be off by more than this no meeting is measured: 1/10 minute and 0.001 degree pass, "
        "0.01 degree does not",
    )
    still_kn: float = number(1.0, "kn", "at berth or anchor: slower than any vessel under command")
    port_radius_km: float = number(
        10.0,
        "km",
        "which port is named, for one without polygons: Global Fishing Watch uses 10 km from an anchorage. To lie so "
        "near is no reason to be left out",
    )
    observed_within_min: float = number(
        10.0, "min", "class A at anchor reports every 3 min: after 10 several were missed"
    )


@dataclass(frozen=True)
class DarkRules:
    """Who can have met while one of the two, or both, were not heard; how fast they go is stays.dark_speed_kn."""

    gap_d: float = number(
        7.0, "d", "as long as a track lasts; whoever is silent for longer can have been anywhere and met anybody"
    )
    absence_d: float = number(
        30.0,
        "d",
        "as long as an absence of view dark_absences may be; after a month nothing speaks for one place",
    )
    stay_h: float = number(2.0, "h", "to come alongside, pass a hose and cast off; most transfers of oil take longer")
    partners_most: float = number(3.0, "silences", "of those that fit one, the likeliest to be looked at by a person")
    shift_least_d: float = number(2.0, "d", "silences a day before go on into the same ones")
    shift_most_d: float = number(28.0, "d", "a lunar month and four whole weeks; traffic changes over longer")
    shifts_least: float = number(7.0, "days", "a week, with its days off; of fewer no mean can be had")
    fits_enough: float = number(
        7.0, "silences", "that fit as nearly in the first shifts_least days: a mean of one leaves nothing to wonder at"
    )
    near_km: float = number(5.0, "km", "who anchors or waits for one another lies so near; nearer says no more")
    near_h: float = number(1.0, "h", "thinned archives and provisional stays are no better; nearer says no more")
    near_deg: float = number(
        10.0, "deg", "off the way to or from a wait; a helmsman yaws and the place is a mean: nearer says no more"
    )
    course_kn: float = number(2.0, "kn", "slower, and the course that a receiver gives is noise, or drift")
    course_km: float = number(1.0, "km", "nearer to a wait, and who comes alongside it steers anywhere")
    heard_share: float = number(
        0.9, "share", "of the hours of a shifted day: where nobody was heard, no silence can be known"
    )
    lead_chance: float = number(
        0.025,
        "chance",
        "that a silence fits as nearly by accident: more often, and the row says more of the traffic than of two",
    )
    water_chance: float = number(
        0.1, "chance", "of those as rare by accident ways by sea are worked out: all leads and what is shown first"
    )
    approaching_h: float = number(
        4.0, "h", "within which a silent vessel may be at a waiting one: a live watch shows it, and it is no event"
    )
    indicator_d: float = number(
        3.0,
        "d",
        "before and after two silences something else counts that speaks for them; longer, and it is of its own",
    )
    together_h: float = number(1.0, "h", "vessels lost so soon before or after each other have one cause, perhaps")
    together_km: float = number(50.0, "km", "and so near each other: a storm, a station, an order to a fleet")
    together_least: float = number(4.0, "other vessels", "lost together: no lead, since they have one cause, perhaps")
    outage_share: float = number(0.1, "share", "of a silence in outages: more, and it is no lead")


@dataclass(frozen=True)
class EncounterRules:
    """Which proximities are one encounter."""

    min_duration_min: float = number(30.0, "min", "Skylight and Starboard use 30 min; a transfer of oil takes hours")
    join_min: float = number(30.0, "min", "a swing at anchor or a missed report interrupts a meeting for less")
    max_open_d: float = number(30.0, "d", "an encounter is cut here so that state stays bounded")
    dark_beside_min: float = number(30.0, "min", "a silence that begins or ends so near a meeting belongs to its story")
    around_h: float = number(
        3.0, "h", "in which both are seen to come and to go; longer, and a meeting would be final so much later"
    )
    around_most_d: float = number(
        5.0, "d", "of longer meetings it is not told how they came and went: what is kept of vessels stays bounded"
    )
    one_place_m: float = number(
        10.0, "m", "in whole bins of 5 m: what the receivers of two ships scatter; hulls side by side lie further apart"
    )
    one_place_share: float = number(0.9, "share", "of the time together: positions stray now and then")
    one_place_min: float = number(120.0, "min", "tenders and pilots come as near, but not for hours")
    static_memory_d: float = number(
        7.0,
        "d",
        "type and length are sent every 6 min, so a vessel that was received has told them; "
        "what it said longer ago may no longer be so",
    )


@dataclass(frozen=True)
class ContextRules:
    """What of the time round a meeting belongs to its story."""

    before_d: float = number(30.0, "d", "a round voyage of a coaster in these waters takes two to four weeks")
    after_d: float = number(10.0, "d", "what was taken over is landed by then: a week to any port of the region")
    silence_h: float = number(24.0, "h", "who hides a meeting switches off hours before it, not days")
    loitering_h: float = number(48.0, "h", "reported vessels waited one to two days for their partner")
    chain_d: float = number(
        10.0,
        "d",
        "Lighthouse Winmore had its cargo for eight days: loaded at Yeosu on 11 October 2017, handed over on the 19th "
        "(foreign ministry of the Republic of Korea)",
    )


@dataclass(frozen=True)
class LeadRules:
    """Which encounters are flagged."""

    min_score: float | None = number(
        None, "log-odds", "the points of each scorecard are on a scale of its own, and so is the cut-off that it names"
    )


@dataclass(frozen=True)
class CaseRules:
    """How people decide; nothing here has a part in any score or event."""

    second_reader_h: float = number(
        24.0, "h", "a watch floor has somebody there once a day; a ship at 12 kn is out of the Yellow Sea by then"
    )
    beside_km: float = number(
        2.0, "km", "beyond the error of an observation: its place is that of one hull or of the ground below a sensor"
    )
    beside_min: float = number(15.0, "min", "beyond its error: a ship at 12 kn makes 3 nm in it")
    learn_from: float = number(
        40.0, "outcomes", "of each kind: as many as a leaf of trees takes, so that with fewer no step can rest on them"
    )
    ports_listed: float = number(8.0, "ports", "those that can be come to first; whoever acts needs the next few")


@dataclass(frozen=True)
class Rules:
    """All rules of a run."""

    clock: ClockRules = ClockRules()
    vessel: VesselRules = VesselRules()
    stays: StayRules = StayRules()
    identity: IdentityRules = IdentityRules()
    check: CheckRules = CheckRules()
    coverage: CoverageRules = CoverageRules()
    reception: ReceptionRules = ReceptionRules()
    proximity: ProximityRules = ProximityRules()
    dark: DarkRules = DarkRules()
    encounter: EncounterRules = EncounterRules()
    context: ContextRules = ContextRules()
    lead: LeadRules = LeadRules()
    case: CaseRules = CaseRules()

    def to_json(self) -> str:
        """The rules as canonical JSON."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON, in hex."""
        return _fingerprint(self)

    def events_fingerprint(self) -> str:
        """SHA-256 of what events and scores depend on: all but how people decide.

        >>> patient = dataclasses.replace(Rules(), case=CaseRules(second_reader_h=48.0))
        >>> patient.events_fingerprint() == Rules().events_fingerprint(), patient.fingerprint() == Rules().fingerprint()
        (True, False)
        """
        return _events_fingerprint(self)

    def with_cut_off(self, score: float) -> Rules:
        """The same rules with a cut-off of leads (log-odds) where they leave it to the scorecard.

        >>> Rules().with_cut_off(1.5).lead.min_score, Rules().with_cut_off(1.5).with_cut_off(2.0).lead.min_score
        (1.5, 1.5)
        """
        return self if self.lead.min_score is not None else dataclasses.replace(self, lead=LeadRules(score))

    @property
    def cut_off(self) -> float:
        """The score of a lead, log-odds. Raises ValueError where it is left to the scorecard, see with_cut_off."""
        if self.lead.min_score is None:
            raise ValueError("the cut-off is the scorecard's; Rules.with_cut_off fills it in")
        return self.lead.min_score

    @property
    def lag_us(self) -> int:
        """The longest time for which a leg can be outstanding, microseconds: no later leg reaches further back."""
        longest_h = max(self.vessel.gap_terrestrial_h, self.vessel.gap_satellite_h, self.vessel.thin_bucket_min / 60)
        return hours(longest_h) + minutes(self.vessel.thin_bucket_min)

    @property
    def wait_us(self) -> int:
        """How long after its end, microseconds, an encounter can still be touched."""
        own = self.encounter
        return max(minutes(own.join_min), minutes(own.dark_beside_min), hours(own.around_h)) + self.lag_us


def minutes(value: float) -> int:
    """Minutes as whole microseconds."""
    return round(value * 60_000_000)


def hours(value: float) -> int:
    """Hours as whole microseconds."""
    return round(value * 3_600_000_000)


def days(value: float) -> int:
    """Days as whole microseconds."""
    return round(value * 86_400_000_000)


@cache
def _events_fingerprint(rules: Rules) -> str:
    values = {name: value for name, value in dataclasses.asdict(rules).items() if name != "case"}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@cache
def _fingerprint(rules: Rules) -> str:
    return hashlib.sha256(rules.to_json().encode()).hexdigest()
