"""Create one row of every model in the admin."""

from datetime import datetime

from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from accounts.models import (
    AccessRun,
    AdminGrant,
    Agreement,
    DataExport,
    EndedSession,
    Flag,
    IdentityConflict,
    Lead,
    LegalVersion,
    MetadataPush,
    Notification,
    Organization,
    OrganizationInvitation,
    OrganizationMembership,
    Reconciliation,
    User,
    UserImport,
    UserNote,
)
from audit.models import AuditLog, AuditSeal, AuditVerification, CheckpointTarget
from profiles.models import (
    Badge,
    BuilderProfile,
    ContactMessage,
    FormerSlug,
    Project,
    Report,
    ReviewRequest,
    SearchSynonym,
)
from tests.helpers.factories import (
    SINCE,
    BuilderProfileFactory,
    ClientProfileFactory,
    ProjectImageFactory,
    UserFactory,
)
from webhooks.models import Alert, ErrorGroup, JobFailure, Replay, WebhookEvent

#: An ID that no sequence reaches.
PK = 1_000_000_007
HOSTILE = "Olive <script> & Sons"
JOB = "INSERT INTO procrastinate_jobs (id, queue_name, task_name) VALUES (%s, 'default', 'webhooks.inbox.service.retry_event')"


def one_of_each() -> int:
    """Create a row of every model in the admin, with markup in text fields, and return their common primary key."""
    with connection.cursor() as cursor:
        cursor.execute(JOB, [PK])
    user = UserFactory.create(pk=PK, name=HOSTILE, builder=True, client=True)
    builder = BuilderProfileFactory.create(pk=PK, slug="olive-owner", user=user, headline=HOSTILE)
    project = Project.objects.create(pk=PK, builder=builder, title=HOSTILE)
    ProjectImageFactory.create(pk=PK, project=project, alt=HOSTILE)
    Badge.objects.create(pk=PK, builder=builder, kind="identity", evidence=HOSTILE, awarded_by=user)
    _create_moderated_rows(builder)
    FormerSlug.objects.create(pk=PK, builder=builder, slug="olive")
    # Migrations create synonyms, so this table is not emptied after transactional tests.
    SearchSynonym(pk=PK, searches=[HOSTILE], finds=[HOSTILE], domains=["web"]).save()
    ClientProfileFactory.create(pk=PK, user=user)
    editors = Group.objects.create(pk=PK, name=f"Editors {HOSTILE}")
    user.groups.add(editors)
    flag = Flag(pk=PK, name="one_of_each", note=HOSTILE)
    flag.save()
    flag.users.add(user)
    flag.groups.add(editors)
    _create_rows_from_clerk(user)
    now = timezone.now()
    other = UserFactory.create()
    IdentityConflict.objects.create(pk=PK, user=user, other=other, kind="several", email="olive@example.com")
    AccessRun.objects.create(pk=PK, change="ban", reason=HOSTILE, requested_by=user, user_ids=[user.pk])
    AdminGrant.objects.create(pk=PK, user=user, requested_by=other, reason=HOSTILE)
    UserNote.objects.create(pk=PK, user=user, author=other, text=HOSTILE)
    Reconciliation.objects.create(
        pk=PK,
        kind="full",
        state="finished",
        finished_at=now,
        compared=9,
        stale=1,
        fields={"name": 1},
        examples=[{"clerk_id": HOSTILE, "kind": "stale", "fields": ["name"], "since": None}],
    )
    times = {"clerk_created_at": now, "clerk_updated_at": now}
    Lead.objects.create(
        pk=PK, lead_id="wle_1", kind="waitlist", state="pending", email="o@example.com", user=user, **times
    )
    facts = {"document": "terms", "number": 1, "texts": {"en": HOSTILE}, "changes": HOSTILE}
    version = LegalVersion.objects.create(pk=PK, published_by=user, **facts)
    Agreement.objects.create(pk=PK, user=user, version=version, source="notice")
    DataExport.objects.create(pk=PK, user=user, expires_at=now, archive=b"personal")
    Notification.objects.create(pk=PK, user=user, kind=HOSTILE, cause=HOSTILE, result=HOSTILE)
    MetadataPush.objects.create(pk=PK, user=user, state="pending", requested_at=now, next_attempt_at=now)
    WebhookEvent.objects.create(
        pk=PK,
        svix_id="msg_1",
        event_type=HOSTILE,
        payload=HOSTILE,
        state="processed",
        received_at=now,
        last_delivery_at=now,
        processed_at=now,
        secret_fingerprint="x",
    )
    figures = {"value": 1, "notified_value": 1, "worst_value": 1, "facts": {"events": [PK], "causes": {HOSTILE: 1}}}
    group = ErrorGroup.objects.create(pk=PK, key=str(PK), error_type=HOSTILE, place=HOSTILE, detail=HOSTILE)
    JobFailure.objects.create(pk=PK, job_id=PK, error=HOSTILE, traceback=HOSTILE, group=group)
    alert = Alert.objects.create(pk=PK, rule="silence", summary=HOSTILE, **figures)
    alert.notifications.create(kind="opened", channel="json 1234", error=HOSTILE)
    facts = {"dry_run": True, "counts": {"processed": 1}, "groups": {f"processed|{HOSTILE}": 1}, "total": 2, "done": 1}
    replay = Replay.objects.create(
        pk=PK, requested_by=user, reason=HOSTILE, description=HOSTILE, in_background=True, **facts
    )
    difference = {"target": "user", "label": HOSTILE, "field": "name", "old": HOSTILE, "new": [HOSTILE]}
    replay.findings.create(event_id=PK, outcome="processed", note=HOSTILE, differences=[difference])
    _audit_rows(now)
    return PK


def _audit_rows(now: datetime) -> None:
    row = AuditLog(
        pk=PK, timestamp=now, action="USER_CREATED", source="system", target="accounts.user:1", changed_fields=[]
    )
    row.target_label, row.personal_salt, row.personal_digest = HOSTILE, b"", b""
    row.save(force_insert=True)
    nothing = {"digest": b"", "previous_mac": b"", "mac": b"", "leaves": b""}
    last = {"last_transaction": 1, "last_id": 1, "floor_id": 0, "max_id": 1, "row_count": 1, "total_rows": 1}
    AuditSeal.objects.create(pk=PK, sealed_at=now, format_version=1, cluster="x", key_id="x", **last, **nothing)
    AuditVerification.objects.create(
        pk=PK, started_at=now, finished_at=now, seal_count=1, row_count=1, erased_count=0, problems=[HOSTILE]
    )
    CheckpointTarget.objects.create(pk=str(PK), last_error=HOSTILE)


def _create_rows_from_clerk(user: User) -> None:
    UserImport.objects.create(pk=PK, digest="0" * 64, file=HOSTILE)
    EndedSession.objects.create(pk=PK, session_id="sess_1", clerk_id="user_1", ended_at=SINCE)
    organization = Organization.objects.create(pk=PK, clerk_id="org_1", name=HOSTILE, slug="olive-org")
    Organization.objects.filter(pk=PK).update(clerk_version="1")
    membership = OrganizationMembership(
        pk=PK, clerk_id="orgmem_1", organization=organization, user=user, shown_at=SINCE
    )
    membership.save(force_insert=True)
    OrganizationInvitation.objects.create(clerk_id="orginv_1", organization=organization, email="olive@example.com")


def _create_moderated_rows(builder: BuilderProfile) -> None:
    user = builder.user
    ContactMessage.objects.create(pk=PK, builder=builder, sender=user, subject=HOSTILE, body=HOSTILE)
    Report.objects.create(pk=PK, message_id=PK, reporter=user, reason="spam", text=HOSTILE, note=HOSTILE)
    facts = {"badge": "code", "text": HOSTILE, "assigned_to": user}
    review = ReviewRequest.objects.create(pk=PK, builder=builder, **facts)
    review.files.create(pk=PK, name=f"{HOSTILE}.pdf", kind="application/pdf", size=5, content=b"%PDF-")
