"""Store uploaded files in a bucket of an S3-compatible object store.

The bucket stays private. Files are served under MEDIA_URL like files in a folder, so pages, the Content-Security-Policy and
cached pages are the same for both. Files are small, so each is read at once, with time limits.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urljoin

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.base import ContentFile
from django.utils.encoding import filepath_to_uri
from storages.backends.s3 import S3Storage

from core.storage_errors import StorageUnavailableError

#: Together below the time limit of a request. A second attempt covers a lost connection.
CONNECT_TIMEOUT_S, READ_TIMEOUT_S, MAX_ATTEMPTS = 2, 5, 2
NOT_FOUND = ("404", "NoSuchKey")
#: Advice by error code of the object store.
ADVICE = {
    "403": "Check whether the key of S3_ACCESS_KEY_ID may list, read, write and delete in the bucket.",
    "AccessDenied": "Check whether the key of S3_ACCESS_KEY_ID may list, read, write and delete in the bucket.",
    "InvalidAccessKeyId": "Check S3_ACCESS_KEY_ID.",
    "SignatureDoesNotMatch": "Check S3_SECRET_ACCESS_KEY.",
    "NoSuchBucket": "Create the bucket, or check S3_BUCKET.",
    "RequestTimeTooSkewed": "Synchronize the clock of this host.",
}
OTHER_ADVICE = "Check S3_ENDPOINT_URL and S3_REGION, and whether the object store responds."


def _translated[**P, R](method: Callable[P, R]) -> Callable[P, R]:
    """Raise the exceptions that storages of files raise, with the settings to check in the message."""

    @wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in NOT_FOUND:
                raise FileNotFoundError(f"The object store does not have the file {args[1]}.") from None
            raise StorageUnavailableError(
                f"The object store refused the request with {code}. {ADVICE.get(code, OTHER_ADVICE)}"
            ) from None
        except (BotoCoreError, Boto3Error) as error:
            raise StorageUnavailableError(f"The object store did not answer: {error}. {OTHER_ADVICE}") from None

    return wrapper


class ObjectStore(S3Storage):  # type: ignore[misc]  # django-storages has no types
    def __init__(self, **options: Any) -> None:
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"total_max_attempts": MAX_ATTEMPTS, "mode": "standard"},
            s3={"addressing_style": options.pop("addressing_style", "auto")},
            # Not every compatible object store knows the checksums that newer clients send by default.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        super().__init__(client_config=config, default_acl=None, querystring_auth=False, **options)

    def url(self, name: str, *args: Any, **kwargs: Any) -> str:
        return urljoin(settings.MEDIA_URL, filepath_to_uri(name) or "")

    @_translated
    def _open(self, name: str, mode: str = "rb") -> ContentFile[bytes]:
        stored = self.bucket.Object(self._normalize_name(name)).get()
        return ContentFile(stored["Body"].read(), name)

    _save = _translated(S3Storage._save)
    delete = _translated(S3Storage.delete)
    exists = _translated(S3Storage.exists)
    listdir = _translated(S3Storage.listdir)
    size = _translated(S3Storage.size)
    get_modified_time = _translated(S3Storage.get_modified_time)
