"""An S3 server on this machine, with one bucket in memory."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from tests.helpers.servers.processes import free_port

#: A value with a dollar sign, which some readers of settings expand.
BUCKET, KEY, SECRET_KEY = "media", "key", "$ecret"


@contextmanager
def object_store() -> Iterator[str]:
    """Run an S3 server, and yield its URL."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # otherwise, it logs each request
    server = ThreadedMotoServer("127.0.0.1", port := free_port(), verbose=False)
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def bucket(url: str) -> Any:
    """Return the bucket as its operator sees it."""
    s3 = boto3.resource(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET_KEY
    )
    return s3.Bucket(BUCKET)


def settings_of(url: str) -> dict[str, str]:
    """Return the settings of a site that stores its images there."""
    return {
        "S3_BUCKET": BUCKET,
        "S3_ENDPOINT_URL": url,
        "S3_ACCESS_KEY_ID": KEY,
        "S3_SECRET_ACCESS_KEY": SECRET_KEY,
    }
