"""Account deletion, data exports and erasure of personal data."""

import io
import json
import types
import zipfile
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts import tasks
from accounts.clerk import api
from accounts.clerk.api import ClerkApiError
from accounts.models import AdminGrant, DataExport, EndedSession, IdentityConflict, PreservedForm, User, UserNote
from accounts.privacy import deletion, erasure, exports
from accounts.privacy.deletion import DeletionError
from accounts.sessions import preserved_forms
from audit.log import Actor
from audit.models import AuditLog
from core import personal_data
from core.personal_data import PersonalData
from profiles.editing import services as editing
from profiles.models import Badge, BuilderProfile, ClientProfile, ContactMessage, FormerSlug, Project, ProjectImage
from profiles.moderation import services as moderation
from tests.audit.test_log import is_digest_valid
from tests.helpers.clerk import FakeClerk
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, ProjectImageFactory, UserFactory
from tests.helpers.webhooks import WebhookClient, person
from tests.test_personal_data import NOT_PERSONAL
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db

REQUEST = Actor(AuditLog.Source.REQUEST, ip_address="203.0.113.77", user_agent="Zofiafox/1.0")
NOW = timezone.now()
GONE = httpx.Response(200, json={"object": "user", "deleted": True})
#: Texts that must not remain in any table after the erasure.
PERSONAL = (
    *("zofia", "łęcka", "secretfirm", "203.0.113.77", "zofiafox", "unheard-of headline", "+48600"),
    *("beekeeping", "białowieża", "ateliermaps", "recently at zofias", "dear nemo", "what zofia showed us"),
)


@pytest.fixture
def zofia(webhook: WebhookClient) -> User:
    """Return a user with both profiles and a history."""
    someone = person(
        first_name="Zofia", last_name="Łęcka", username="zofia", email="zofia@example.com", roles=["BUILDER", "CLIENT"]
    )
    webhook.created(someone)
    webhook.updated(someone.with_changes(email="zofia.lecka@example.com"))
    user: User = User.objects.get()
    builder, client = BuilderProfile.objects.get(), ClientProfile.objects.get()
    new = {"headline": "Unheard-of headline", "hourly_rate": Decimal(90)}
    editing.save(builder, new, actor=REQUEST.with_user(user))
    editing.save(client, {"company_name": "Secretfirm"}, actor=REQUEST.with_user(user))
    PreservedForm.objects.create(clerk_id=str(user.clerk_id), path="/x/", fields="name=Zofia", saved_at=timezone.now())
    EndedSession.objects.create(session_id="sess_1", clerk_id=str(user.clerk_id), ended_at=timezone.now())
    return user


@pytest.fixture
def full_zofia(zofia: User) -> User:
    """Return Zofia with a value in every text column and a row in every builder-related table."""
    builder = BuilderProfile.objects.get()
    BuilderProfile.objects.update(
        **dict.fromkeys(("tagline", "bio", "validation_evidence", "hidden_reason"), "What Zofia showed us"),
        **{column: ["Beekeeping"] for column in ("skills", "expertise")},
        location="Białowieża",
        links=["https://zofia.example/"],
    )
    ClientProfile.objects.update(industry="Beekeeping", project_preferences="Beekeeping")
    project = Project.objects.create(builder=builder, title="Ateliermaps", description="Beekeeping")
    ProjectImageFactory.create(project=project, alt="Zofia at work")
    adam = UserFactory.create(admin=True, name="Adam")
    Badge.objects.create(builder=builder, kind="code", evidence="What Zofia showed us", awarded_by=adam)
    FormerSlug.objects.create(builder=builder, slug="zofia-before")
    AdminGrant.objects.create(user=zofia, requested_by=adam, reason="What Zofia showed us")
    UserNote.objects.create(user=zofia, author=adam, text="What Zofia showed us")
    ContactMessage.objects.create(builder=builder, sender=adam, subject="Dear Zofia", body="I was recently at Zofias")
    nemo = BuilderProfileFactory.create(user__name="Nemo")
    ContactMessage.objects.create(builder=nemo, sender=zofia, subject="Dear Nemo", body="Zofia here", mailed_at=NOW)
    return zofia


def travel_by(delta: timedelta) -> Any:
    return time_machine.travel(timezone.now() + delta, tick=False)


def actions(user: User) -> list[str]:
    return list(AuditLog.objects.about(user.pk).order_by("id").values_list("action", flat=True))


class TestDeletion:
    def test_account_is_deleted_at_clerk_after_the_cooling_off_period(self, fake: FakeClerk, zofia: User) -> None:
        fake.respond_with(GONE)
        deletion.request_deletion(zofia, actor=REQUEST.with_user(zofia))
        tasks.delete_due_accounts(0)
        assert fake.requests == []
        with travel_by(deletion.COOLING_OFF):
            tasks.delete_due_accounts(0)
            tasks.delete_due_accounts(0)
        [request] = fake.requests
        assert (request.method, request.url.path) == ("DELETE", f"/v1/users/{zofia.clerk_id}")
        zofia.refresh_from_db()
        assert zofia.deleted_at
        assert not BuilderProfile.objects.published().exists()
        assert actions(zofia)[-2:] == ["DELETION_REQUESTED", "USER_DELETED"]

    def test_event_of_our_own_deletion_is_stale(self, fake: FakeClerk, webhook: WebhookClient, zofia: User) -> None:
        fake.respond_with(GONE)
        deletion.request_deletion(zofia, actor=REQUEST.with_user(zofia))
        with travel_by(deletion.COOLING_OFF):
            deletion.delete_due()
        assert webhook.deleted(person(clerk_id=zofia.clerk_id)) == "stale"
        assert actions(zofia).count("USER_DELETED") == 1

    def test_event_may_arrive_before_the_response(self, fake: FakeClerk, webhook: WebhookClient, zofia: User) -> None:
        def handler(request: httpx.Request) -> httpx.Response:
            assert webhook.deleted(person(clerk_id=zofia.clerk_id)) == "processed"
            return GONE

        fake.handler = handler
        deletion.request_deletion(zofia, actor=REQUEST.with_user(zofia))
        with travel_by(deletion.COOLING_OFF):
            assert deletion.delete_due() == 1
        assert actions(zofia).count("USER_DELETED") == 1

    def test_deletion_can_be_cancelled(self, fake: FakeClerk, zofia: User) -> None:
        deletion.request_deletion(zofia, actor=REQUEST.with_user(zofia))
        deletion.cancel_deletion(zofia, actor=REQUEST.with_user(zofia))
        deletion.cancel_deletion(zofia, actor=REQUEST.with_user(zofia))
        with travel_by(deletion.COOLING_OFF):
            assert deletion.delete_due() == 0
        assert (fake.requests, actions(zofia)[-1]) == ([], "DELETION_CANCELLED")

    def test_second_request_keeps_the_first_date(self, zofia: User) -> None:
        first = deletion.request_deletion(zofia, actor=REQUEST.with_user(zofia)).deletion_due_at
        with travel_by(timedelta(days=3)):
            assert deletion.request_deletion(zofia, actor=REQUEST.with_user(zofia)).deletion_due_at == first
        assert actions(zofia).count("DELETION_REQUESTED") == 1

    @pytest.mark.parametrize("facts", ({"superuser": True}, {"deleted": True}))
    def test_account_without_a_clerk_identity_cannot_be_deleted(self, facts: dict[str, bool]) -> None:
        user = UserFactory.create(**facts)
        with pytest.raises(DeletionError, match="has no account in Clerk"):
            deletion.request_deletion(user, actor=REQUEST.with_user(user))

    def test_failed_deletion_does_not_stop_others_and_is_retried(self, fake: FakeClerk, zofia: User) -> None:
        other = UserFactory.create()
        for user in (zofia, other):
            deletion.request_deletion(user, actor=REQUEST.with_user(user))
        stubborn = f"/v1/users/{zofia.clerk_id}"
        fake.handler = lambda r: httpx.Response(409, json={"errors": []}) if r.url.path == stubborn else GONE
        with travel_by(deletion.COOLING_OFF):
            assert deletion.delete_due() == 1
            assert User.objects.live().get() == zofia
            fake.respond_with(httpx.Response(404))
            assert deletion.delete_due() == 1


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    """Store media in a temporary folder."""
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def add_images() -> tuple[str, str]:
    """Add a portrait and a project image, and return their storage names."""
    portrait = default_storage.save("portraits/zofia.webp", ContentFile(b"her face"))
    work = default_storage.save("projects/zofia.webp", ContentFile(b"her work"))
    BuilderProfile.objects.filter(user__name__startswith="Zofia").update(image=portrait)
    ProjectImage.objects.update(image=work)
    return portrait, work


class TestExport:
    def build(self, user: User) -> DataExport:
        exports.request_export(user, actor=REQUEST.with_user(user))
        job = ProcrastinateJob.objects.get(task_name="accounts.privacy.exports.build_data_export")
        exports.build_data_export(**job.args)
        return DataExport.objects.get()

    def read(self, archive: bytes) -> dict[str, Any]:
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            assert zipped.testzip() is None
            return {name: zipped.read(name) for name in zipped.namelist()}

    def test_export_contains_all_data(self, zofia: User) -> None:
        browser = signed_in(zofia)
        export = self.build(zofia)
        answer = browser.get(f"/account/exports/{export.public_id}/")
        assert (answer["Content-Type"], answer["Cache-Control"]) == (
            "application/zip",
            "max-age=0, no-cache, no-store, must-revalidate, private",
        )
        found = self.read(answer.content)
        text = b"".join(found.values()).decode().casefold()
        for fact in ("zofia.lecka@example.com", "łęcka", "unheard-of headline", "secretfirm", "zofiafox", "sess_1"):
            assert fact in text, fact
        assert json.loads(found["profiles.json"])["builder_profile"][0]["hourly_rate"] == "90.00"
        assert len(json.loads(found["webhooks.json"])["events"]) == 2
        for internal in ('"password"', "salt", "digest", "svix-signature", "fingerprint"):
            assert internal not in text, internal

    def test_export_contains_portfolio_badges_slugs_and_messages(self, full_zofia: User) -> None:
        found = json.loads(self.read(exports.build_archive(full_zofia))["profiles.json"])
        assert found["portfolio"][0]["title"] == "Ateliermaps"
        assert found["portfolio_images"][0]["alt"] == "Zofia at work"
        assert found["former_slugs"][0]["slug"] == "zofia-before"
        assert found["messages_sent"][0]["body"] == "Zofia here"
        [badge], [received] = found["badges"], found["messages_received"]
        assert badge["evidence"] == "What Zofia showed us"
        assert received["body"] == "I was recently at Zofias"
        assert "awarded_by_id" not in badge
        assert "sender_id" not in received

    def test_export_contains_portrait_and_project_images(self, full_zofia: User, media: Path) -> None:
        add_images()
        found = self.read(exports.build_archive(full_zofia))
        pictures = {name: content for name, content in found.items() if name.startswith("images/")}
        work = ProjectImage.objects.get()
        names = ("images/portrait.webp", f"images/project-{work.project_id}-{work.pk}.webp")
        assert pictures == dict(zip(names, (b"her face", b"her work"), strict=True))

    def test_export_contains_files_of_every_app(self, zofia: User, monkeypatch: pytest.MonkeyPatch) -> None:
        gallery = types.ModuleType("gallery.personal_data")
        vars(gallery)["export"] = lambda user: PersonalData({}, {"portrait.webp": b"RIFF"})
        monkeypatch.setattr(personal_data, "modules", dict(personal_data.modules))
        personal_data.register(gallery)
        assert self.read(exports.build_archive(zofia))["images/portrait.webp"] == b"RIFF"

    def test_export_contains_no_data_of_other_users(self, webhook: WebhookClient, zofia: User) -> None:
        other = person(first_name="Nemo", email="nemo@example.com")
        webhook.created(other)
        assert b"nemo" not in b"".join(self.read(exports.build_archive(zofia)).values()).lower()

    def test_export_identifies_admins_only_by_their_role(self, zofia: User) -> None:
        adam = UserFactory.create(admin=True, name="Adam Admin", email="adam@example.com")
        by_adam = Actor(AuditLog.Source.REQUEST, ip_address="198.51.100.7", user_agent="Adamfox/1.0")
        impersonated = replace(REQUEST, impersonator="user_adam", ip_address="198.51.100.8", user_agent="Adamfox/2.0")
        builder = BuilderProfile.objects.get(user=zofia)
        moderation.hide(builder, "Broken links.", actor=by_adam.with_user(adam))
        editing.save(builder, {"tagline": "By our support team"}, actor=impersonated.with_user(zofia))
        text = b"".join(self.read(exports.build_archive(zofia)).values()).decode()
        for secret in ("Adam", "198.51.100", "user_adam", f'"actor_id": {adam.pk}'):
            assert secret not in text, secret
        rows = json.loads(self.read(exports.build_archive(zofia))["audit.json"])["log"]
        hidden = next(row for row in rows if "hidden_at" in row["changed_fields"])
        assert (hidden["actor"], hidden["details"]["hidden_reason"]) == ("an administrator", ["", "Broken links."])
        own = next(row for row in rows if row["changed_fields"] == ["headline", "hourly_rate"])
        assert (own["actor"], own["ip_address"], own["user_agent"]) == ("you", "203.0.113.77", "Zofiafox/1.0")

    def test_export_of_an_admin_contains_no_data_of_other_users(self, zofia: User) -> None:
        adam = UserFactory.create(admin=True, name="Adam Admin")
        builder = BuilderProfile.objects.get(user=zofia)
        editing.save(builder, {"headline": "Zofia's new headline"}, actor=REQUEST.with_user(adam))
        [row] = json.loads(self.read(exports.build_archive(adam))["audit.json"])["log"]
        assert row["changed_fields"] == ["headline"]
        assert (row["actor"], row["target"], row["target_label"], row["details"]) == (
            "you",
            "profiles.builderprofile",
            None,
            None,
        )

    def test_export_does_not_reveal_that_another_account_has_the_email(self, webhook: WebhookClient) -> None:
        UserFactory.create(clerk_id=None, email="shared@example.com", name="Nemo Elder")
        newcomer = person(email="shared@example.com", email_verified=False)
        webhook.created(newcomer)
        user, [conflict] = User.objects.get(clerk_id=newcomer.clerk_id), IdentityConflict.objects.all()
        found = self.read(exports.build_archive(user))
        text = b"".join(found.values()).decode()
        assert "CONFLICT_OPENED" not in text
        assert "Nemo" not in text
        assert json.loads(found["accounts.json"])["joined_accounts"] == []
        adam = UserFactory.create(admin=True)
        for state in ("kept", "linked"):
            IdentityConflict.objects.update(state=state, resolved_at=NOW, resolved_by=adam, note="Same phone as Nemo")
            joined = json.loads(self.read(exports.build_archive(user))["accounts.json"])["joined_accounts"]
            assert [sorted(row) for row in joined] == [["email", "opened_at", "resolved_at", "state"]] * (
                state == "linked"
            )
        assert conflict.user == user

    def test_export_of_events_contains_no_other_people(self, webhook: WebhookClient, zofia: User) -> None:
        data = {"id": "sess_2", "user_id": zofia.clerk_id, "status": "ended", "actor": {"sub": "user_adam"}}
        attributes = {"http_request": {"client_ip": "198.51.100.7", "user_agent": "Adamfox/1.0"}}
        common = {"clerk_user_id": zofia.clerk_id, "state": "processed", "received_at": NOW, "last_delivery_at": NOW}
        common |= {"processed_at": NOW, "secret_fingerprint": "x"}
        for number, (kind, body) in enumerate(
            {
                "session.ended": {"data": data, "event_attributes": attributes},
                "user.updated": {"data": {"id": zofia.clerk_id}, "event_attributes": attributes},
                "organizationInvitation.created": {"data": {"user_id": zofia.clerk_id, "email": "nemo@example.com"}},
                "user.deleted": [],
            }.items()
        ):
            WebhookEvent.objects.create(svix_id=f"msg_x{number}", event_type=kind, payload=json.dumps(body), **common)
        text = self.read(exports.build_archive(zofia))["webhooks.json"].decode()
        for secret in ("user_adam", "198.51.100.7", "Adamfox", "nemo@example.com"):
            assert secret not in text, secret
        assert "impersonated_by" in text

    def test_recipient_of_a_message_is_named_by_its_public_page(self, full_zofia: User) -> None:
        [sent] = json.loads(self.read(exports.build_archive(full_zofia))["profiles.json"])["messages_sent"]
        slug = ContactMessage.objects.get(sender=full_zofia).builder.slug
        assert (sent["recipient"], sent.get("builder_id")) == (slug, None)

    def test_second_request_returns_the_first_export(self, zofia: User) -> None:
        first = exports.request_export(zofia, actor=REQUEST.with_user(zofia))
        assert exports.request_export(zofia, actor=REQUEST.with_user(zofia)) == first
        assert ProcrastinateJob.objects.filter(task_name="accounts.privacy.exports.build_data_export").count() == 1

    def test_repeated_job_builds_the_export_once(self, zofia: User) -> None:
        export = self.build(zofia)
        exports.build_export(export.pk)
        assert actions(zofia).count("DATA_EXPORTED") == 1

    def test_only_the_owner_can_download_the_export_until_it_expires(self, zofia: User) -> None:
        export = self.build(zofia)
        path = f"/account/exports/{export.public_id}/"
        assert signed_in(UserFactory.create(admin=True)).get(path).status_code == 404
        with travel_by(exports.LIFETIME):
            assert signed_in(zofia).get(path).status_code == 404
            tasks.erase_deleted_users(0)
        assert not DataExport.objects.exists()

    def test_admin_does_not_load_archives(self, zofia: User) -> None:
        export, admin = self.build(zofia), signed_in(UserFactory.create(admin=True))
        for page in ("", f"{export.pk}/change/"):
            with CaptureQueriesContext(connection) as asked:
                assert admin.get(f"/admin/accounts/dataexport/{page}").status_code == 200
            assert not [query["sql"] for query in asked.captured_queries if '"archive"' in query["sql"]]

    def test_unfinished_export_cannot_be_downloaded(self, zofia: User) -> None:
        export = exports.request_export(zofia, actor=REQUEST.with_user(zofia))
        assert signed_in(zofia).get(f"/account/exports/{export.public_id}/").status_code == 404


class TestErasure:
    def delete_and_erase(self, webhook: WebhookClient, user: User) -> None:
        assert webhook.deleted(person(clerk_id=user.clerk_id)) == "processed"
        with travel_by(erasure.RETENTION + timedelta(days=1)):
            tasks.erase_deleted_users(0)

    def test_no_table_contains_personal_data_afterwards(self, webhook: WebhookClient, full_zofia: User) -> None:
        TestExport().build(full_zofia)
        adam = UserFactory.create(admin=True, name="Adam")
        editing.save(BuilderProfile.objects.get(user=full_zofia), {"validation_tier": 2}, actor=Actor(user=adam))
        # Zofia also changed another user's profile.
        other = BuilderProfileFactory.create(user=UserFactory.create(name="Mona", builder=True))
        editing.save(other, {"headline": "Mona's own"}, actor=REQUEST.with_user(full_zofia))
        assert remaining_personal_data() >= set(PERSONAL) - {"+48600"}, "the search would find nothing"
        self.delete_and_erase(webhook, full_zofia)
        assert remaining_personal_data() == set()
        other.refresh_from_db()
        assert other.headline == "Mona's own"

    def test_images_are_deleted_on_commit(
        self,
        webhook: WebhookClient,
        full_zofia: User,
        media: Path,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        names = add_images()
        with django_capture_on_commit_callbacks() as callbacks:
            self.delete_and_erase(webhook, full_zofia)
        assert all(map(default_storage.exists, names))
        for callback in callbacks:
            callback()
        assert not any(map(default_storage.exists, names))

    def test_sent_messages_are_emptied_and_received_messages_are_deleted(
        self, webhook: WebhookClient, full_zofia: User
    ) -> None:
        self.delete_and_erase(webhook, full_zofia)
        [message] = ContactMessage.objects.all()
        assert (message.sender, message.subject, message.body, message.mailed_at) == (full_zofia, "", "", NOW)
        assert message.builder.name == "Nemo"

    def test_ids_counts_and_audit_digests_are_kept(self, webhook: WebhookClient, zofia: User) -> None:
        before = {model: model._default_manager.count() for model in (User, BuilderProfile, WebhookEvent)}
        log = {row.pk: (row.action, bytes(row.personal_digest)) for row in AuditLog.objects.all()}
        others = UserFactory.create(name="Nemo")
        preserved_forms.delete_expired()
        self.delete_and_erase(webhook, zofia)
        assert WebhookEvent.objects.filter(clerk_user_id=zofia.clerk_id).count() == before[WebhookEvent] + 1
        assert User.objects.count() == before[User] + 1
        assert BuilderProfile.objects.count() == before[BuilderProfile]
        kept = {row.pk: (row.action, bytes(row.personal_digest)) for row in AuditLog.objects.filter(pk__in=log)}
        assert kept == log
        assert all(is_digest_valid(row) for row in AuditLog.objects.filter(action="PERSON_ERASED"))
        others.refresh_from_db()
        assert others.name == "Nemo"

    def test_active_and_recently_deleted_users_are_not_erased(self, webhook: WebhookClient, zofia: User) -> None:
        webhook.deleted(person(clerk_id=zofia.clerk_id))
        alive = UserFactory.create()
        assert erasure.erase_due() == []
        with pytest.raises(ValueError, match="is not deleted"):
            erasure.erase_user(alive.pk)
        with travel_by(erasure.RETENTION + timedelta(days=1)):
            assert erasure.erase_due(dry_run=True) == [zofia.clerk_id]
            assert User.objects.get(pk=zofia.pk).name == "Zofia Łęcka"
            assert erasure.erase_due() == [zofia.clerk_id]
            assert erasure.erase_due() == []

    def test_erasure_is_atomic(self, webhook: WebhookClient, zofia: User, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(user: User) -> None:
            raise TimeoutError("not now")

        monkeypatch.setattr("audit.personal_data.erase", fail)
        with pytest.raises(TimeoutError):
            self.delete_and_erase(webhook, zofia)
        zofia.refresh_from_db()
        assert (zofia.name, zofia.erased_at) == ("Zofia Łęcka", None)

    def test_late_events_do_not_restore_personal_data(self, webhook: WebhookClient, zofia: User) -> None:
        failed = WebhookEvent.objects.filter(clerk_user_id=zofia.clerk_id)[0]
        self.delete_and_erase(webhook, zofia)
        late = person(clerk_id=zofia.clerk_id, first_name="Zofia", updated_at=timezone.now())
        assert webhook.updated(late) == "stale"
        assert User.objects.get(pk=zofia.pk).name == ""
        failed.refresh_from_db()
        assert failed.payload is None


def remaining_personal_data() -> set[str]:
    """Return the personal texts that remain in any column of any table."""
    found: set[str] = set()
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            cursor.execute(f"SELECT lower(coalesce(string_agg(row_to_json(t)::text, ' '), '')) FROM {table} t")
            [text] = cursor.fetchone() or ("",)
            found |= {word for word in PERSONAL if word in text}
    return found


def test_every_model_that_refers_to_users_is_exported_and_erased() -> None:
    covered = {model._meta.label for module in personal_data.modules.values() for model in module.COVERED}
    referring = {model._meta.label for model in apps.get_models() if _refers_to_a_user(model)}
    assert referring - covered <= NOT_PERSONAL.keys(), (
        "Add new models to export(), erase() and COVERED in their app's personal_data."
    )


def test_export_and_erasure_access_every_covered_model(full_zofia: User) -> None:
    for module in personal_data.modules.values():
        covered = {model._meta.db_table: model._meta.label for model in module.COVERED}
        with CaptureQueriesContext(connection) as exporting:
            module.export(full_zofia)
        # Attempts and findings repeat parts of events, which are exported.
        assert set(covered.values()) - _accessed(exporting, covered) <= {"webhooks.Attempt", "webhooks.ReplayFinding"}
        User.objects.filter(pk=full_zofia.pk).update(erased_at=NOW)
        with CaptureQueriesContext(connection) as erasing:
            module.erase(full_zofia)
        assert set(covered.values()) - _accessed(erasing, covered) == set()


def _accessed(context: CaptureQueriesContext, labels: dict[str, str]) -> set[str]:
    statements = " ".join(query["sql"] for query in context.captured_queries)
    return {label for table, label in labels.items() if f'"{table}"' in statements}


def _refers_to_a_user(model: type[models.Model]) -> bool:
    """Return whether the model's rows belong to a user or to a user's profile."""
    if model._meta.app_label not in personal_data.modules:
        return False
    owners = (User, BuilderProfile, ClientProfile)
    columns = model._meta.concrete_fields
    return any(field.related_model in owners or field.name in ("clerk_id", "clerk_user_id") for field in columns)


def test_refused_deletion_raises_an_api_error(fake: FakeClerk) -> None:
    fake.respond_with(httpx.Response(409, json={"errors": [{"code": "user_managed_by_scim"}]}))
    with pytest.raises(ClerkApiError, match="user_managed_by_scim"):
        api.delete_user("user_2a")
