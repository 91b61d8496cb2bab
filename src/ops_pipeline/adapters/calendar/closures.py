"""The New York exchange's closed weekdays and 13:00 closes of 2014 to 2030, as published. Pure.

Each year's weekdays without a session (mmdd), then its early closes. Besides the holidays: days of
mourning on 2018-12-05 and 2025-01-09. Tests hold the table against exchange_calendars, day by day.
"""

from datetime import date

FIRST_DAY = date(2014, 1, 1)
LAST_DAY = date(2030, 12, 31)

_TABLE = {
    2014: ("0101 0120 0217 0418 0526 0704 0901 1127 1225", "0703 1128 1224"),
    2015: ("0101 0119 0216 0403 0525 0703 0907 1126 1225", "1127 1224"),
    2016: ("0101 0118 0215 0325 0530 0704 0905 1124 1226", "1125"),
    2017: ("0102 0116 0220 0414 0529 0704 0904 1123 1225", "0703 1124"),
    2018: ("0101 0115 0219 0330 0528 0704 0903 1122 1205 1225", "0703 1123 1224"),
    2019: ("0101 0121 0218 0419 0527 0704 0902 1128 1225", "0703 1129 1224"),
    2020: ("0101 0120 0217 0410 0525 0703 0907 1126 1225", "1127 1224"),
    2021: ("0101 0118 0215 0402 0531 0705 0906 1125 1224", "1126"),
    2022: ("0117 0221 0415 0530 0620 0704 0905 1124 1226", "1125"),
    2023: ("0102 0116 0220 0407 0529 0619 0704 0904 1123 1225", "0703 1124"),
    2024: ("0101 0115 0219 0329 0527 0619 0704 0902 1128 1225", "0703 1129 1224"),
    2025: ("0101 0109 0120 0217 0418 0526 0619 0704 0901 1127 1225", "0703 1128 1224"),
    2026: ("0101 0119 0216 0403 0525 0619 0703 0907 1126 1225", "1127 1224"),
    2027: ("0101 0118 0215 0326 0531 0618 0705 0906 1125 1224", "1126"),
    2028: ("0117 0221 0414 0529 0619 0704 0904 1123 1225", "0703 1124"),
    2029: ("0101 0115 0219 0330 0528 0619 0704 0903 1122 1225", "0703 1123 1224"),
    2030: ("0101 0121 0218 0419 0527 0619 0704 0902 1128 1225", "0703 1129 1224"),
}


def closed_weekdays() -> frozenset[date]:
    """Give the weekdays on which the exchange does not open."""
    return frozenset(_day(year, text) for year, (closed, _) in _TABLE.items() for text in closed.split())


def early_closes() -> frozenset[date]:
    """Give the sessions that end at 13:00 New York time."""
    return frozenset(_day(year, text) for year, (_, early) in _TABLE.items() for text in early.split())


def _day(year: int, text: str) -> date:
    return date(year, int(text[:2]), int(text[2:]))
