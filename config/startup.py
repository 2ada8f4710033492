"""Stop web servers and workers from starting with dangerous settings.

`manage.py check --deploy` shows the same messages.
"""

import logging

from django.conf import settings
from django.core import checks

log = logging.getLogger(__name__)


def check_settings() -> None:
    """Log warnings from the system checks, and exit if there are errors.

    Raises:
        SystemExit: a setting is dangerous or malformed. Each line names a setting and how to fix it.
    """
    tags = [checks.Tags.security, checks.Tags.files]
    messages = checks.run_checks(tags=tags, include_deployment_checks=not settings.LOCAL_MODE)
    shown = [message for message in messages if not message.is_silenced()]
    for message in shown:
        if not message.is_serious():
            log.warning("%s", _line(message))
    errors = [_line(message) for message in shown if message.is_serious()]
    if errors:
        raise SystemExit("\n".join(["Not started because of these settings:", *errors]))


def _line(message: checks.CheckMessage) -> str:
    return " ".join(filter(None, [message.msg, message.hint, f"({message.id})"]))
