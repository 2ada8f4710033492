"""Open and close incidents in services such as PagerDuty with a stable key, so that each alert is one incident.

Apprise supports keys and closing for PagerDuty, Splunk On-Call, PagerTree and SIGNL4 with parameters of the URL. It
closes Opsgenie alerts only with IDs that it stores on the local disk, which other hosts do not have. Therefore Opsgenie
alerts are closed here by their alias. JSON and form channels receive the key and status as additional fields.
"""

import sys
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import apprise
import httpx

RESOLVED = apprise.NotifyType.SUCCESS
#: The URL parameters that make Apprise close an incident when it sends SUCCESS, and the name of the key's parameter.
PARAMETERS: dict[str, tuple[dict[str, str], str]] = {
    "pagerduty": ({"action": "map"}, "dedup"),
    "opsgenie": ({"action": "new"}, "alias"),
    "splunk": ({"action": "map"}, "entity_id"),
    "victorops": ({"action": "map"}, "entity_id"),
    "pagertree": ({"action": "map"}, "thirdparty"),
    "signl4": ({"action": "map"}, "external_id"),
}
WEBHOOKS = ("json", "jsons", "form", "forms")
TIMEOUT_S = 10.0


def send(url: str, title: str, body: str, kind: apprise.NotifyType, key: str) -> bool:
    """Send a message. If the service has incidents, open or close the one identified by `key`."""
    plugin: Any = apprise.Apprise.instantiate(with_key(url, key, kind))
    if scheme_of(url) == "opsgenie" and kind == RESOLVED and plugin.action == "new":
        return _close_in_opsgenie(plugin, body)
    # Apprise.notify would send in a thread pool, and a channel without an answer would delay the end of the process.
    # Without the format, Apprise treats the text as HTML, so emails lose line breaks and text in angle brackets.
    return bool(plugin.notify(title=title, body=body, notify_type=kind, body_format=apprise.NotifyFormat.TEXT))


def scheme_of(url: str) -> str:
    return url.partition(":")[0].lower()


def has_incidents(url: str) -> bool:
    return scheme_of(url) in PARAMETERS


def with_key(url: str, key: str, kind: apprise.NotifyType) -> str:
    """Add the parameters of the service to a URL. Parameters in ALERT_URLS take precedence."""
    scheme = scheme_of(url)
    if scheme in PARAMETERS:
        actions, key_name = PARAMETERS[scheme]
        # PagerDuty rejects summaries of more than 1024 characters. The alert's URL is near the start of the text.
        added = actions | {key_name: key, "overflow": "truncate"}
    elif scheme in WEBHOOKS:
        added = {":dedup_key": key, ":status": "resolved" if kind == RESOLVED else "open"}
    else:
        return url
    given = {name.lower() for name, _value in parse_qsl(url.partition("?")[2], keep_blank_values=True)}
    query = urlencode({name: value for name, value in added.items() if name not in given}, safe=":")
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def _close_in_opsgenie(plugin: Any, note: str) -> bool:
    """Close the Opsgenie alert with the plugin's alias."""
    urls = sys.modules[type(plugin).__module__].OPSGENIE_API_LOOKUP
    response = httpx.post(
        f"{urls[plugin.region_name]}/{quote(plugin.alias, safe='')}/close",
        params={"identifierType": "alias"},
        headers={"Authorization": f"GenieKey {plugin.apikey}"},
        json={"source": plugin.app_desc, "note": note[:25_000]},
        timeout=TIMEOUT_S,
    )
    if response.is_error:
        plugin.logger.warning("Failed to close the Opsgenie alert: error=%d.", response.status_code)
    return response.is_success
