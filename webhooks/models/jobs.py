"""Background jobs. The table belongs to Procrastinate."""

from typing import TYPE_CHECKING

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django.models import ProcrastinateJob

from core.jobs import Description, descriptions, title_of

if TYPE_CHECKING:
    from datetime import datetime

    from accounts.models import User
    from webhooks.models.errors import JobFailure


class JobState(models.TextChoices):
    PENDING = "pending", _("Pending")
    RUNNING = "running", _("Running")
    RETRYING = "retrying", _("Retrying")
    # The only attempt failed. Scheduled jobs are not retried, because they run again anyway.
    FAILED = "failed", _("Failed")
    # All attempts failed, or the job crashed its worker too often.
    GIVEN_UP = "given_up", _("Given up")
    FINISHED = "finished", _("Finished")
    CANCELLED = "cancelled", _("Cancelled")


#: The severity of each state.
LEVELS = {"retrying": "attention", "failed": "bad", "given_up": "bad", "finished": "good"}


#: The icon of each state in static/img/states.svg.
ICONS = {"pending": "received", "running": "action", "retrying": "failed", "failed": "bad", "given_up": "dead"}
ICONS |= {"finished": "processed", "cancelled": "ignored"}


class Job(ProcrastinateJob):
    """A background job, as shown in the admin.

    Attributes:
        state: set by webhooks.jobs.lists.with_state.
        queued_at, person, failure: set by webhooks.jobs.history.add_details.
    """

    state: str = ""
    queued_at: "datetime | None" = None
    person: "User | None" = None
    failure: "JobFailure | None" = None

    class Meta:
        proxy = True
        verbose_name = _("job")
        verbose_name_plural = _("jobs")

    def __str__(self) -> str:
        return f"{self.title} {self.pk}"

    @property
    def is_waiting(self) -> bool:
        return bool(self.status == "todo")

    @property
    def state_label(self) -> str | Promise:
        return JobState(self.state).label

    @property
    def icon(self) -> str:
        return ICONS[self.state]

    @property
    def level(self) -> str:
        """The severity of the state. static/css/operators.css defines a colour for each severity."""
        return LEVELS.get(self.state, "neutral")

    @property
    def description(self) -> Description | None:
        return descriptions.get(self.task_name)

    @property
    def title(self) -> str | Promise:
        return title_of(self.task_name)
