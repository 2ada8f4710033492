"""The targets of the requests. Each target builds one request from a random generator and the world."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from tests.fuzz.requests import Request
from tests.fuzz.targets import admin, identity, pages, webhooks
from tests.fuzz.world import World


class Target(NamedTuple):
    """A target and its percentage of all requests. Fast requests have a high percentage."""

    build: Callable[[Random, World], Request]
    weight: int


TARGETS = {
    "webhooks, signed": Target(webhooks.signed_delivery, 20),
    "webhooks, not signed": Target(webhooks.forged_delivery, 15),
    "session tokens": Target(identity.session_token, 15),
    "cookies": Target(identity.cookies, 14),
    "handshakes": Target(identity.handshake, 10),
    "forms": Target(pages.form, 9),
    "directory": Target(pages.directory, 4),
    "API": Target(pages.api, 7),
    "admin lists": Target(admin.admin_list, 2),
    "admin pages": Target(admin.admin_page, 2),
    "any URL": Target(pages.any_url, 2),
}
assert sum(target.weight for target in TARGETS.values()) == 100
