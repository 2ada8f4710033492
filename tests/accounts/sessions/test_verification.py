"""Serious actions in the admin need a recent verification with Clerk, or a recent sign-in with a password."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import PreservedForm, Reconciliation, User
from audit.models import AuditLog
from tests.helpers.clients import with_password, with_token
from tests.helpers.factories import UserFactory
from tests.helpers.tokens import mint
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db
REASON = "Asked for it & <b>signed</b>"
#: The value of `fva` for a session whose first factor was verified ten minutes ago.
OLD = [10, -1]


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(name="Adam", admin=True)
    adam.user_permissions.add(Permission.objects.get(codename="reveal_payload"))
    return adam


@pytest.fixture
def olive() -> User:
    olive: User = UserFactory.create(name="Olive", client=True)
    return olive


def browser_of(user: User, fva: Any, **claims: Any) -> Client:
    """Return a client whose session token has this `fva` claim."""
    return with_token(mint(str(user.clerk_id), fva=fva, **claims))


def verify_page(path: str, parameters: str = "?draft=1") -> str:
    return f"/admin/verify/?next={quote(path + parameters, safe='')}"


@pytest.mark.parametrize("fva", ([0, -1], [9, -1], [99999, 0], [99999, 9]))
def test_recent_verification_is_accepted(adam: User, olive: User, fva: list[int]) -> None:
    data = {"ADMIN": "add", "reason": REASON}
    browser_of(adam, fva).post(f"/admin/accounts/user/{olive.pk}/roles/", data)
    olive.refresh_from_db()
    assert "ADMIN" in olive.roles


NOT_RECENT: tuple[Any, ...] = (
    *(OLD, [99999, -1], [-1, -1], [0, 10], [0, 99999], [-2, -1], None, [], [0], ["0", "-1"], [0, -1, 0], "0", {}, 0),
    [0.5, -1],
)


@pytest.mark.parametrize("fva", NOT_RECENT)
def test_other_verifications_lead_to_the_verification_page(adam: User, olive: User, fva: Any) -> None:
    path = f"/admin/accounts/user/{olive.pk}/roles/"
    response = browser_of(adam, fva).post(path, {"ADMIN": "add", "reason": REASON})
    assert (response.status_code, response["Location"]) == (302, verify_page(path))
    olive.refresh_from_db()
    assert olive.roles == ["CLIENT"]
    assert not AuditLog.objects.exists()


def test_impersonated_session_is_never_verified(adam: User, olive: User) -> None:
    browser = browser_of(adam, [0, -1], act={"sub": "user_2support"})
    response = browser.post(f"/admin/accounts/user/{olive.pk}/roles/", {"ADMIN": "add", "reason": REASON})
    assert "/admin/verify/" in response["Location"]
    page = browser.get(response["Location"]).content.decode()
    assert "You cannot verify while you are signed in as another user." in page
    assert "clerk-verification.js" not in page


def test_other_roles_need_no_verification(adam: User, olive: User) -> None:
    browser_of(adam, OLD).post(f"/admin/accounts/user/{olive.pk}/roles/", {"BUILDER": "add", "reason": REASON})
    olive.refresh_from_db()
    assert "BUILDER" in olive.roles


def test_form_is_filled_in_again_after_the_verification(adam: User, olive: User) -> None:
    path = f"/admin/accounts/user/{olive.pk}/roles/"
    browser_of(adam, OLD).post(path, {"ADMIN": "add", "reason": REASON})
    page = browser_of(adam, [0, -1]).get(f"{path}?draft=1").content.decode()
    assert "Nothing has been changed yet." in page
    assert 'value="Asked for it &amp; &lt;b&gt;signed&lt;/b&gt;"' in page
    assert '<option value="add" selected>' in page
    other = UserFactory.create(admin=True)
    assert "Asked for it" not in browser_of(other, [0, -1]).get(f"{path}?draft=1").content.decode()
    with time_machine.travel(timezone.now() + timedelta(hours=1), tick=False):
        assert "Asked for it" not in browser_of(adam, [0, -1]).get(f"{path}?draft=1").content.decode()


def test_several_users_cannot_become_admins_at_once(adam: User, olive: User) -> None:
    form = {"action": "change_roles", "_selected_action": [olive.pk], "confirmed": "1", "reason": REASON}
    page = browser_of(adam, [0, -1]).post("/admin/accounts/user/", form | {"ADMIN": "add"}).content.decode()
    assert "Give this role on the user’s page." in page
    olive.refresh_from_db()
    assert olive.roles == ["CLIENT"]


class TestProtectedActions:
    """Each action does nothing without a recent verification, and shows the form again afterwards."""

    def test_payload_is_revealed_only_after_verification(self, adam: User) -> None:
        now = timezone.now()
        event = WebhookEvent.objects.create(
            svix_id="msg_1",
            event_type="user.created",
            payload='{"data": {"first_name": "Zofia"}}',
            state="processed",
            received_at=now,
            last_delivery_at=now,
            processed_at=now,
        )
        path = f"/admin/webhooks/webhookevent/{event.pk}"
        response = browser_of(adam, OLD).post(f"{path}/reveal/", {"reason": REASON})
        assert response["Location"] == verify_page(f"{path}/change/")
        assert not AuditLog.objects.exists()
        page = browser_of(adam, [0, -1]).get(f"{path}/change/?draft=1").content.decode()
        assert "Asked for it &amp;" in page
        assert "Zofia" not in page
        assert "Zofia" in browser_of(adam, [0, -1]).post(f"{path}/reveal/", {"reason": REASON}).content.decode()

    def test_audit_log_is_exported_only_after_verification(self, adam: User) -> None:
        path, query = "/admin/audit/auditlog/", "?action__exact=ROLE_ADDED"
        response = browser_of(adam, OLD).post(f"{path}export/{query}", {"format": "csv"})
        assert response["Location"] == verify_page(path, query)
        assert not AuditLog.objects.exists()
        response = browser_of(adam, [0, -1]).post(f"{path}export/{query}", {"format": "csv"})
        assert response["Content-Type"].startswith("text/csv")

    def test_mass_deletion_is_approved_only_after_verification(self, adam: User, olive: User) -> None:
        now = timezone.now()
        run = Reconciliation.objects.create(
            kind="full",
            state="finished",
            started_at=now,
            finished_at=now,
            compared=1,
            skipped_deletions=1,
            unlisted_ids=[olive.clerk_id],
        )
        path = f"/admin/accounts/reconciliation/{run.pk}"
        response = browser_of(adam, OLD).post(f"{path}/approve/", {"count": "1", "reason": REASON})
        assert response["Location"] == verify_page(f"{path}/change/")
        run.refresh_from_db()
        assert run.deletions_approved_at is None
        page = browser_of(adam, [0, -1]).get(f"{path}/change/?draft=1").content.decode()
        assert "Asked for it &amp; &lt;b&gt;" in page
        browser_of(adam, [0, -1]).post(f"{path}/approve/", {"count": "1", "reason": REASON})
        run.refresh_from_db()
        assert run.deletions_approved_at


class TestVerificationPage:
    def test_page_loads_clerks_form_and_offers_to_sign_in_again(self, adam: User) -> None:
        page = browser_of(adam, OLD).get(verify_page("/admin/audit/auditlog/", "")).content.decode()
        assert 'data-verification="/admin/audit/auditlog/"' in page
        assert "clerk-verification.js" in page
        assert "clerk-session.js" not in page
        assert 'name="next" value="/admin/audit/auditlog/"' in page

    def test_verified_admin_returns_immediately(self, adam: User) -> None:
        response = browser_of(adam, [0, -1]).get(verify_page("/admin/audit/auditlog/", ""))
        assert response["Location"] == "/admin/audit/auditlog/"

    @pytest.mark.parametrize("target", ("", "https://evil.example/", "//evil.example", "javascript:alert(1)"))
    def test_target_on_another_site_is_replaced(self, adam: User, target: str) -> None:
        response = browser_of(adam, [0, -1]).get("/admin/verify/", {"next": target})
        assert response["Location"] == "/admin/"

    def test_admin_who_lost_the_role_cannot_open_the_page(self, adam: User) -> None:
        User.objects.filter(pk=adam.pk).update(roles=[])
        assert "/admin/login/" in browser_of(adam, OLD).get("/admin/verify/")["Location"]


class TestLocalOperators:
    """Operators without a Clerk account are verified by signing in with their password."""

    @pytest.fixture
    def give_admin(self, olive: User) -> Callable[[Client], Any]:
        data = {"ADMIN": "add", "reason": REASON}
        return lambda browser: browser.post(f"/admin/accounts/user/{olive.pk}/roles/", data)

    def test_recent_sign_in_is_accepted(self, give_admin: Callable[[Client], Any], olive: User) -> None:
        give_admin(with_password())
        olive.refresh_from_db()
        assert "ADMIN" in olive.roles

    def test_older_sign_in_leads_to_signing_in_again(self, give_admin: Callable[[Client], Any], olive: User) -> None:
        browser, path = with_password(), f"/admin/accounts/user/{olive.pk}/roles/"
        with time_machine.travel(time.time() + 600, tick=False):
            response = give_admin(browser)
            assert response["Location"] == verify_page(path)
            page = browser.get(response["Location"]).content.decode()
            assert "clerk-verification.js" not in page
            response = browser.post("/admin/logout/", {"next": f"{path}?draft=1"})
            assert response["Location"] == f"{path}?draft=1"
            operator = User.objects.get(is_superuser=True)
            browser.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
            assert "Asked for it" in browser.get(f"{path}?draft=1").content.decode()
            give_admin(browser)
        olive.refresh_from_db()
        assert "ADMIN" in olive.roles

    def test_session_from_before_the_update_is_not_verified(
        self, give_admin: Callable[[Client], Any], olive: User
    ) -> None:
        browser = with_password()
        session = browser.session
        del session["signed_in_at"]
        session.save()
        assert "/admin/verify/" in give_admin(browser)["Location"]


def test_preserved_form_is_erased_with_the_admin(adam: User, olive: User) -> None:
    browser_of(adam, OLD).post(f"/admin/accounts/user/{olive.pk}/roles/", {"ADMIN": "add", "reason": REASON})
    assert PreservedForm.objects.get().clerk_id == adam.clerk_id
