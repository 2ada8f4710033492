"""Sample data for the operators' components."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from django.apps import apps
from django.utils import timezone

SINCE = datetime(2026, 3, 2, 9, tzinfo=UTC)
ERRORS = {
    "stale": "A newer change has already been applied.",
    "failed": "LockNotAvailable: canceling statement due to lock timeout",
    "dead": "ValidationError: a field must be a string",
}
TREND = "0,28 20,22 40,25 60,12 80,18 100,6 120,10"


def build_context() -> dict[str, Any]:
    """Return sample data for the groups of operators' components."""
    chips = [SimpleNamespace(label="state", value=value, remove_url="#main") for value in ("Dead", "Failed")]
    paging = {"newest_link": "#main", "newer_link": "#main", "older_link": "#main"}
    return {
        "cl": SimpleNamespace(result_list=build_events(), chips=chips, unfiltered_url="#main", **paging),
        "levels": ("good", "attention", "bad", "unknown"),
        "action_form": True,
        "work": [
            SimpleNamespace(url="#main", label="Replay of 1,204 events", total=1204, done=400),
            SimpleNamespace(url="#main", label="Comparison with Clerk", total=None),
        ],
        "tiles": [
            SimpleNamespace(label="Received", figure="1,204", trend=TREND, note="8% more than the day before"),
            SimpleNamespace(label="Dead", figure="7", trend=TREND, note="Oldest: 3 h", is_problem=True),
            SimpleNamespace(label="Slowest 1%", figure="48 ms", trend="", note="Applied within this time"),
            SimpleNamespace(label="Rejected", figure="0", trend=TREND, note="No rejected requests"),
        ],
        "series": ("user.updated", "user.created", "user.deleted", "session.created", "email.created", "other"),
        "columns": [build_column(number) for number in range(24)],
    }


def build_events() -> list[Any]:
    """Return an event in each state, the first with a user."""
    model = apps.get_model("webhooks", "WebhookEvent")
    events = []
    for number, state in enumerate(model.State.values, 1):
        settled_at = None if state in ("failed", "dead") else SINCE + timedelta(seconds=number)
        times = {
            "occurred_at": SINCE,
            "received_at": timezone.now() - timedelta(minutes=number),
            "processed_at": settled_at,
        }
        event = model(
            pk=number, svix_id=f"msg_{number}", event_type="user.updated", state=state, changed_in=number, **times
        )
        event.attempts, event.last_error = number, ERRORS.get(state, "")
        event.clerk_user_id = f"user_{number}"
        user = apps.get_model("accounts", "User")(pk=1, name="Omar Haddad") if number == 1 else None
        vars(event)["user"] = user
        events.append(event)
    return events


def build_column(number: int) -> list[SimpleNamespace]:
    """Return a column of the chart with a part for each series."""
    heights = [(number * step) % 7 * 3 + 4 for step in range(1, 7)]
    return [SimpleNamespace(height=height, y=160 - sum(heights[: place + 1])) for place, height in enumerate(heights)]
