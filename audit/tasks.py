"""Background jobs for the audit app."""

import logging

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django import app

from audit.sealing import checkpoints, seals, verification
from core.jobs import URGENT, describe

log = logging.getLogger(__name__)


@app.periodic(cron=settings.AUDIT_SEAL_CRON)
@app.task(queue="upkeep", queueing_lock="seal_audit_log", priority=URGENT)
@describe(
    _("Seal the audit log"),
    _("Seals new audit rows, so that later changes are detected, and sends checkpoints."),
)
def seal_audit_log(timestamp: int) -> None:
    """Seal committed rows and send checkpoints, including checkpoints that failed before."""
    if settings.AUDIT_SEAL_KEYS:
        try:
            seals.seal()
        finally:
            checkpoints.send()


@app.periodic(cron=settings.AUDIT_VERIFY_CRON)
@app.task(queue="upkeep", queueing_lock="verify_audit_log")
@describe(
    _("Verify the audit log"),
    _("Checks every audit row against its seal."),
)
def verify_audit_log(timestamp: int) -> None:
    _verify()


@app.task(queue="upkeep", queueing_lock="verify_now")
@describe(_("Verify the audit log on request"), _("Checks every audit row against its seal at an admin's request."))
def verify_now() -> None:
    """Run the verification that an admin requested."""
    _verify()


def _verify() -> None:
    if not settings.AUDIT_SEAL_KEYS:
        return
    started_at = timezone.now()
    with checkpoints.local_files() as files:
        result = verification.verify(checkpoints=files)
    verification.store(result, started_at)
    if result.problems:
        first = result.problems[0].text
        log.error("The audit log does not match its seals: %s See docs/runbooks/audit_chain_broken.md.", first)
