"""Permission matrix of the admin: the expected status of every URL for admins, superusers and everyone else."""

from typing import NamedTuple

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import get_resolver

from tests.config.test_headers import patterns
from tests.helpers.factories import UserFactory
from tests.test_permissions import (
    AUDIENCES,
    FORBIDDEN,
    FOUND,
    NO_CONTENT,
    NOT_ALLOWED,
    NOT_FOUND,
    OK,
    copy_of,
    create_browser,
    request_status,
)

pytestmark = pytest.mark.django_db


class Statuses(NamedTuple):
    """The statuses for the role ADMIN and for a superuser. Everyone else is redirected to the login page."""

    admin_get: int
    superuser_get: int
    admin_post: int
    superuser_post: int


def same_for_both(*, get: int, post: int) -> Statuses:
    """Return the same statuses for admins and superusers."""
    return Statuses(get, get, post, post)


ADMIN: dict[str, Statuses] = {
    "/admin/": same_for_both(get=OK, post=OK),
    "/admin/login/": same_for_both(get=FOUND, post=OK),
    "/admin/logout/": same_for_both(get=NOT_ALLOWED, post=OK),
    "/admin/password_change/": same_for_both(get=OK, post=OK),
    "/admin/password_change/done/": same_for_both(get=OK, post=NOT_ALLOWED),
    "/admin/autocomplete/": same_for_both(get=FORBIDDEN, post=NOT_ALLOWED),  # without parameters
    "/admin/jsi18n/": same_for_both(get=OK, post=NOT_ALLOWED),
    "/admin/r/1/{pk}/": same_for_both(get=NOT_FOUND, post=NOT_FOUND),  # objects have no page on the site
    # Admins can view groups, but only superusers change permissions.
    "/admin/auth/group/": same_for_both(get=OK, post=OK),
    "/admin/auth/group/add/": Statuses(admin_get=FORBIDDEN, superuser_get=OK, admin_post=FORBIDDEN, superuser_post=OK),
    "/admin/auth/group/{pk}/": same_for_both(get=FOUND, post=FOUND),
    "/admin/auth/group/{pk}/change/": Statuses(admin_get=OK, superuser_get=OK, admin_post=FORBIDDEN, superuser_post=OK),
    "/admin/auth/group/{pk}/delete/": Statuses(
        admin_get=FORBIDDEN, superuser_get=OK, admin_post=FORBIDDEN, superuser_post=OK
    ),
    "/admin/auth/group/{pk}/history/": same_for_both(get=OK, post=OK),
    # Admins can change flags. The code defines which flags exist.
    "/admin/accounts/flag/": same_for_both(get=OK, post=OK),
    "/admin/accounts/flag/add/": same_for_both(get=FORBIDDEN, post=FORBIDDEN),
    "/admin/accounts/flag/{pk}/": same_for_both(get=FOUND, post=FOUND),
    "/admin/accounts/flag/{pk}/change/": same_for_both(get=OK, post=FOUND),  # all fields are optional
    "/admin/accounts/flag/{pk}/delete/": same_for_both(get=FORBIDDEN, post=FORBIDDEN),
    "/admin/accounts/flag/{pk}/history/": same_for_both(get=OK, post=OK),
    # Admins can edit search synonyms.
    "/admin/profiles/searchsynonym/": same_for_both(get=OK, post=OK),
    "/admin/profiles/searchsynonym/add/": same_for_both(get=OK, post=OK),  # without searches
    "/admin/profiles/searchsynonym/{pk}/": same_for_both(get=FOUND, post=FOUND),
    "/admin/profiles/searchsynonym/{pk}/change/": same_for_both(get=OK, post=OK),
    "/admin/profiles/searchsynonym/{pk}/delete/": same_for_both(get=OK, post=OK),  # without confirmation
    "/admin/profiles/searchsynonym/{pk}/history/": same_for_both(get=OK, post=OK),
    "/admin/accounts/": same_for_both(get=OK, post=OK),  # as in every other app
    # URLs of actions redirect GET requests to the form.
    "/admin/accounts/identityconflict/{pk}/resolve/": same_for_both(get=FOUND, post=FOUND),
    "/admin/profiles/report/{pk}/decide/": same_for_both(get=FOUND, post=FOUND),
    "/admin/profiles/reviewrequest/{pk}/assign/": same_for_both(get=FOUND, post=FOUND),
    "/admin/profiles/reviewrequest/{pk}/decide/": same_for_both(get=OK, post=OK),  # without a decision
    "/admin/profiles/reviewrequest/{pk}/files/{pk}/": same_for_both(get=FOUND, post=OK),
    "/admin/accounts/identityconflict/join/": same_for_both(get=OK, post=OK),  # without accounts
    "/admin/accounts/reconciliation/{pk}/approve/": same_for_both(get=FOUND, post=FOUND),
    "/admin/webhooks/alert/{pk}/action/": same_for_both(get=FOUND, post=FOUND),
    "/admin/webhooks/webhookevent/repair/": same_for_both(get=OK, post=FOUND),  # without a reason
    "/admin/webhooks/webhookevent/{pk}/repair/": same_for_both(get=FOUND, post=FOUND),
    "/admin/webhooks/job/bulk/": same_for_both(get=OK, post=FOUND),  # without an action
    "/admin/webhooks/job/{pk}/action/": same_for_both(get=FOUND, post=FOUND),
    "/admin/webhooks/errorgroup/{pk}/action/": same_for_both(get=FOUND, post=FOUND),
    "/admin/webhooks/replay/{pk}/progress/": same_for_both(get=OK, post=NOT_ALLOWED),
    "/admin/webhooks/replay/{pk}/control/": same_for_both(get=FOUND, post=FOUND),
    "/admin/webhooks/webhookevent/{pk}/reveal/": Statuses(
        admin_get=FOUND, superuser_get=FOUND, admin_post=FORBIDDEN, superuser_post=OK
    ),  # requires a separate permission
    "/admin/webhooks/alert/maintenance/": same_for_both(get=OK, post=OK),  # without an end
    "/admin/webhooks/alert/maintenance/1/end/": same_for_both(get=FOUND, post=FOUND),
    "/admin/webhooks/alert/test-channel/": same_for_both(get=FOUND, post=FOUND),  # without a channel
    "/admin/webhooks/alert/runbooks/": same_for_both(get=OK, post=OK),
    "/admin/webhooks/alert/runbooks/silence/": same_for_both(get=OK, post=OK),
    "/admin/audit/auditlog/export/": same_for_both(get=FOUND, post=FOUND),  # without a format
    "/admin/webhooks/webhookevent/export/": same_for_both(get=FOUND, post=OK),
    "/admin/webhooks/webhookevent/news/": same_for_both(get=NO_CONTENT, post=NOT_ALLOWED),
    "/admin/webhooks/running/": same_for_both(get=OK, post=NOT_ALLOWED),
    "/admin/audit/auditverification/verify/": same_for_both(get=FOUND, post=FOUND),  # without a reason
    "/admin/audit/auditverification/running/": same_for_both(get=OK, post=OK),
    "/admin/webhooks/repairs/": same_for_both(get=OK, post=NOT_ALLOWED),
    "/admin/webhooks/repairs/recovery/": same_for_both(get=OK, post=OK),  # without a reason
    "/admin/webhooks/repairs/secrets/": same_for_both(get=OK, post=NOT_ALLOWED),
    "/admin/webhooks/repairs/test-delivery/": same_for_both(get=OK, post=OK),  # without a reason
    "/admin/webhooks/rejections/": same_for_both(get=OK, post=NOT_ALLOWED),
    "/admin/accounts/reconciliation/compare/": same_for_both(get=OK, post=OK),  # without a reason
    "/admin/accounts/reconciliation/{pk}/repair/": same_for_both(get=FOUND, post=FOUND),  # not a dry run
    "/admin/accounts/metadatapush/{pk}/retry/": same_for_both(get=FOUND, post=FOUND),
    "/admin/accounts/reconciliation/{pk}/progress/": same_for_both(get=OK, post=OK),
    "/admin/webhooks/diagnostics/": same_for_both(get=OK, post=FOUND),
    "/admin/webhooks/dashboard/": same_for_both(get=OK, post=NOT_ALLOWED),
    "/admin/accounts/accessrun/{pk}/progress/": same_for_both(get=OK, post=OK),
    "/admin/accounts/accessrun/{pk}/retry/": same_for_both(get=FOUND, post=FOUND),  # has not ended
    "/admin/accounts/admingrant/{pk}/decide/": same_for_both(get=FOUND, post=FOUND),  # without a decision
    "/admin/accounts/lead/invite/": same_for_both(get=OK, post=OK),  # without an address
    "/admin/accounts/lead/{pk}/erase/": same_for_both(get=OK, post=OK),  # without a reason
    "/admin/accounts/lead/{pk}/decide/": same_for_both(get=FOUND, post=FOUND),  # without a decision
    "/admin/accounts/organizationmembership/{pk}/remove/": same_for_both(get=FOUND, post=FOUND),  # without a reason
    "/admin/accounts/legalversion/publish/terms/": same_for_both(get=OK, post=OK),  # without a text
    "/admin/accounts/userimport/{pk}/refused/": same_for_both(get=OK, post=OK),
    "/admin/accounts/user/{pk}/access/": same_for_both(get=OK, post=OK),  # without a change
    "/admin/accounts/user/{pk}/notes/": same_for_both(get=OK, post=OK),  # without a text
    "/admin/accounts/user/{pk}/notes/{pk}/remove/": same_for_both(get=FOUND, post=FORBIDDEN),  # by another author
    "/admin/accounts/user/{pk}/roles/": same_for_both(get=OK, post=OK),  # without a change
    "/admin/accounts/user/{pk}/timeline/": same_for_both(get=OK, post=NOT_ALLOWED),
    "/admin/verify/": same_for_both(get=FOUND, post=NOT_ALLOWED),  # both were verified recently
    "/admin/nowhere": same_for_both(get=NOT_FOUND, post=NOT_FOUND),
}
#: Models whose rows cannot be added, changed or deleted in the admin.
READ_ONLY = (
    "accounts/accessrun",
    "accounts/admingrant",
    "accounts/agreement",
    "accounts/dataexport",
    "accounts/endedsession",
    "accounts/identityconflict",
    "accounts/lead",
    "accounts/legalversion",
    "accounts/metadatapush",
    "accounts/notification",
    "accounts/organization",
    "accounts/organizationmembership",
    "accounts/reconciliation",
    "accounts/user",
    "accounts/userimport",
    "audit/auditlog",
    "audit/auditseal",
    "audit/auditverification",
    "audit/checkpointtarget",
    "profiles/badge",
    "profiles/builderprofile",
    "profiles/clientprofile",
    "profiles/contactmessage",
    "profiles/formerslug",
    "profiles/project",
    "profiles/projectimage",
    "profiles/report",
    "profiles/reviewrequest",
    "webhooks/alert",
    "webhooks/errorgroup",
    "webhooks/job",
    "webhooks/replay",
    "webhooks/webhookevent",
)
for model in READ_ONLY:
    ADMIN |= {
        f"/admin/{model}/": same_for_both(get=OK, post=OK),
        f"/admin/{model}/add/": same_for_both(get=FORBIDDEN, post=FORBIDDEN),
        f"/admin/{model}/{{pk}}/": same_for_both(get=FOUND, post=FOUND),
        f"/admin/{model}/{{pk}}/change/": same_for_both(get=OK, post=FORBIDDEN),
        f"/admin/{model}/{{pk}}/delete/": same_for_both(get=FORBIDDEN, post=FORBIDDEN),
        f"/admin/{model}/{{pk}}/history/": same_for_both(get=OK, post=OK),
    }
STAFF = ("admin", "superuser")
OTHER_METHODS = ("HEAD", "PUT", "PATCH", "DELETE")


@pytest.fixture
def pk(one_of_each_pk: int) -> int:
    return one_of_each_pk


@pytest.fixture(scope="module")
def browsers(module_rows: None) -> dict[str, Client]:
    cache.clear()  # Earlier tests may have cached that nothing is running.
    owner = UserFactory.create()
    return {audience: create_browser(audience, owner) for audience in AUDIENCES}


@pytest.mark.parametrize("url", ADMIN)
@pytest.mark.parametrize("audience", STAFF)
def test_staff(url: str, audience: str, pk: int, browsers: dict[str, Client]) -> None:
    path, expected = url.format(pk=pk), ADMIN[url]._asdict()
    assert request_status(copy_of(browsers[audience]), "GET", path) == expected[f"{audience}_get"]
    assert request_status(copy_of(browsers[audience]), "POST", path) == expected[f"{audience}_post"]


@pytest.mark.parametrize("audience", [audience for audience in AUDIENCES if audience not in STAFF])
def test_everyone_else_is_redirected_to_the_login_page(audience: str, pk: int, browsers: dict[str, Client]) -> None:
    for number, url in enumerate(ADMIN):
        # Test one other method per URL and audience. Across the nine audiences, every URL is tested with all methods.
        for method in ("GET", "POST", OTHER_METHODS[(AUDIENCES.index(audience) + number) % len(OTHER_METHODS)]):
            login_page = NOT_ALLOWED if method in ("PATCH", "DELETE") else OK
            expected = login_page if url == "/admin/login/" else FOUND
            assert request_status(copy_of(browsers[audience]), method, url.format(pk=pk)) == expected, (method, url)


def test_every_url_of_the_admin_is_in_the_matrix() -> None:
    found = {url for url, _ in patterns(get_resolver("config.urls")) if url.startswith("/admin/")}
    assert found == set(ADMIN)
