"""What the stand-in remembers. Times are Clerk's: whole milliseconds since 1970."""

import time
from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone

from local.clerk.ids import new_client_id, new_dev_browser, new_message_id, new_session_id, new_user_id


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class User(models.Model):
    """A person who signed up."""

    id = models.CharField(primary_key=True, max_length=64, default=new_user_id)
    first_name = models.CharField(max_length=200, blank=True)
    last_name = models.CharField(max_length=200, blank=True)
    username = models.CharField(max_length=100, blank=True)
    phone = models.CharField(max_length=20, blank=True)
    #: [{"id": "idn_…", "address": …, "verified": …}]; which one is primary is told by its id.
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
            # Both orders of the list of users.
            models.Index(fields=["created_ms", "id"], name="localclerk_user_created"),
            models.Index(fields=["updated_ms", "id"], name="localclerk_user_updated"),
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, [self.first_name, self.last_name])) or self.username or self.email or "No name"

    @property
    def email(self) -> str:
        """The primary address, or "" where there is none."""
        return next((email["address"] for email in self.emails if email["id"] == self.primary_email_id), "")

    @property
    def roles(self) -> list[str]:
        roles = self.public_metadata.get("roles")
        return [str(role) for role in roles] if isinstance(roles, list) else []


class Client(models.Model):
    """A browser. Its sessions are found by a cookie on the stand-in's own host, or by the token of a development browser."""

    id = models.CharField(primary_key=True, max_length=64, default=new_client_id)
    #: What a development instance passes in addresses, because browsers keep cookies of two sites apart.
    dev_browser = models.CharField(max_length=64, unique=True, default=new_dev_browser)
    #: When its set of sessions last changed; 0 while nobody is signed in.
    changed_s = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.id

    @property
    def session(self) -> "Session | None":
        """The newest session that is not over."""
        return self.sessions.filter(status=Session.Status.ACTIVE).first()


class Session(models.Model):
    """Somebody who is signed in, or was."""

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

    class Meta:
        ordering = ["-created_ms", "-id"]

    def __str__(self) -> str:
        return self.id


class MessageQuerySet(models.QuerySet["Message"]):
    def due(self, now: datetime) -> "MessageQuerySet":
        """Messages whose next attempt may be made."""
        return self.filter(state=Message.State.PENDING, next_attempt_at__lte=now)

    def held(self) -> "MessageQuerySet":
        """Messages that wait for others, to be shuffled with them."""
        return self.filter(state=Message.State.HELD)


class Message(models.Model):
    """An event on its way to the endpoint; what Svix calls a message."""

    class State(models.TextChoices):
        PENDING = "pending", "On its way"
        HELD = "held", "Held back to be shuffled"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Given up"
        LOST = "lost", "Lost on purpose"

    id = models.CharField(primary_key=True, max_length=64, default=new_message_id)
    event_type = models.CharField(max_length=100)
    user_id = models.CharField(max_length=64, db_index=True)
    user_label = models.CharField(max_length=420)
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    #: Attempts on the present climb of the retry ladder.
    tries = models.PositiveIntegerField(default=0)
    #: Deliveries still to be made; two make a duplicate.
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
    """One request to the endpoint, and what came of it."""

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


class Trouble(models.Model):
    """The trouble that deliveries and requests of servers are given, in the one row that there is."""

    delay_s = models.PositiveIntegerField("delay", default=0, help_text="Seconds before the first attempt.")
    duplicate = models.BooleanField(default=False, help_text="Deliver everything twice.")
    shuffle = models.PositiveIntegerField(
        default=0, help_text="Hold back so many events, then deliver them in random order. 0 holds nothing back."
    )
    lose_percent = models.PositiveIntegerField("lose", default=0, help_text="Per cent of events never delivered.")
    api_outage = models.BooleanField("outage", default=False, help_text="Answer 503, as a gateway does.")
    api_delay_ms = models.PositiveIntegerField("slowness", default=0, help_text="Milliseconds before each answer.")
    api_fail_percent = models.PositiveIntegerField(
        "fail", default=0, help_text="Per cent of requests answered 500, with nothing done."
    )
    api_lose_answer_percent = models.PositiveIntegerField(
        "lose the answer", default=0, help_text="Per cent of requests answered 500 although all was done."
    )
    api_garble_percent = models.PositiveIntegerField(
        "garble", default=0, help_text="Per cent of answers that break off in the middle."
    )
    api_refuse_percent = models.PositiveIntegerField(
        "refuse", default=0, help_text="Per cent of requests answered 429, to come back in a second."
    )
    api_reject_metadata = models.BooleanField(
        "reject metadata", default=False, help_text="Answer 422 to all metadata, for good."
    )
    api_limit = models.PositiveIntegerField(
        "limit", default=0, help_text="Requests in ten seconds. 0 is Clerk's own: 100, or 1000 with a live key."
    )
    api_user_limit = models.PositiveIntegerField(
        "limit for a user", default=0, help_text="Writes of one user's metadata in ten seconds. 0 is Clerk's own: 10."
    )

    def __str__(self) -> str:
        return "Trouble"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    @classmethod
    def current(cls) -> "Trouble":
        trouble, _ = cls.objects.get_or_create(pk=1)
        return trouble
