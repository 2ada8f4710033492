"""Read the settings for uploaded images, which are in a folder or an S3-compatible object store, and for CDNs."""

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.environment import env, secret

FOLDER: dict[str, Any] = {"BACKEND": "django.core.files.storage.FileSystemStorage"}


def media_storage() -> dict[str, Any]:
    """Return Django's STORAGES entry for uploaded images: the bucket S3_BUCKET, or the folder MEDIA_ROOT.

    Raises:
        ImproperlyConfigured: a setting of the object store is missing or malformed.
    """
    bucket = env.str("S3_BUCKET", default="").strip()
    return {"BACKEND": "core.object_store.ObjectStore", "OPTIONS": _options(bucket)} if bucket else FOLDER


def _options(bucket: str) -> dict[str, Any]:
    endpoint = env.str("S3_ENDPOINT_URL", default="").strip().rstrip("/")
    parts = urlsplit(endpoint)
    if endpoint and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path):
        raise ImproperlyConfigured(
            f"S3_ENDPOINT_URL must be the URL of an object store such as https://s3.example.com, not {endpoint!r}."
        )
    key, secret_key = secret("S3_ACCESS_KEY_ID"), secret("S3_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret_key):
        missing = "S3_SECRET_ACCESS_KEY" if key else "S3_ACCESS_KEY_ID"
        raise ImproperlyConfigured(f"{missing} is not set. Set both keys, or none to use the role of the host.")
    return {
        "bucket_name": bucket,
        "access_key": key or None,
        "secret_key": secret_key or None,
        "endpoint_url": endpoint or None,
        "region_name": env.str("S3_REGION", default="").strip() or ("us-east-1" if endpoint else None),
        # Few compatible object stores have a host name for each bucket.
        "addressing_style": "path" if endpoint else "auto",
    }


def media_url() -> str:
    """Return the start of the URLs of images: /media/ of this site, or of the CDN in MEDIA_CDN_URL."""
    return f"{cdn_origin('MEDIA_CDN_URL')}/media/"


def cdn_origin(name: str) -> str:
    """Return the origin of a CDN, or "" if the variable is unset.

    Raises:
        ImproperlyConfigured: the value is not an origin with HTTPS.
    """
    text: str = env.str(name, default="").strip().rstrip("/")
    parts = urlsplit(text)
    if text and (parts.scheme != "https" or not parts.hostname or parts.path):
        raise ImproperlyConfigured(f"{name} must be an origin such as https://cdn.example.com, not {text!r}.")
    return text
