"""The job states shown to operators, which are more detailed than those stored by Procrastinate."""

from django.db import models
from django.db.models import Case, Value, When

from webhooks.models.jobs import JobState

#: States of failed jobs that will not be retried automatically.
STOPPED = (JobState.FAILED, JobState.GIVEN_UP)
#: States of jobs whose last attempt failed.
FAILING = (*STOPPED, JobState.RETRYING)
#: States of jobs that have not started and can be cancelled.
WAITING = (JobState.PENDING, JobState.RETRYING)

#: The SQL expression for a job's state. The index in migration 0003_job_indexes must use the same expression.
STATE = Case(
    When(status="todo", attempts__gt=0, then=Value("retrying")),
    When(status="todo", then=Value("pending")),
    When(status="doing", then=Value("running")),
    When(status="failed", attempts__gt=1, then=Value("given_up")),
    When(status="failed", then=Value("failed")),
    When(status="succeeded", then=Value("finished")),
    default=Value("cancelled"),
    output_field=models.CharField(),
)
