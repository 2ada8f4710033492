"""The admin sidebar: the sections that operators use most, and all other sections under "More"."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django import template
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

register = template.Library()

DASHBOARD = "webhooks:dashboard"
#: Pages without a model, shown below the sections.
PAGES = {"webhooks:repairs": _("Repairs"), "webhooks:diagnostics": _("Diagnostics")}
EVENTS = "webhooks.webhookevent"
#: Labels of the operators' sections by model, in display order.
SECTIONS = {
    "webhooks.alert": _("Alerts"),
    EVENTS: _("Events"),
    "webhooks.errorgroup": _("Errors"),
    "webhooks.job": _("Jobs"),
    "accounts.user": _("Users"),
    "accounts.identityconflict": _("Conflicts"),
    "accounts.reconciliation": _("Reconciliation"),
    "audit.auditlog": _("Audit log"),
}


class Link(NamedTuple):
    label: str | Promise
    url: str
    is_current: bool


class Group(NamedTuple):
    label: str
    links: list[Link]


class Navigation(NamedTuple):
    """The links of the side bar.

    Attributes:
        is_more_open: whether the current page belongs to a section under "More".
    """

    sections: list[Link]
    more: list[Group]
    is_more_open: bool


@register.simple_tag
def navigation(apps: Iterable[dict[str, Any]], path: str) -> Navigation:
    """Arrange the sections that a user may view. They come from `AdminSite.get_app_list`, so no query is needed."""
    urls = {model["model"]._meta.label_lower: model["admin_url"] for app in apps for model in app["models"]}
    is_operator = bool(urls.get(EVENTS))
    dashboard = [Link(_("Dashboard"), reverse(DASHBOARD), path == reverse(DASHBOARD))] if is_operator else []
    pages = [_link(label, reverse(name), path) for name, label in PAGES.items()] if is_operator else []
    sections = [_link(label, urls[model], path) for model, label in SECTIONS.items() if urls.get(model)]
    more = [group for app in apps if (group := _group(app, path)).links]
    is_more_open = any(link.is_current for group in more for link in group.links)
    return Navigation([*dashboard, *sections, *pages], more, is_more_open)


def _group(app: dict[str, Any], path: str) -> Group:
    models = [each for each in app["models"] if each["model"]._meta.label_lower not in SECTIONS and each["admin_url"]]
    return Group(app["name"], [_link(each["name"], each["admin_url"], path) for each in models])


def _link(label: str | Promise, url: str, path: str) -> Link:
    return Link(label, url, path.startswith(url))
