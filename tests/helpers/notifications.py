"""Send the queued notifications as a worker would."""

from typing import Any

from django.core import mail
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.notifications import send


def deliver() -> list[Any]:
    """Queue and send all notifications that are due, and return the emails sent so far."""
    send.queue_due()
    task = "accounts.notifications.send.send_notification"
    for arguments in ProcrastinateJob.objects.filter(task_name=task).order_by("pk").values_list("args", flat=True):
        send.send_notification(**arguments)
    return list(mail.outbox)
