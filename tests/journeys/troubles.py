"""Problems of a running site: how to trigger and fix each problem, and the rule that reports it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from accounts.clerk import samples
from accounts.models import DataExport, MetadataPush, User
from accounts.privacy.exports import build_data_export
from accounts.roles.services import change_roles
from audit.log import SYSTEM, Actor, record
from audit.models import AuditLog, AuditSeal
from profiles.contact.emails import mail_contact_message
from profiles.models import ContactMessage
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from tests.helpers.servers.processes import wait_until
from tests.helpers.webhooks import person
from tests.journeys.system import System
from webhooks.models import Alert, WebhookEvent

Rule = Alert.Rule
DAY = timedelta(days=1)
GIB = 1024**3
WRONG_SECRET = "whsec_" + "bm9ib2R5IGhhcyBhZ3JlZWQgdXBvbiB0aGlz"
FAILING_HANDLER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'out of order'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON accounts_user FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL)
EXECUTE FUNCTION refuse();
"""
FAILING_EXPORT = """
CREATE FUNCTION no_export() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'out of order'; END $$;
CREATE TRIGGER no_export BEFORE UPDATE ON accounts_dataexport FOR EACH ROW EXECUTE FUNCTION no_export();
"""
WORKING_HANDLER, WORKING_EXPORT = "DROP FUNCTION IF EXISTS refuse CASCADE", "DROP FUNCTION IF EXISTS no_export CASCADE"


@dataclass(frozen=True)
class Trouble:
    """Attributes:
    words: a part of the summary shown to operators.
    """

    rule: Alert.Rule
    cause: Callable[[System], None]
    cure: Callable[[System], None]
    words: str = ""


def restore_database(system: System) -> None:
    """Remove the triggers, so that an interrupted test does not break later tests."""
    system.execute(f"{WORKING_HANDLER}; {WORKING_EXPORT}")


# --- Deliveries ---


def created() -> dict[str, object]:
    return samples.user_event("user.created", person())


def deliver(system: System) -> None:
    """Deliver an event that changes no user, so that local users still match Clerk."""
    assert system.post(samples.event("role.created", {"id": "role_1"}, occurred_at=timezone.now())) == 200


def deliver_with_wrong_secret(system: System) -> None:
    assert {system.post(created(), secret=WRONG_SECRET) for _ in range(25)} == {400}


def deliver_from_the_future(system: System) -> None:
    """Deliver an event as if the local clock were ten minutes behind Clerk's."""
    assert system.post(created(), at=timezone.now() + timedelta(minutes=10)) == 400


def lock_profiles(system: System) -> None:
    system.lock("profiles_clientprofile")
    assert {system.post(created()) for _ in range(3)} == {503}


def unlock_profiles(system: System) -> None:
    system.unlock()
    deliver(system)


# --- Events ---


def break_handler(system: System) -> None:
    system.execute(FAILING_HANDLER)
    for _ in range(3):
        assert system.post(samples.user_event("user.deleted", person())) == 200


def repair_handler(system: System) -> None:
    system.execute(WORKING_HANDLER)
    newest = str(WebhookEvent.objects.latest("pk").pk)
    page = "/admin/webhooks/webhookevent/repair/?state=failed"
    system.submit(page, action="replay", reason="Followed the runbook", newest=newest)


def deliver_unreadable(system: System) -> None:
    assert system.post(created() | {"data": {"id": 7}}) == 200


def resolve_dead(system: System) -> None:
    for event in WebhookEvent.objects.filter(state=WebhookEvent.State.DEAD):
        page = f"/admin/webhooks/webhookevent/{event.pk}/"
        system.submit(f"{page}change/", f"{page}repair/", action="resolve", reason="Followed the runbook")


# --- Clerk ---


def set_clerk(mode: str) -> Callable[[System], None]:
    def change(system: System) -> None:
        system.clerk.mode = mode

    return change


def refuse_push(system: System) -> None:
    created_at_clerk = system.stand_in.create(first_name="Known")["id"]
    found = User.objects.filter(clerk_id=created_at_clerk)
    wait_until(found.exists, "the event of the new user did not arrive")
    system.set_faults(api_reject_metadata=True)
    change_roles(found.get(), add=[User.Role.BUILDER], actor=Actor(user=found.get()))
    wait_until(MetadataPush.objects.filter(state=MetadataPush.State.REFUSED).exists, "the push was not refused")


def retry_push(system: System) -> None:
    system.set_faults(api_reject_metadata=False)
    for push in MetadataPush.objects.filter(state__in=[MetadataPush.State.REFUSED, MetadataPush.State.STOPPED]):
        system.submit("/admin/accounts/metadatapush/", action="push_again", _selected_action=str(push.pk))


def lose_webhooks(system: System) -> None:
    system.set_faults(lose_percent=100)
    system.repeat("lost webhooks", lambda: system.stand_in.create(first_name="Lost"))


def stop_losing_webhooks(system: System) -> None:
    system.stop_repeating("lost webhooks")
    system.set_faults(lose_percent=0)


# --- Jobs ---


def queue_email(system: System) -> None:
    builder = BuilderProfileFactory.create(reachable=True)
    sender = UserFactory.create(confirmed=True)
    message = ContactMessage.objects.create(builder=builder, sender=sender, subject="Hello", body="Hello")
    mail_contact_message.defer(message_id=message.pk)


def stop_mail_server(system: System) -> None:
    system.stop_mail_server()
    queue_email(system)


def start_mail_server(system: System) -> None:
    system.start_mail_server()
    queue_email(system)


def queue_export(system: System) -> None:
    export = DataExport.objects.create(user=UserFactory.create(), expires_at=timezone.now() + DAY)
    build_data_export.defer(export_id=export.pk)


def break_exports(system: System) -> None:
    system.execute(FAILING_EXPORT)
    queue_export(system)


def repair_exports(system: System) -> None:
    system.execute(WORKING_EXPORT)
    queue_export(system)


# --- The worker ---


def kill_worker(system: System) -> None:
    system.worker.kill()


def replace_worker(system: System) -> None:
    system.worker.kill()
    system.start_worker()


def stop_crashing(system: System) -> None:
    system.stop_repeating("crashing worker")
    system.start_worker()


def crash_workers(system: System) -> None:
    system.worker.kill()
    system.repeat("crashing worker", system.crash_worker)
    wait_until(lambda: system.crashes >= 4, "the worker did not crash often enough", 120)


# --- Data ---


def change_audit_row(system: System) -> None:
    """Change a sealed row with triggers disabled, which only the database owner can do."""
    record(AuditLog.Action.USER_UPDATED, actor=SYSTEM, target=UserFactory.create(), reason="none")
    system.audit_row = AuditLog.objects.latest("pk")
    sealed = AuditSeal.objects.filter(max_id__gte=system.audit_row.pk)
    wait_until(sealed.exists, "the row was not sealed")
    _set_action(system, "USER_DELETED")


def restore_audit_row(system: System) -> None:
    _set_action(system, "USER_UPDATED")


def _set_action(system: System, action: str) -> None:
    assert system.audit_row
    system.execute(f"""
        SET session_replication_role = replica;
        UPDATE audit_auditlog SET action = '{action}' WHERE id = {system.audit_row.pk}
    """)


def set_free_space(gib: float) -> Callable[[System], None]:
    return lambda system: system.set_free_bytes(int(gib * GIB))


TROUBLES: dict[str, Trouble] = {
    "wrong secret": Trouble(Rule.REJECTED, deliver_with_wrong_secret, deliver, "No delivery has been accepted since."),
    "table locked": Trouble(Rule.UNAVAILABLE, lock_profiles, unlock_profiles, "locked_row 3"),
    "clock wrong": Trouble(Rule.CLOCK, deliver_from_the_future, deliver, "minutes behind"),
    "handler failing for one type": Trouble(
        Rule.FAILURE_RATE, break_handler, repair_handler, "Every event of these types failed: user.deleted."
    ),
    "payload unreadable": Trouble(Rule.DEAD_EVENTS, deliver_unreadable, resolve_dead, "1 event is dead"),
    "Clerk unavailable": Trouble(Rule.CLERK, set_clerk("unavailable"), set_clerk("ok"), "requests in a row"),
    "Clerk slow": Trouble(Rule.CLERK, set_clerk("slow"), set_clerk("ok"), "requests in a row"),
    "key refused": Trouble(Rule.CLERK, set_clerk("refusing"), set_clerk("ok"), "refuses CLERK_SECRET_KEY"),
    "push refused": Trouble(Rule.PUSHES, refuse_push, retry_push, "Clerk refused the changes of"),
    "webhooks lost": Trouble(Rule.DRIFT, lose_webhooks, stop_losing_webhooks, "events were probably lost"),
    "SMTP dead": Trouble(Rule.JOBS, stop_mail_server, start_mail_server, "Send a contact message"),
    "export failing": Trouble(Rule.JOBS, break_exports, repair_exports, "Build a data export"),
    "worker killed": Trouble(Rule.WORKER_GONE, kill_worker, replace_worker, "No queue worker is running."),
    "worker hung": Trouble(Rule.WORKER_GONE, System.hang_worker, replace_worker, "No queue worker is running."),
    "worker crashing": Trouble(Rule.WORKER_GONE, crash_workers, stop_crashing, "They probably crash."),
    "audit row changed": Trouble(Rule.AUDIT_CHAIN, change_audit_row, restore_audit_row),
    "disk full": Trouble(Rule.DISK_SPACE, set_free_space(0.5), set_free_space(50), "0.5 GiB left"),
}
