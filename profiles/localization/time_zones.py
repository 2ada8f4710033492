"""Time zone choices, and search for zones at most three hours apart.

Zones with the same offsets from UTC in January and in July form a group. Each builder's group is indexed. A search
finds all groups that are near the visitor's zone today, so results are correct all year.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

NEAR_MINUTES = 180
_DAY = 24 * 60
#: A city for each common group, from west to east. Visitors without JavaScript choose from these.
CITIES = (
    *("Pacific/Honolulu", "America/Anchorage", "America/Los_Angeles", "America/Denver", "America/Mexico_City"),
    *("America/Chicago", "America/Bogota", "America/New_York", "America/Halifax", "America/Sao_Paulo"),
    *("Atlantic/Azores", "Europe/London", "Africa/Lagos", "Europe/Paris", "Europe/Kyiv", "Africa/Nairobi"),
    *("Asia/Tehran", "Asia/Dubai", "Asia/Karachi", "Asia/Kolkata", "Asia/Dhaka", "Asia/Bangkok", "Asia/Shanghai"),
    *("Asia/Tokyo", "Australia/Sydney", "Pacific/Auckland"),
)


@cache  # Listing the zones reads several hundred files.
def zone_names() -> list[str]:
    """Return the names of all geographic time zones."""
    return sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/")))


def city(zone: str) -> str:
    return zone.rpartition("/")[2].replace("_", " ")


@cache
def group_of(zone: str) -> str:
    """Return the zone's group, for example "60:120", or "" if the zone is unknown."""
    if zone not in zone_names():
        return ""
    year = datetime.now(UTC).year
    return ":".join(str(_offset(zone, datetime(year, month, 1, tzinfo=UTC))) for month in (1, 7))


def near_groups(zone: str) -> list[str]:
    """Return the groups whose local time is within three hours of `zone` today."""
    now = datetime.now(UTC)
    here = _offset(zone, now)
    return [
        group for group, example in _groups().items() if _minutes_apart(here, _offset(example, now)) <= NEAR_MINUTES
    ]


@cache
def _groups() -> dict[str, str]:
    """Return one example zone for each group."""
    return dict(_zones_by_group())


def _zones_by_group() -> Iterator[tuple[str, str]]:
    for zone in zone_names():
        yield group_of(zone), zone


def _minutes_apart(minutes: int, other: int) -> int:
    """Return the difference in time of day, ignoring the date: 0 for Honolulu and Kiritimati, 24 hours apart."""
    difference = abs(minutes - other) % _DAY
    return min(difference, _DAY - difference)


def _offset(zone: str, moment: datetime) -> int:
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    return int(offset.total_seconds() // 60) if offset else 0
