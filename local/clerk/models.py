"""The stand-in's models. Fields ending in `_ms` contain milliseconds since 1970, as in Clerk."""

import time
from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone

from local.clerk.ids import (
    new_client_id,
    new_dev_browser,
    new_invitation_id,
    new_mail_id,
    new_membership_id,
    new_message_id,
    new_organization_id,
    new_organization_invitation_id,
    new_session_id,
    new_user_id,
    new_waitlist_entry_id,
)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class User(models.Model):
    id = models.CharField(primary_key=True, max_length=64, default=new_user_id)
    first_name = models.CharField(max_length=200, blank=True)
    last_name = models.CharField(max_length=200, blank=True)
    username = models.CharField(max_length=100, blank=True)
    phone = models.CharField(max_length=20, blank=True)
    #: [{"id": "idn_…", "address": …, "verified": …}]
    emails = models.JSONField(default=list, blank=True)
    primary_email_id = models.CharField(max_length=64, blank=True)
    public_metadata = models.JSONField(default=dict, blank=True)
    private_metadata = models.JSONField(default=dict, blank=True)
    unsafe_metadata = models.JSONField(default=dict, blank=True)
    banned = models.BooleanField(default=False)
    locked = models.BooleanField(default=False)
    created_ms = models.BigIntegerField(default=now_ms)
    updated_ms = models.BigIntegerField(default=now_ms)

    class Meta:
        ordering = ["-created_ms", "-id"]
        indexes = [
            # The two sort orders of the user list.
            models.Index(fields=["created_ms", "id"], name="localclerk_user_created"),
            models.Index(fields=["updated_ms", "id"], name="localclerk_user_updated"),
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, [self.first_name, self.last_name])) or self.username or self.email or "No name"

    @property
    def email(self) -> str:
        """The primary email address, or ""."""
        return next((email["address"] for email in self.emails if email["id"] == self.primary_email_id), "")

    @property
    def roles(self) -> list[str]:
        roles = self.public_metadata.get("roles")
        return [str(role) for role in roles] if isinstance(roles, list) else []


class Client(models.Model):
    """A browser, identified by a cookie on the stand-in's host or, on a development instance, by `dev_browser`."""

    id = models.CharField(primary_key=True, max_length=64, default=new_client_id)
    #: A development instance passes this token in URLs, because browsers do not send its cookies from another site.
    dev_browser = models.CharField(max_length=64, unique=True, default=new_dev_browser)
    #: The time at which a session was last started, in seconds since 1970. 0 if signed out.
    changed_s = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.id

    @property
    def session(self) -> "Session | None":
        return self.sessions.filter(status=Session.Status.ACTIVE).first()


class Session(models.Model):
    class Status(models.TextChoices):
        ACTIVE = "active"
        ENDED = "ended"
        REMOVED = "removed"
        REVOKED = "revoked"

    id = models.CharField(primary_key=True, max_length=64, default=new_session_id)
    client = models.ForeignKey(Client, models.CASCADE, related_name="sessions")
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions")
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    created_ms = models.BigIntegerField(default=now_ms)
    updated_ms = models.BigIntegerField(default=now_ms)
    #: When the user last verified the first factor.
    verified_ms = models.BigIntegerField(default=now_ms)

    class Meta:
        ordering = ["-created_ms", "-id"]

    def __str__(self) -> str:
        return self.id


class Mail(models.Model):
    """An email with a verification code, which Clerk would send to one of the user's addresses."""

    id = models.CharField(primary_key=True, max_length=64, default=new_mail_id)
    user = models.ForeignKey(User, models.CASCADE, related_name="mails")
    email_id = models.CharField(max_length=64, db_index=True)
    address = models.CharField(max_length=254)
    code = models.CharField(max_length=6)
    #: Number of codes that the user has entered since this email.
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.code} is your verification code"


class Invitation(models.Model):
    """An invitation by email, which the Backend API or the waitlist page created."""

    class Status(models.TextChoices):
        PENDING = "pending"
        ACCEPTED = "accepted"
        REVOKED = "revoked"

    id = models.CharField(primary_key=True, max_length=64, default=new_invitation_id)
    address = models.CharField(max_length=254, db_index=True)
    public_metadata = models.JSONField(default=dict)
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    created_ms = models.BigIntegerField(default=now_ms)
    updated_ms = models.BigIntegerField(default=now_ms)

    class Meta:
        ordering = ["-created_ms", "-id"]

    def __str__(self) -> str:
        return self.address


class WaitlistEntry(models.Model):
    """A person who wants to sign up."""

    class Status(models.TextChoices):
        PENDING = "pending"
        INVITED = "invited"
        COMPLETED = "completed"
        REJECTED = "rejected"

    id = models.CharField(primary_key=True, max_length=64, default=new_waitlist_entry_id)
    address = models.CharField(max_length=254, unique=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    invitation = models.ForeignKey(Invitation, models.SET_NULL, null=True, related_name="entries")
    created_ms = models.BigIntegerField(default=now_ms)
    updated_ms = models.BigIntegerField(default=now_ms)

    class Meta:
        ordering = ["-created_ms", "-id"]

    def __str__(self) -> str:
        return self.address


class Organization(models.Model):
    id = models.CharField(primary_key=True, max_length=64, default=new_organization_id)
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=100, unique=True)
    created_ms = models.BigIntegerField(default=now_ms)
    updated_ms = models.BigIntegerField(default=now_ms)

    class Meta:
        ordering = ["-created_ms", "-id"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    id = models.CharField(primary_key=True, max_length=64, default=new_membership_id)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=100)
    created_ms = models.BigIntegerField(default=now_ms)
    updated_ms = models.BigIntegerField(default=now_ms)

    class Meta:
        ordering = ["-created_ms", "-id"]
        constraints = [models.UniqueConstraint(fields=["organization", "user"], name="localclerk_membership_unique")]

    def __str__(self) -> str:
        return self.id


class OrganizationInvitation(models.Model):
    class Status(models.TextChoices):
        PENDING = "pending"
        ACCEPTED = "accepted"
        REVOKED = "revoked"

    id = models.CharField(primary_key=True, max_length=64, default=new_organization_invitation_id)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="invitations")
    address = models.CharField(max_length=254)
    role = models.CharField(max_length=100)
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    user_id = models.CharField(max_length=64, blank=True)
    created_ms = models.BigIntegerField(default=now_ms)
    updated_ms = models.BigIntegerField(default=now_ms)

    class Meta:
        ordering = ["-created_ms", "-id"]

    def __str__(self) -> str:
        return self.id


class MessageQuerySet(models.QuerySet["Message"]):
    def due(self, now: datetime) -> "MessageQuerySet":
        return self.filter(state=Message.State.PENDING, next_attempt_at__lte=now)

    def held(self) -> "MessageQuerySet":
        return self.filter(state=Message.State.HELD)


class Message(models.Model):
    """An event to be delivered to the endpoint. Svix calls it a message."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        HELD = "held", "Held for shuffling"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"
        LOST = "lost", "Dropped by fault injection"

    id = models.CharField(primary_key=True, max_length=64, default=new_message_id)
    event_type = models.CharField(max_length=100)
    user_id = models.CharField(max_length=64, db_index=True)
    user_label = models.CharField(max_length=420)
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    #: Number of attempts since the message was queued or last delivered.
    tries = models.PositiveIntegerField(default=0)
    #: Number of remaining deliveries. 2 for an event that is delivered twice.
    copies = models.PositiveIntegerField(default=1)
    next_attempt_at = models.DateTimeField(default=timezone.now)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["state", "next_attempt_at"], name="localclerk_message_due")]

    def __str__(self) -> str:
        return f"{self.event_type} {self.id}"

    @property
    def is_due(self) -> bool:
        return self.state == self.State.PENDING and self.next_attempt_at <= timezone.now()


class Attempt(models.Model):
    """One request to the endpoint and its result."""

    message = models.ForeignKey(Message, models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    status = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=300, blank=True)
    answer = models.CharField(max_length=500, blank=True)
    duration_ms = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return str(self.status or self.error)

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class FaultInjection(models.Model):
    """Faults injected into deliveries and into the Backend API. The table has a single row."""

    delay_s = models.PositiveIntegerField("delay", default=0, help_text="Seconds before the first attempt.")
    duplicate = models.BooleanField(default=False, help_text="Deliver every event twice.")
    shuffle = models.PositiveIntegerField(
        default=0, help_text="Hold this many events, then deliver them in random order. 0 turns this off."
    )
    lose_percent = models.PositiveIntegerField(
        "lose", default=0, help_text="Percentage of events that are never delivered."
    )
    api_outage = models.BooleanField("outage", default=False, help_text="Return 503 to every request, like a gateway.")
    api_delay_ms = models.PositiveIntegerField("delay", default=0, help_text="Milliseconds before each response.")
    api_fail_percent = models.PositiveIntegerField(
        "failure", default=0, help_text="Percentage of requests that return 500 and are not processed."
    )
    api_lose_answer_percent = models.PositiveIntegerField(
        "lost response", default=0, help_text="Percentage of requests that return 500 although they are processed."
    )
    api_garble_percent = models.PositiveIntegerField(
        "truncation", default=0, help_text="Percentage of responses that end halfway."
    )
    api_refuse_percent = models.PositiveIntegerField(
        "throttling", default=0, help_text="Percentage of requests that return 429 with a wait of one second."
    )
    api_reject_metadata = models.BooleanField(
        "reject metadata", default=False, help_text="Return 422 to every metadata update."
    )
    api_limit = models.PositiveIntegerField(
        "rate limit", default=0, help_text="Requests per ten seconds. 0 is Clerk's limit: 100, or 1000 with a live key."
    )
    api_user_limit = models.PositiveIntegerField(
        "rate limit per user",
        default=0,
        help_text="Metadata updates of one user per ten seconds. 0 is Clerk's limit: 10.",
    )

    def __str__(self) -> str:
        return "Fault injection"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    @classmethod
    def current(cls) -> "FaultInjection":
        faults, _ = cls.objects.get_or_create(pk=1)
        return faults
