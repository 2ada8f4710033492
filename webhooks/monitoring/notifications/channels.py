"""The notification channels in ALERT_URLS, and the alerts that each channel receives.

An entry is an Apprise URL, which may be followed by filters:

    pagerduty://IntegrationKey@ApiKey;severity=critical
    slack://A/B/C;severity=warning+info;rules=dead_events+drift

An alert has to match every filter of an entry. If several entries have the same URL, they are one channel, which
receives the alerts that match at least one of the entries.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from webhooks.models import Alert

#: The filters and their values. An entry without a filter receives every value.
FILTERS: dict[str, frozenset[str]] = {
    "severity": frozenset(Alert.Severity.values),
    "rules": frozenset(Alert.Rule.values),
}


class InvalidFilter(ValueError):
    """An entry has an invalid filter. The message does not contain the URL, because URLs contain secrets."""


@dataclass(frozen=True, slots=True)
class Route:
    """The alerts that one entry of ALERT_URLS selects."""

    severities: frozenset[str] = FILTERS["severity"]
    rules: frozenset[str] = FILTERS["rules"]

    def matches(self, alert: Alert) -> bool:
        return alert.severity in self.severities and alert.rule in self.rules

    def __str__(self) -> str:
        chosen = {"severity": self.severities, "rules": self.rules}
        return "; ".join(", ".join(sorted(values)) for name, values in chosen.items() if values != FILTERS[name])


@dataclass(frozen=True, slots=True)
class Channel:
    url: str
    routes: tuple[Route, ...]

    @property
    def name(self) -> str:
        """The URL's scheme and a digest of the URL, because the URL contains secrets."""
        return f"{self.url.partition(':')[0][:16]} {hashlib.sha256(self.url.encode()).hexdigest()[:8]}"

    def accepts(self, alert: Alert) -> bool:
        return any(route.matches(alert) for route in self.routes)


def parse(entry: str) -> tuple[str, Route]:
    """Return the URL and the route of an entry.

    Raises:
        InvalidFilter: the text after the first semicolon is not a list of valid filters.
    """
    url, *filters = (part.strip() for part in entry.split(";"))
    chosen = dict(FILTERS)
    for text in filters:
        name, _equals, values = text.partition("=")
        if name not in FILTERS:
            raise InvalidFilter("Filters start with severity= or rules=. Write a semicolon in a URL as %3B.")
        chosen[name] = _parse_values(name, values.split("+"))
    return url, Route(chosen["severity"], chosen["rules"])


def configured() -> dict[str, Channel]:
    """Return the channels by name. If a filter is invalid, its entry receives every alert, so that none is lost."""
    routes: dict[str, list[Route]] = {}
    for entry in settings.ALERT_URLS:
        try:
            url, route = parse(entry)
        except InvalidFilter:
            url, route = entry.partition(";")[0].strip(), Route()
        routes.setdefault(url, []).append(route)
    channels = [Channel(url, tuple(found)) for url, found in routes.items()]
    return {channel.name: channel for channel in channels}


def _parse_values(name: str, values: Iterable[str]) -> frozenset[str]:
    given = {value.strip() for value in values}
    if unknown := given - FILTERS[name]:
        known = ", ".join(sorted(FILTERS[name]))
        raise InvalidFilter(f"{name}= has the unknown value {min(unknown)!r}. Values are {known}.")
    return frozenset(given)
