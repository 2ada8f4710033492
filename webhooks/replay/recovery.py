"""Ask Svix to resend deliveries. Requires an API key for the Svix account that sends the webhooks."""

from datetime import datetime
from enum import StrEnum

import httpx
from django.conf import settings
from svix.api import RecoverIn, ReplayIn, Svix, SvixOptions
from svix.api.errors.http_error import HttpError
from svix.api.errors.http_validation_error import HTTPValidationError

TIMEOUT_S = 10.0
#: Recommended action for each error status of the Svix API.
ADVICE = {
    401: "Check SVIX_API_KEY.",
    403: "Check whether SVIX_API_KEY may change endpoints.",
    404: "Check SVIX_APP_ID and SVIX_ENDPOINT_ID.",
    409: "Another recovery of this endpoint is running. Wait until it has ended.",
    429: "Wait a minute and try again.",
}


class Scope(StrEnum):
    #: Resends failed deliveries.
    FAILED = "failed"
    #: Sends messages that were never attempted, for example because the endpoint did not exist yet.
    MISSING = "missing"


class RecoveryError(Exception):
    """Svix did not start the recovery. The message is shown to the admin."""


def is_configured() -> bool:
    return bool(settings.SVIX_API_KEY and settings.SVIX_APP_ID and settings.SVIX_ENDPOINT_ID)


def recover(scope: Scope, since: datetime, until: datetime | None = None) -> str:
    """Start a recovery and return the ID of Svix's task. Resent deliveries of settled events have no effect.

    Raises:
        RecoveryError: Svix could not be reached or rejected the request.
    """
    options = SvixOptions(server_url=settings.SVIX_API_URL or None, timeout=TIMEOUT_S, retry_schedule=[])
    endpoint = Svix(settings.SVIX_API_KEY, options).endpoint
    app_id, endpoint_id = settings.SVIX_APP_ID, settings.SVIX_ENDPOINT_ID
    try:
        if scope == Scope.MISSING:
            return endpoint.replay_missing(app_id, endpoint_id, ReplayIn(since=since, until=until)).id
        return endpoint.recover(app_id, endpoint_id, RecoverIn(since=since, until=until)).id
    except (HttpError, HTTPValidationError) as error:
        raise RecoveryError(_refusal(error)) from error
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise RecoveryError(f"Svix could not be reached: {reason}. Nothing was started. Try again.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        text = "Svix's response could not be read, so the recovery may have started. Check Svix's dashboard."
        raise RecoveryError(text) from error


def _refusal(error: HttpError | HTTPValidationError) -> str:
    detail = error.detail if isinstance(error, HttpError) else "invalid request"
    return f"Svix refused the request with {error.status_code} ({detail}). {ADVICE.get(error.status_code, 'Try again later.')}"
