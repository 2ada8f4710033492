"""Extension points for apps above accounts.

They set `extensions` in `AppConfig.ready`, so accounts does not import them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.utils.functional import Promise

if TYPE_CHECKING:
    from django.urls import ResolverMatch

    from accounts.models import User
    from audit.log import Actor

type Text = str | Promise


def _no_metadata(users: Collection["User"]) -> Mapping[int, dict[str, Any]]:
    return {}


def _no_page(user_id: int) -> str:
    return ""


def _no_language(user_id: int) -> str:
    return ""


def _no_links(user_id: int) -> Sequence[tuple[Text, str]]:
    return []


def _no_heading(page: "ResolverMatch") -> str:
    return ""


def _no_event(since: datetime | None) -> Q:
    return Q(pk__in=[])


def _ensure_nothing(users: Sequence[tuple["User", "Actor"]]) -> None:
    pass


@dataclass
class Extensions:
    """Hooks that other apps provide to accounts.

    Attributes:
        pushed_metadata: returns the profile values to push to Clerk, by user id.
        page_url: returns the URL of a user's public page, or "".
        page_language: returns the language code of a user's public page, or "".
        admin_links: returns a label and a URL for each page about a user, for the user's page in the admin.
        home: the URL name for the page after signing out.
        welcome: the URL name for the page after signing up.
        sign_in_reasons: why pages require visitors to sign in, by URL name.
        sign_in_heading: returns the sign-in page's heading for a requested page, or "".
        outdated_state_sql: an SQL condition on accounts_user that is true if the user's derived state is outdated.
        companies_sql: an SQL query that returns the columns user_id and company (the company name).
        ensure_derived_state: updates the derived state of locked users. Takes pairs of a user and the actor to record.
        has_event_since: returns a condition that selects users with a webhook event since a time. With None, any event
            counts.
        field_labels: labels of audited fields, for the account's recent activity.
    """

    pushed_metadata: Callable[[Collection["User"]], Mapping[int, dict[str, Any]]] = _no_metadata
    page_url: Callable[[int], str] = _no_page
    page_language: Callable[[int], str] = _no_language
    admin_links: Callable[[int], Sequence[tuple[Text, str]]] = _no_links
    home: str = "accounts:account"
    welcome: str = "accounts:account"
    sign_in_reasons: dict[str, Text] = field(default_factory=dict)
    sign_in_heading: Callable[["ResolverMatch"], str] = _no_heading
    outdated_state_sql: str = "FALSE"
    companies_sql: str = "SELECT NULL::bigint AS user_id, NULL::text AS company WHERE FALSE"
    ensure_derived_state: Callable[[Sequence[tuple["User", "Actor"]]], None] = _ensure_nothing
    has_event_since: Callable[[datetime | None], Q] = _no_event
    field_labels: dict[str, Text] = field(default_factory=dict)


extensions = Extensions()
