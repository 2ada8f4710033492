"""Permission matrix: the expected status of every URL and method for every audience.

For the admin, only its index page is tested here; see tests/test_admin_permissions.py for the rest.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import DataExport, EndedSession, Organization, OrganizationMembership, User
from accounts.notifications.unsubscribe import unsubscribe_url
from profiles.contact.emails import MESSAGE_RECEIVED
from profiles.models import BuilderProfile, ClientProfile, ContactMessage, ReviewRequest, SectionVersion
from tests.helpers.clients import with_password, with_token
from tests.helpers.factories import (
    SINCE,
    BuilderProfileFactory,
    ClientProfileFactory,
    ProjectImageFactory,
    UserFactory,
)
from tests.helpers.tokens import mint

pytestmark = pytest.mark.django_db

OK, NO_CONTENT, FOUND, SEE_OTHER = 200, 204, 302, 303
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED = 400, 401, 403, 404, 405
INVALID, PRECONDITION_REQUIRED = 422, 428
#: Lifetime of tokens. Longer than usual, because the browsers are created once for all tests.
TOKEN_LIFETIME_S = 3600


class Statuses(NamedTuple):
    """The status that each audience gets.

    The owner owns the builder page and the client profile in the URLs. The superuser has a password session, which is
    valid in the admin only. The tokens of banned and deleted users and of ended sessions are well-formed but rejected.
    """

    anonymous: int
    visitor: int
    owner: int
    other_builder: int
    client: int
    admin: int
    superuser: int
    banned: int
    deleted: int
    ended_session: int
    provisional: int


AUDIENCES = Statuses._fields
#: Audiences that are treated as signed out, without and with a rejected token.
WITHOUT_TOKEN, WITH_REJECTED_TOKEN = ("anonymous", "superuser"), ("banned", "deleted", "ended_session")


def same_for_everyone(status: int, **exceptions: int) -> Statuses:
    """Return the same status for all audiences except those named."""
    return Statuses(**dict.fromkeys(AUDIENCES, status) | exceptions)


def access(*, signed_in: int, signed_out: int, rejected_token: int | None = None, **exceptions: int) -> Statuses:
    """Return statuses that depend on sign-in.

    Args:
        rejected_token: for audiences whose token is rejected, if it differs from `signed_out`.
        exceptions: statuses of individual audiences.
    """
    rejected = signed_out if rejected_token is None else rejected_token
    statuses = dict.fromkeys(WITHOUT_TOKEN, signed_out) | dict.fromkeys(WITH_REJECTED_TOKEN, rejected)
    return same_for_everyone(signed_in, **statuses | exceptions)


def form(*, signed_in: int, **exceptions: int) -> Statuses:
    """Return the statuses of a posted form: it is preserved (303) if the token is rejected."""
    return access(signed_in=signed_in, signed_out=FOUND, rejected_token=SEE_OTHER, **exceptions)


#: Pages and methods by audience.
SIGN_IN_REQUIRED = access(signed_in=OK, signed_out=FOUND)
SIGNED_OUT_ONLY = access(signed_in=FOUND, signed_out=OK)
EDITORS_ONLY = access(signed_in=FORBIDDEN, signed_out=FOUND, owner=OK, admin=OK)
ADMIN_ONLY = access(signed_in=FORBIDDEN, signed_out=FOUND, admin=OK)
HIDDEN_EXCEPT_EDITORS = same_for_everyone(NOT_FOUND, owner=OK, admin=OK)
HIDDEN_EXCEPT_ADMIN = same_for_everyone(NOT_FOUND, owner=FORBIDDEN, admin=OK)
OWN_BUILDER_ONLY = access(signed_in=FOUND, signed_out=FOUND, owner=OK, other_builder=OK, provisional=OK)
OWN_CLIENT_ONLY = access(signed_in=FOUND, signed_out=FOUND, owner=OK, client=OK, provisional=OK)
ADMIN_SITE = same_for_everyone(FOUND, admin=OK, superuser=OK)
#: Redirects from pages that only accept POST.
BUTTON_OF_OWNER = access(signed_in=FORBIDDEN, signed_out=FOUND, owner=FOUND)
BUTTON_OF_EDITORS = access(signed_in=FORBIDDEN, signed_out=FOUND, owner=FOUND, admin=FOUND)
BUTTON_OF_ADMIN = access(signed_in=FORBIDDEN, signed_out=FOUND, admin=FOUND)
ADMIN_PAGES = tuple(
    f"/builders/{{builder.slug}}/{page}/" for page in ("verify", "badges", "badges/identity", "record", "hide")
)
MISSING_IMAGE = f"/media/projects/{'0' * 32}.webp"

#: GET and HEAD.
READ: dict[str, Statuses] = {
    "/": same_for_everyone(OK),
    "/robots.txt": same_for_everyone(OK),
    "/sitemap.xml": same_for_everyone(OK),
    "/.well-known/security.txt": same_for_everyone(NOT_FOUND),  # no contact is set
    "/sitemap-0.xml": same_for_everyone(OK),
    "/builders/": same_for_everyone(OK),
    "/builders/{builder.slug}/": same_for_everyone(OK),
    "/builders/{hidden.slug}/": HIDDEN_EXCEPT_EDITORS,
    "/builders/missing-page/": same_for_everyone(NOT_FOUND),
    "/builders/{builder.slug}/card.png": same_for_everyone(OK),
    "/builders/{hidden.slug}/card.png": same_for_everyone(NOT_FOUND),
    "/builders/{builder.slug}/work/{project.url_name}/": same_for_everyone(OK),
    "/builders/{hidden.slug}/work/{project.url_name}/": HIDDEN_EXCEPT_EDITORS,
    "/builders/{builder.slug}/work/{project.pk}/card.png": same_for_everyone(OK),
    "/builders/{hidden.slug}/work/{project.pk}/card.png": same_for_everyone(NOT_FOUND),
    "/sitemap-work-1.xml": same_for_everyone(OK),
    "/builders/{builder.slug}/card/": same_for_everyone(OK),
    "/builders/{hidden.slug}/card/": same_for_everyone(NOT_FOUND),
    "/builders/{builder.slug}/contact.vcf": same_for_everyone(OK),
    "/builders/{hidden.slug}/contact.vcf": same_for_everyone(NOT_FOUND),
    # Owners see a note that this is their own page.
    "/builders/{builder.slug}/contact/": SIGN_IN_REQUIRED,
    "/builders/{hidden.slug}/contact/": same_for_everyone(NOT_FOUND, owner=OK, admin=FORBIDDEN),
    "/builders/{builder.slug}/edit/introduction/": EDITORS_ONLY,
    "/builders/{hidden.slug}/edit/introduction/": HIDDEN_EXCEPT_EDITORS,
    "/builders/{builder.slug}/publish/": BUTTON_OF_OWNER,
    "/builders/{builder.slug}/delete/": EDITORS_ONLY,
    "/builders/{hidden.slug}/delete/": HIDDEN_EXCEPT_EDITORS,
    **dict.fromkeys(ADMIN_PAGES, ADMIN_ONLY),
    "/builders/{builder.slug}/feature/": BUTTON_OF_ADMIN,
    "/builders/{hidden.slug}/hide/": HIDDEN_EXCEPT_ADMIN,
    # Users without the profile are redirected to the first step. Provisional users see the waiting page.
    "/welcome/": SIGN_IN_REQUIRED,
    "/welcome/builder/": OWN_BUILDER_ONLY,
    "/welcome/picture/": OWN_BUILDER_ONLY,
    "/welcome/project/": OWN_BUILDER_ONLY,
    "/welcome/client/": OWN_CLIENT_ONLY,
    "/welcome/preview/": OWN_BUILDER_ONLY,
    "/builders/{builder.slug}/history/": EDITORS_ONLY,
    "/builders/{hidden.slug}/history/": HIDDEN_EXCEPT_EDITORS,
    "/builders/{builder.slug}/history/{version.pk}/restore/": BUTTON_OF_EDITORS,
    "/builders/{builder.slug}/picture/": EDITORS_ONLY,
    "/builders/{hidden.slug}/picture/": HIDDEN_EXCEPT_EDITORS,
    "/builders/{builder.slug}/portfolio/new/": EDITORS_ONLY,
    "/builders/{hidden.slug}/portfolio/new/": HIDDEN_EXCEPT_EDITORS,
    "/builders/{builder.slug}/portfolio/order/": BUTTON_OF_EDITORS,
    "/builders/{builder.slug}/portfolio/{project.pk}/edit/": EDITORS_ONLY,
    "/builders/{hidden.slug}/portfolio/{project.pk}/edit/": HIDDEN_EXCEPT_EDITORS,
    "/builders/{builder.slug}/portfolio/{project.pk}/delete/": EDITORS_ONLY,
    "/builders/{hidden.slug}/portfolio/{project.pk}/delete/": HIDDEN_EXCEPT_EDITORS,
    "/builders/{builder.slug}/portfolio/{project.pk}/images/": EDITORS_ONLY,
    "/builders/{hidden.slug}/portfolio/{project.pk}/images/": HIDDEN_EXCEPT_EDITORS,
    "/builders/{builder.slug}/portfolio/{project.pk}/images/order/": BUTTON_OF_EDITORS,
    "/builders/{builder.slug}/portfolio/{project.pk}/images/{image.pk}/": BUTTON_OF_EDITORS,
    MISSING_IMAGE: same_for_everyone(NOT_FOUND),  # images are public; this one does not exist
    "/builders/{builder.slug}/availability/": BUTTON_OF_EDITORS,
    "/builders/{builder.slug}/preview/": access(
        signed_in=FORBIDDEN, signed_out=FOUND, owner=NOT_ALLOWED, admin=NOT_ALLOWED
    ),
    "/builders/{hidden.slug}/preview/": same_for_everyone(NOT_FOUND, owner=NOT_ALLOWED, admin=NOT_ALLOWED),
    "/account/messages/": SIGN_IN_REQUIRED,
    "/account/messages/received/": SIGN_IN_REQUIRED,
    # The owner received the message.
    "/account/messages/{message.pk}/block/": access(signed_in=FOUND, signed_out=FOUND),
    "/account/messages/{message.pk}/report/": access(signed_in=NOT_FOUND, signed_out=FOUND, owner=OK),
    "/builders/{builder.slug}/report/": access(signed_in=OK, signed_out=FOUND, owner=FORBIDDEN),
    "/builders/{hidden.slug}/report/": same_for_everyone(NOT_FOUND, owner=FORBIDDEN, admin=FORBIDDEN),
    # Only the owner can ask for reviews. Admins have the queue in the admin.
    "/builders/{builder.slug}/reviews/": access(signed_in=FORBIDDEN, signed_out=FOUND, owner=OK),
    "/builders/{hidden.slug}/reviews/": same_for_everyone(NOT_FOUND, owner=OK, admin=FORBIDDEN),
    "/builders/{builder.slug}/reviews/{review.pk}/withdraw/": BUTTON_OF_OWNER,
    "/builders/{builder.slug}/reviews/{review.pk}/files/{review_file.pk}/": access(
        signed_in=FORBIDDEN, signed_out=FOUND, owner=OK
    ),
    # Only the owner chooses the organizations on the page.
    "/builders/{builder.slug}/organizations/": access(signed_in=FORBIDDEN, signed_out=FOUND, owner=OK),
    "/builders/{hidden.slug}/organizations/": same_for_everyone(NOT_FOUND, owner=OK, admin=FORBIDDEN),
    "/teams/{team}/": same_for_everyone(OK),
    "/teams/nothing/": same_for_everyone(NOT_FOUND),
    "/account/shortlist/": SIGN_IN_REQUIRED,
    "/builders/{builder.slug}/save/": access(signed_in=OK, signed_out=FOUND, owner=FORBIDDEN),
    "/builders/{hidden.slug}/save/": same_for_everyone(NOT_FOUND, owner=FORBIDDEN, admin=FORBIDDEN),
    "/account/page/": same_for_everyone(FOUND),  # to the builder page, the account page or the sign-in page
    "/account/client/": access(signed_in=NOT_FOUND, signed_out=FOUND, owner=OK, client=OK),
    "/clients/{client.pk}/edit/": HIDDEN_EXCEPT_EDITORS,
    "/sign-in/": SIGNED_OUT_ONLY,
    "/sign-up/": SIGNED_OUT_ONLY,
    "/sign-up/complete/": same_for_everyone(FOUND),
    **dict.fromkeys(("/privacy/", "/terms/", "/contact/"), same_for_everyone(OK)),
    "/terms/1/": same_for_everyone(NOT_FOUND),  # no version is published
    "/account/agreement/": same_for_everyone(FOUND),  # to the account page or to the sign-in page
    "/sign-out/": same_for_everyone(OK),
    "/language/": same_for_everyone(NOT_ALLOWED),
    "/account/": SIGN_IN_REQUIRED,
    "/account/security/": SIGN_IN_REQUIRED,
    "/account/notifications/": SIGN_IN_REQUIRED,
    "/account/notifications/unsubscribe/{token}/": same_for_everyone(OK),  # the token identifies the user
    "/account/notifications/unsubscribe/wrong/": same_for_everyone(NOT_FOUND),
    "/account/exports/{export}/": access(signed_in=NOT_FOUND, signed_out=FOUND, owner=OK),
    "/account/roles/": SIGN_IN_REQUIRED,
    "/account/roles/stop/builder/": SIGN_IN_REQUIRED,
    "/account/roles/stop/admin/": access(signed_in=NOT_FOUND, signed_out=FOUND),
    "/account/delete/": SIGN_IN_REQUIRED,
    "/account/exports/": same_for_everyone(FOUND),  # to the account page or to the sign-in page
    "/api/profiles/me": access(signed_in=OK, signed_out=UNAUTHORIZED),
    "/api/profiles/builders": same_for_everyone(OK),
    "/api/profiles/builders/{builder.pk}": same_for_everyone(OK),
    "/api/profiles/builders/{hidden.pk}": HIDDEN_EXCEPT_EDITORS,
    "/api/profiles/clients/{client.pk}": HIDDEN_EXCEPT_EDITORS,
    "/api/openapi.json": same_for_everyone(OK),
    "/api/docs/": same_for_everyone(OK),
    "/api/nowhere": same_for_everyone(NOT_FOUND),
    "/api/webhooks/clerk": same_for_everyone(NOT_ALLOWED),
    "/admin/": ADMIN_SITE,
    "/healthz": same_for_everyone(OK),
    "/readyz": same_for_everyone(OK),
    "/metrics": same_for_everyone(OK),  # from localhost, in local mode
    "/local/components/": same_for_everyone(OK),  # in local mode
    "/local/components/builder/": same_for_everyone(OK),
    "/local/components/missing/": same_for_everyone(NOT_FOUND),
}
#: Status when an empty form is posted to a portfolio page.
PORTFOLIO = {
    "picture": INVALID,
    "portfolio/new": INVALID,
    "portfolio/order": INVALID,
    "portfolio/{project.pk}/edit": INVALID,
    "portfolio/{project.pk}/delete": FOUND,
    "portfolio/{project.pk}/images": INVALID,
    "portfolio/{project.pk}/images/order": INVALID,
    "portfolio/{project.pk}/images/{image.pk}": INVALID,
}
API_EDITORS_ONLY = access(
    signed_in=FORBIDDEN, signed_out=UNAUTHORIZED, owner=PRECONDITION_REQUIRED, admin=PRECONDITION_REQUIRED
)
API_HIDDEN = same_for_everyone(NOT_FOUND, owner=PRECONDITION_REQUIRED, admin=PRECONDITION_REQUIRED)
#: Methods other than GET and HEAD, sent with a CSRF token. Forms are posted empty.
WRITE: dict[tuple[str, str], Statuses] = {
    ("POST", "/sign-out/"): same_for_everyone(FOUND),
    ("POST", "/language/"): same_for_everyone(FOUND),
    # All fields are optional.
    ("POST", "/builders/{builder.slug}/edit/introduction/"): form(signed_in=FORBIDDEN, owner=FOUND, admin=FOUND),
    ("POST", "/builders/{hidden.slug}/edit/introduction/"): same_for_everyone(NOT_FOUND, owner=FOUND, admin=FOUND),
    ("POST", "/builders/{builder.slug}/publish/"): form(signed_in=FORBIDDEN, owner=SEE_OTHER),
    ("POST", "/builders/{builder.slug}/delete/"): form(signed_in=FORBIDDEN, owner=SEE_OTHER, admin=SEE_OTHER),
    ("POST", "/builders/{hidden.slug}/delete/"): same_for_everyone(NOT_FOUND, owner=SEE_OTHER, admin=SEE_OTHER),
    **{("POST", url): form(signed_in=FORBIDDEN, admin=INVALID) for url in ADMIN_PAGES},
    ("POST", "/builders/{builder.slug}/feature/"): form(signed_in=FORBIDDEN, admin=SEE_OTHER),
    ("POST", "/builders/{hidden.slug}/hide/"): same_for_everyone(NOT_FOUND, owner=FORBIDDEN, admin=INVALID),
    ("POST", "/welcome/"): form(signed_in=INVALID, provisional=OK),
    # Users without the profile are redirected to the first step. Availability and currency are required.
    **{
        ("POST", f"/welcome/{page}/"): form(signed_in=FOUND, owner=INVALID, other_builder=INVALID, provisional=OK)
        for page in ("picture", "project")
    },
    ("POST", "/welcome/builder/"): form(signed_in=FOUND, owner=INVALID, other_builder=INVALID, provisional=OK),
    ("POST", "/welcome/client/"): form(signed_in=FOUND, owner=SEE_OTHER, client=SEE_OTHER, provisional=OK),
    ("POST", "/welcome/preview/"): form(signed_in=NOT_ALLOWED),
    **{
        ("POST", f"/builders/{{builder.slug}}/{page}/"): form(signed_in=FORBIDDEN, owner=status, admin=status)
        for page, status in PORTFOLIO.items()
    },
    **{
        ("POST", f"/builders/{{hidden.slug}}/{page}/"): same_for_everyone(NOT_FOUND, owner=status, admin=status)
        for page, status in PORTFOLIO.items()
    },
    ("POST", "/builders/{builder.slug}/preview/"): form(signed_in=FORBIDDEN, owner=OK, admin=OK),
    ("POST", "/builders/{hidden.slug}/preview/"): same_for_everyone(NOT_FOUND, owner=OK, admin=OK),
    ("POST", "/builders/{builder.slug}/history/"): form(signed_in=FORBIDDEN, owner=NOT_ALLOWED, admin=NOT_ALLOWED),
    ("POST", "/builders/{builder.slug}/history/{version.pk}/restore/"): form(
        signed_in=FORBIDDEN, owner=FOUND, admin=FOUND
    ),
    ("POST", "/builders/{hidden.slug}/history/{version.pk}/restore/"): same_for_everyone(
        NOT_FOUND, owner=FOUND, admin=FOUND
    ),
    # Without a value, the switch redirects without a change.
    ("POST", "/builders/{builder.slug}/availability/"): form(signed_in=FORBIDDEN, owner=FOUND, admin=FOUND),
    ("POST", "/account/page/"): form(signed_in=NOT_ALLOWED),
    ("POST", "/account/client/"): form(signed_in=NOT_FOUND, owner=FOUND, client=FOUND),
    ("POST", "/clients/{client.pk}/edit/"): same_for_everyone(NOT_FOUND, owner=FOUND, admin=FOUND),
    # The message of a signed-out visitor is preserved, too.
    ("POST", "/builders/{builder.slug}/contact/"): access(signed_in=INVALID, signed_out=SEE_OTHER, owner=FORBIDDEN),
    # Provisional users have no roles that could be changed.
    ("POST", "/account/roles/stop/builder/"): form(signed_in=FOUND, provisional=INVALID),
    ("POST", "/account/roles/stop/admin/"): form(signed_in=NOT_FOUND),
    ("POST", "/account/roles/"): form(signed_in=FOUND, provisional=INVALID),
    ("POST", "/account/agreement/"): form(signed_in=FOUND),
    ("POST", "/account/"): form(signed_in=NOT_ALLOWED),
    ("POST", "/account/security/"): form(signed_in=NOT_ALLOWED),
    ("POST", "/account/notifications/"): form(signed_in=INVALID),  # the language is required
    ("POST", "/account/notifications/unsubscribe/{token}/"): same_for_everyone(OK),
    ("POST", "/account/notifications/unsubscribe/wrong/"): same_for_everyone(NOT_FOUND),
    ("POST", "/account/messages/"): form(signed_in=NOT_ALLOWED),
    ("POST", "/account/messages/received/"): form(signed_in=NOT_ALLOWED),
    ("POST", "/account/messages/{message.pk}/block/"): form(signed_in=NOT_FOUND, owner=FOUND),
    ("POST", "/account/messages/{message.pk}/report/"): form(signed_in=NOT_FOUND, owner=INVALID),
    ("POST", "/builders/{builder.slug}/report/"): form(signed_in=INVALID, owner=FORBIDDEN),
    ("POST", "/builders/{hidden.slug}/report/"): same_for_everyone(NOT_FOUND, owner=FORBIDDEN, admin=FORBIDDEN),
    ("POST", "/builders/{builder.slug}/organizations/"): form(signed_in=FORBIDDEN, owner=FOUND),
    ("POST", "/builders/{hidden.slug}/organizations/"): same_for_everyone(NOT_FOUND, owner=FOUND, admin=FORBIDDEN),
    ("POST", "/builders/{builder.slug}/reviews/"): form(signed_in=FORBIDDEN, owner=INVALID),
    ("POST", "/builders/{hidden.slug}/reviews/"): same_for_everyone(NOT_FOUND, owner=INVALID, admin=FORBIDDEN),
    ("POST", "/builders/{builder.slug}/reviews/{review.pk}/withdraw/"): form(signed_in=FORBIDDEN, owner=FOUND),
    ("POST", "/builders/{builder.slug}/reviews/{review.pk}/files/{review_file.pk}/"): form(
        signed_in=FORBIDDEN, owner=NOT_ALLOWED
    ),
    ("POST", "/account/shortlist/"): form(signed_in=FOUND),
    ("POST", "/builders/{builder.slug}/save/"): form(signed_in=FOUND, owner=FORBIDDEN),
    ("POST", "/builders/{hidden.slug}/save/"): same_for_everyone(NOT_FOUND, owner=FORBIDDEN, admin=FORBIDDEN),
    ("POST", "/account/delete/"): form(signed_in=FOUND),
    ("POST", "/account/exports/"): form(signed_in=FOUND),
    **{(method, "/api/profiles/builders/{builder.pk}"): API_EDITORS_ONLY for method in ("PATCH", "DELETE")},
    **{
        (method, url): API_HIDDEN
        for method in ("PATCH", "DELETE")
        for url in ("/api/profiles/builders/{hidden.pk}", "/api/profiles/clients/{client.pk}")
    },
    ("POST", "/api/webhooks/clerk"): same_for_everyone(BAD_REQUEST),  # the request is not signed
}
#: Unsupported methods return 405, unless the page must not be revealed to the audience.
NOT_ALLOWED_FOR_SIGNED_IN = access(signed_in=NOT_ALLOWED, signed_out=FOUND)
NOT_ALLOWED_FOR_EDITORS = access(signed_in=FORBIDDEN, signed_out=FOUND, owner=NOT_ALLOWED, admin=NOT_ALLOWED)
HIDDEN_NOT_ALLOWED = same_for_everyone(NOT_FOUND, owner=NOT_ALLOWED, admin=NOT_ALLOWED)
OTHERWISE: dict[str, Statuses] = {
    **{f"/builders/{{builder.slug}}/{page}/": NOT_ALLOWED_FOR_EDITORS for page in PORTFOLIO},
    **{f"/builders/{{hidden.slug}}/{page}/": HIDDEN_NOT_ALLOWED for page in PORTFOLIO},
    MISSING_IMAGE: same_for_everyone(NOT_ALLOWED),
    "/builders/{builder.slug}/availability/": NOT_ALLOWED_FOR_EDITORS,
    "/builders/{builder.slug}/preview/": NOT_ALLOWED_FOR_EDITORS,
    "/builders/{hidden.slug}/preview/": HIDDEN_NOT_ALLOWED,
    "/builders/{builder.slug}/history/": NOT_ALLOWED_FOR_EDITORS,
    "/builders/{builder.slug}/history/{version.pk}/restore/": NOT_ALLOWED_FOR_EDITORS,
    "/account/page/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/account/client/": access(signed_in=NOT_FOUND, signed_out=FOUND, owner=NOT_ALLOWED, client=NOT_ALLOWED),
    "/builders/{builder.slug}/contact/": access(signed_in=NOT_ALLOWED, signed_out=FOUND, owner=FORBIDDEN),
    "/builders/{hidden.slug}/contact/": same_for_everyone(NOT_FOUND, owner=FORBIDDEN, admin=FORBIDDEN),
    "/builders/{builder.slug}/edit/introduction/": NOT_ALLOWED_FOR_EDITORS,
    "/builders/{builder.slug}/delete/": NOT_ALLOWED_FOR_EDITORS,
    "/builders/{builder.slug}/publish/": access(signed_in=FORBIDDEN, signed_out=FOUND, owner=NOT_ALLOWED),
    **dict.fromkeys(
        (*ADMIN_PAGES, "/builders/{builder.slug}/feature/"),
        access(signed_in=FORBIDDEN, signed_out=FOUND, admin=NOT_ALLOWED),
    ),
    "/builders/{hidden.slug}/hide/": same_for_everyone(NOT_FOUND, owner=FORBIDDEN, admin=NOT_ALLOWED),
    "/welcome/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/welcome/preview/": NOT_ALLOWED_FOR_SIGNED_IN,
    **dict.fromkeys(
        ("/welcome/builder/", "/welcome/picture/", "/welcome/project/"),
        access(
            signed_in=FOUND, signed_out=FOUND, owner=NOT_ALLOWED, other_builder=NOT_ALLOWED, provisional=NOT_ALLOWED
        ),
    ),
    "/welcome/client/": access(
        signed_in=FOUND, signed_out=FOUND, owner=NOT_ALLOWED, client=NOT_ALLOWED, provisional=NOT_ALLOWED
    ),
    "/account/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/account/security/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/account/notifications/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/account/messages/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/account/messages/received/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/account/messages/{message.pk}/block/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/account/messages/{message.pk}/report/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/builders/{builder.slug}/report/": access(signed_in=NOT_ALLOWED, signed_out=FOUND, owner=FORBIDDEN),
    "/builders/{hidden.slug}/report/": same_for_everyone(NOT_FOUND, owner=FORBIDDEN, admin=FORBIDDEN),
    "/builders/{hidden.slug}/reviews/": same_for_everyone(NOT_FOUND, owner=NOT_ALLOWED, admin=FORBIDDEN),
    "/builders/{builder.slug}/organizations/": access(signed_in=FORBIDDEN, signed_out=FOUND, owner=NOT_ALLOWED),
    "/builders/{hidden.slug}/organizations/": same_for_everyone(NOT_FOUND, owner=NOT_ALLOWED, admin=FORBIDDEN),
    **{
        f"/builders/{{builder.slug}}/reviews/{page}": access(signed_in=FORBIDDEN, signed_out=FOUND, owner=NOT_ALLOWED)
        for page in ("", "{review.pk}/withdraw/", "{review.pk}/files/{review_file.pk}/")
    },
    "/account/shortlist/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/builders/{builder.slug}/save/": access(signed_in=NOT_ALLOWED, signed_out=FOUND, owner=FORBIDDEN),
    "/builders/{hidden.slug}/save/": same_for_everyone(NOT_FOUND, owner=FORBIDDEN, admin=FORBIDDEN),
    "/account/roles/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/account/delete/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/account/exports/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/account/agreement/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/account/roles/stop/builder/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/account/roles/stop/admin/": NOT_ALLOWED_FOR_SIGNED_IN,
    "/api/profiles/me": access(signed_in=NOT_ALLOWED, signed_out=UNAUTHORIZED),
    "/builders/{hidden.slug}/": HIDDEN_NOT_ALLOWED,
    "/builders/{hidden.slug}/work/{project.url_name}/": HIDDEN_NOT_ALLOWED,
    "/builders/{hidden.slug}/history/": HIDDEN_NOT_ALLOWED,
    "/builders/{hidden.slug}/edit/introduction/": HIDDEN_NOT_ALLOWED,
    "/builders/{hidden.slug}/delete/": HIDDEN_NOT_ALLOWED,
    "/api/profiles/builders/{hidden.pk}": HIDDEN_NOT_ALLOWED,
    "/api/profiles/clients/{client.pk}": HIDDEN_NOT_ALLOWED,
    "/clients/{client.pk}/edit/": HIDDEN_NOT_ALLOWED,
    "/builders/missing-page/": same_for_everyone(NOT_FOUND),
    "/api/nowhere": same_for_everyone(NOT_FOUND),
}
#: Django's admin views handle unknown methods like GET.
OTHER_METHODS_NOT_TESTED = {"/admin/"}
#: The URL above that tests each pattern. The test fails if a pattern is missing.
PATTERNS = {
    "": "/",
    "robots.txt": "/robots.txt",
    "sitemap.xml": "/sitemap.xml",
    ".well-known/security.txt": "/.well-known/security.txt",
    "sitemap-<bigint:number>.xml": "/sitemap-0.xml",
    "builders/": "/builders/",
    "builders/<str:slug>/": "/builders/{builder.slug}/",
    "sitemap-work-<bigint:number>.xml": "/sitemap-work-1.xml",
    "builders/<str:slug>/work/<project:pk>/": "/builders/{builder.slug}/work/{project.url_name}/",
    "builders/<str:slug>/work/<project:pk>/card.png": "/builders/{builder.slug}/work/{project.pk}/card.png",
    "builders/<str:slug>/card.png": "/builders/{builder.slug}/card.png",
    "builders/<str:slug>/card/": "/builders/{builder.slug}/card/",
    "builders/<str:slug>/contact.vcf": "/builders/{builder.slug}/contact.vcf",
    "builders/<str:slug>/contact/": "/builders/{builder.slug}/contact/",
    "builders/<str:slug>/preview/": "/builders/{builder.slug}/preview/",
    "builders/<str:slug>/edit/<slug:section>/": "/builders/{builder.slug}/edit/introduction/",
    "builders/<str:slug>/publish/": "/builders/{builder.slug}/publish/",
    "builders/<str:slug>/delete/": "/builders/{builder.slug}/delete/",
    "builders/<str:slug>/verify/": "/builders/{builder.slug}/verify/",
    "builders/<str:slug>/badges/": "/builders/{builder.slug}/badges/",
    "builders/<str:slug>/badges/<slug:kind>/": "/builders/{builder.slug}/badges/identity/",
    "builders/<str:slug>/record/": "/builders/{builder.slug}/record/",
    "builders/<str:slug>/feature/": "/builders/{builder.slug}/feature/",
    "builders/<str:slug>/hide/": "/builders/{builder.slug}/hide/",
    "welcome/": "/welcome/",
    "welcome/builder/": "/welcome/builder/",
    "welcome/picture/": "/welcome/picture/",
    "welcome/project/": "/welcome/project/",
    "welcome/client/": "/welcome/client/",
    "welcome/preview/": "/welcome/preview/",
    "account/roles/stop/<slug:role>/": "/account/roles/stop/builder/",
    "builders/<str:slug>/picture/": "/builders/{builder.slug}/picture/",
    "builders/<str:slug>/portfolio/new/": "/builders/{builder.slug}/portfolio/new/",
    "builders/<str:slug>/portfolio/order/": "/builders/{builder.slug}/portfolio/order/",
    "builders/<str:slug>/portfolio/<bigint:pk>/edit/": "/builders/{builder.slug}/portfolio/{project.pk}/edit/",
    "builders/<str:slug>/portfolio/<bigint:pk>/delete/": "/builders/{builder.slug}/portfolio/{project.pk}/delete/",
    "builders/<str:slug>/portfolio/<bigint:pk>/images/": "/builders/{builder.slug}/portfolio/{project.pk}/images/",
    "builders/<str:slug>/portfolio/<bigint:pk>/images/order/": "/builders/{builder.slug}/portfolio/{project.pk}/images/order/",
    "builders/<str:slug>/portfolio/<bigint:pk>/images/<bigint:image_pk>/": "/builders/{builder.slug}/portfolio/{project.pk}/images/{image.pk}/",
    "builders/<str:slug>/history/": "/builders/{builder.slug}/history/",
    "builders/<str:slug>/history/<bigint:pk>/restore/": "/builders/{builder.slug}/history/{version.pk}/restore/",
    "media/<image_name:name>": MISSING_IMAGE,
    "builders/<str:slug>/availability/": "/builders/{builder.slug}/availability/",
    "account/messages/": "/account/messages/",
    "account/messages/received/": "/account/messages/received/",
    "account/messages/<bigint:pk>/block/": "/account/messages/{message.pk}/block/",
    "account/messages/<bigint:pk>/report/": "/account/messages/{message.pk}/report/",
    "builders/<str:slug>/report/": "/builders/{builder.slug}/report/",
    "builders/<str:slug>/reviews/": "/builders/{builder.slug}/reviews/",
    "builders/<str:slug>/reviews/<bigint:pk>/withdraw/": "/builders/{builder.slug}/reviews/{review.pk}/withdraw/",
    "builders/<str:slug>/reviews/<bigint:pk>/files/<bigint:file_pk>/": "/builders/{builder.slug}/reviews/{review.pk}/files/{review_file.pk}/",
    "builders/<str:slug>/organizations/": "/builders/{builder.slug}/organizations/",
    "teams/<str:key>/": "/teams/{team}/",
    "account/shortlist/": "/account/shortlist/",
    "builders/<str:slug>/save/": "/builders/{builder.slug}/save/",
    "account/page/": "/account/page/",
    "account/client/": "/account/client/",
    "clients/<bigint:pk>/edit/": "/clients/{client.pk}/edit/",
    "sign-in/": "/sign-in/",
    "sign-up/": "/sign-up/",
    "sign-up/complete/": "/sign-up/complete/",
    "<document:document>/": "/terms/",
    "<document:document>/<version:version>/": "/terms/1/",
    "account/agreement/": "/account/agreement/",
    "sign-out/": "/sign-out/",
    "language/": "/language/",
    "account/": "/account/",
    "account/exports/<uuid:public_id>/": "/account/exports/{export}/",
    "account/security/": "/account/security/",
    "account/notifications/": "/account/notifications/",
    "account/notifications/unsubscribe/<str:token>/": "/account/notifications/unsubscribe/{token}/",
    "account/roles/": "/account/roles/",
    "account/delete/": "/account/delete/",
    "account/exports/": "/account/exports/",
    "api/profiles/me": "/api/profiles/me",
    "api/profiles/builders": "/api/profiles/builders",
    "api/profiles/builders/<bigint:pk>": "/api/profiles/builders/{builder.pk}",
    "api/profiles/clients/<bigint:pk>": "/api/profiles/clients/{client.pk}",
    "api/openapi.json": "/api/openapi.json",
    "api/docs/": "/api/docs/",
    "api/<path:rest>": "/api/nowhere",
    "^api/webhooks/clerk/?$": "/api/webhooks/clerk",
    "admin/": "/admin/",
    "healthz": "/healthz",
    "readyz": "/readyz",
    "metrics": "/metrics",
    "<slug:group>/": "/local/components/builder/",
}


@pytest.fixture(scope="module")
def objects(module_rows: None) -> dict[str, Any]:
    """Return the objects in the URLs, which all belong to the owner."""
    owner = UserFactory.create(builder=True, client=True, confirmed=True)
    builder = BuilderProfileFactory.create(user=owner)
    export = DataExport.objects.create(user=owner, ready_at=SINCE, expires_at="2100-01-01T00:00:00Z", archive=b"zip")
    image = ProjectImageFactory.create(project__builder=builder)
    client = ClientProfileFactory.create(user=owner)
    before = {"display_name": "", "headline": "Before", "tagline": ""}
    version = SectionVersion.objects.create(owner=owner, section="introduction", values=before)
    found = {"builder": builder, "client": client, "export": export.public_id, "project": image.project, "image": image}
    message = ContactMessage.objects.create(builder=builder, sender=UserFactory.create(), subject="A shop", body="Now")
    token = unsubscribe_url(owner, MESSAGE_RECEIVED).rstrip("/").rpartition("/")[2]
    review = ReviewRequest.objects.create(builder=builder, badge="code")
    file = review.files.create(name="cv.pdf", kind="application/pdf", size=5, content=b"%PDF-")
    team = Organization.objects.create(clerk_id="org_1", name="Harbor", slug="harbor", clerk_version="1")
    OrganizationMembership.objects.create(clerk_id="orgmem_1", organization=team, user=owner, shown_at=SINCE)
    found |= {"version": version, "message": message, "token": token, "team": team.slug}
    return {**found, "review": review, "review_file": file}


@pytest.fixture(scope="module")
def browsers(objects: dict[str, Any]) -> list[Client]:
    """Return one browser per audience."""
    return [create_browser(audience, objects["builder"].user) for audience in AUDIENCES]


def fill_in(objects: dict[str, Any], url: str) -> str:
    """Return `url` with the objects' values. If the URL is for a hidden page, hide the owner's page for this test."""
    builder: BuilderProfile = objects["builder"]
    if "{hidden" in url:
        BuilderProfile.objects.filter(pk=builder.pk).update(hidden_at=SINCE)
    return url.format(**objects, hidden=builder)


def create_browser(audience: str, owner: User) -> Client:
    """Return a browser with the session token of an audience, or with a password session for the superuser."""
    if audience == "superuser":
        browser = with_password()
    elif audience == "anonymous":
        browser = Client()
    else:
        return with_token(mint(_clerk_id(audience, owner), lifetime_s=TOKEN_LIFETIME_S))
    browser.cookies["__clerk_db_jwt"] = "dvb_any"
    return browser


def _clerk_id(audience: str, owner: User) -> str:
    if audience == "provisional":
        return "user_2neverheardof"
    user = owner if audience == "owner" else _create_user(audience)
    if audience == "ended_session":
        EndedSession.objects.create(
            session_id=f"sess_{str(user.clerk_id)[5:]}", clerk_id=str(user.clerk_id), ended_at=SINCE
        )
    return str(user.clerk_id)


def _create_user(audience: str) -> User:
    if audience == "other_builder":
        builder: BuilderProfile = BuilderProfileFactory.create()
        return builder.user
    if audience == "client":
        client: ClientProfile = ClientProfileFactory.create()
        return client.user
    traits = {audience: True} if audience in ("admin", "banned", "deleted") else {}
    return UserFactory.create(**traits)


def request_status(browser: Client, method: str, url: str) -> int:
    # Request a fragment instead of a page, so that the request is not redirected to Clerk.
    return int(browser.generic(method, url, headers={"sec-fetch-dest": "empty"}).status_code)


def statuses(browsers: list[Client], objects: dict[str, Any], url: str, method: str) -> Statuses:
    """Return the status of each audience. Every request starts from the same database state."""
    found, path = [], fill_in(objects, url)
    for browser in browsers:
        with transaction.atomic():
            found.append(request_status(copy_of(browser), method, path))
            transaction.set_rollback(True)
    return Statuses(*found)


def copy_of(browser: Client) -> Client:
    """Return a copy of the browser, because a response may change its cookies. The copy uses the same middleware."""
    copy = Client()
    copy.handler = browser.handler
    copy.cookies.load({name: cookie.value for name, cookie in browser.cookies.items()})
    return copy


@pytest.mark.parametrize("url", READ)
def test_get_and_head(browsers: list[Client], objects: dict[str, Any], url: str) -> None:
    assert statuses(browsers, objects, url, "GET") == READ[url]
    assert statuses(browsers, objects, url, "HEAD") == READ[url]


@pytest.mark.parametrize("url", [url for url in READ if url not in OTHER_METHODS_NOT_TESTED])
@pytest.mark.parametrize("method", ("PUT", "PATCH", "DELETE", "POST"))
def test_other_methods(browsers: list[Client], objects: dict[str, Any], url: str, method: str) -> None:
    expected = WRITE.get((method, url)) or OTHERWISE.get(url, same_for_everyone(NOT_ALLOWED))
    assert statuses(browsers, objects, url, method) == expected


def test_every_url_is_in_the_matrix() -> None:
    assert set(patterns(get_resolver("config.urls"))) == set(PATTERNS)
    assert set(PATTERNS.values()) <= set(READ)


def patterns(resolver: URLResolver) -> Iterator[str]:
    """Yield every URL pattern. The admin is a single pattern."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern) or str(entry.pattern) == "admin/":
            yield str(entry.pattern)
        else:
            yield from patterns(entry)
