"""Settings of the limit of `make bench`: the same server and middleware, but only the signature check and one insert."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.baseline_urls"
