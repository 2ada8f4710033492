"""Jobs that run the checks, regularly and on request."""

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from procrastinate import exceptions
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from core.jobs import URGENT, describe
from webhooks.doctor import runner

UNFINISHED = ("todo", "doing")


@app.periodic(cron="* * * * *")
@app.task(queue="upkeep", queueing_lock="run_due_checks", priority=URGENT)
@describe(_("Run due diagnostics"), _("Runs the checks of the page Diagnostics that are due."))
def run_due_checks(timestamp: int) -> None:
    runner.run_due()


@app.task(queue="upkeep", queueing_lock="run_all_checks")
@describe(_("Run all diagnostics"), _("Runs all checks of the page Diagnostics at an operator's request."))
def run_all_checks() -> None:
    runner.run()


def request_run() -> None:
    """Queue a run of all checks, unless one is waiting."""
    try:
        with transaction.atomic():  # the exception aborts the transaction
            run_all_checks.defer()
    except exceptions.AlreadyEnqueued:
        return


def is_run_requested() -> bool:
    return ProcrastinateJob.objects.filter(task_name=run_all_checks.name, status__in=UNFINISHED).exists()
