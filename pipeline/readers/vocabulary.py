"""What tables write in words, as the numbers and names of AIS; case, blanks and punctuation do not matter.

Sources: ITU-R M.1371-5, tables 45 (navigational status) and 53 (type of ship), for the numbers; for the words the
archives of the Danish Maritime Authority and, for the status, those of MarineCadastre of some years.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

STATUS: Mapping[str, int] = {
    "underwayusingengine": 0,
    "atanchor": 1,
    "notundercommand": 2,
    "restrictedmaneuverability": 3,
    "restrictedmanoeuvrability": 3,
    "constrainedbyherdraught": 4,
    "moored": 5,
    "aground": 6,
    "engagedinfishing": 7,
    "underwaysailing": 8,
    "reservedforfutureamendmenthsc": 9,
    "reservedforfutureamendmentwig": 10,
    "powerdrivenvesseltowingastern": 11,
    "reservedforfutureuse11": 11,
    "powerdrivenvesselpushingaheadortowingalongside": 12,
    "reservedforfutureuse12": 12,
    "reservedforfutureuse": 13,
    "reservedforfutureuse13": 13,
    "aissart": 14,
    "aissartactive": 14,
}
SHIP_TYPE: Mapping[str, int] = {  # a word says nothing of the second digit of 20, 40, 60 to 90: that is 0
    "wig": 20,
    "fishing": 30,
    "towing": 31,
    "towinglongwide": 32,
    "dredging": 33,
    "diving": 34,
    "military": 35,
    "sailing": 36,
    "pleasure": 37,
    "hsc": 40,
    "pilot": 50,
    "sar": 51,
    "tug": 52,
    "porttender": 53,
    "antipollution": 54,
    "lawenforcement": 55,
    "spare1": 56,
    "spare2": 57,
    "medical": 58,
    "notpartytoconflict": 59,
    "passenger": 60,
    "cargo": 70,
    "tanker": 80,
    "other": 90,
}
MESSAGE_TYPE: Mapping[str, int] = {  # of what is no ship; "Class A" and "Class B" do not tell which of their messages
    "basestation": 4,
    "sarairborne": 9,
    "aton": 21,
}
RECEIVER: Mapping[str, str] = {
    "satellite": "satellite",
    "sat": "satellite",
    "sais": "satellite",
    "satais": "satellite",
    "terrestrial": "terrestrial",
    "ter": "terrestrial",
    "tais": "terrestrial",
}
NOTHING = ("Unknown", "Unknown value", "Undefined", "Not defined")  # AIS itself has no small letters


def plain(word: str) -> str:
    """A word in small letters and digits alone.

    >>> plain("# Timestamp"), plain("Reserved for future amendment [HSC]")
    ('timestamp', 'reservedforfutureamendmenthsc')
    """
    return re.sub(r"[^a-z0-9]", "", word.casefold())
