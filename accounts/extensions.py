"""What apps above accounts offer to it. They fill in `extensions` in `AppConfig.ready`, so nothing here imports them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise

if TYPE_CHECKING:
    from accounts.models import User
    from audit.log import Actor

type Text = str | Promise


def _no_metadata(user_ids: Collection[int]) -> Mapping[int, dict[str, Any]]:
    return {}


def _no_page(user_id: int) -> str:
    return ""


def _ensure_nothing(user: "User", actor: "Actor") -> None:
    pass


@dataclass
class Extensions:
    """Hooks of accounts.

    Attributes:
        pushed_metadata: returns the profile values that are pushed to Clerk, by user id.
        page_url: returns the URL of a user's public page, or "".
        home: name of the URL to show after signing out.
        welcome: name of the URL to show after signing up.
        sign_in_reasons: why a page asks visitors to sign in, by URL name.
        outdated_state_sql: a condition on a row of accounts_user that is true if the state derived from it is outdated.
        ensure_derived_state: brings the state derived from a locked user up to date.
        field_labels: labels of audited fields, for the account's recent activity.
    """

    pushed_metadata: Callable[[Collection[int]], Mapping[int, dict[str, Any]]] = _no_metadata
    page_url: Callable[[int], str] = _no_page
    home: str = "accounts:account"
    welcome: str = "accounts:account"
    sign_in_reasons: dict[str, Text] = field(default_factory=dict)
    outdated_state_sql: str = "FALSE"
    ensure_derived_state: Callable[["User", "Actor"], None] = _ensure_nothing
    field_labels: dict[str, Text] = field(default_factory=dict)


extensions = Extensions()
