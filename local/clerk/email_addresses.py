"""A user's own email addresses: add, verify with a code, choose the primary, and remove.

Clerk sends the code by email and publishes `email.created`. The stand-in keeps the email for the user's mailbox page.
"""

import secrets
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from local.clerk import serializers, users
from local.clerk.events.publishing import publish
from local.clerk.ids import new_id
from local.clerk.models import Mail, User
from local.clerk.serializers import Actor

MAX_ADDRESSES = 10
#: Clerk's codes expire after ten minutes, and after some wrong attempts.
CODE_LIFETIME = timedelta(minutes=10)
MAX_ATTEMPTS = 5


class AddressError(Exception):
    """The address was not changed. The message is shown to the user."""


def is_taken(address: str, *, except_user: str = "") -> bool:
    """Return whether another user has this address. Upper and lower case are the same."""
    others = User.objects.exclude(pk=except_user)
    return address.casefold() in {email["address"].casefold() for other in others for email in other.emails}


@transaction.atomic
def add(user_id: str, address: str, actor: Actor) -> str:
    """Add an unverified address, send its code, and return the address's ID."""
    user = User.objects.get(pk=user_id)
    if len(user.emails) >= MAX_ADDRESSES:
        raise AddressError(f"You can have at most {MAX_ADDRESSES} email addresses. Remove one first.")
    if address.casefold() in {email["address"].casefold() for email in user.emails}:
        raise AddressError("You have already added this email address.")
    if is_taken(address, except_user=user_id):
        raise AddressError("That email address is taken. Please try another.")
    email = {"id": new_id("idn"), "address": address, "verified": False}
    user.emails = [*user.emails, email]
    users.update(user, actor)
    _send_code(user, email, actor)
    return str(email["id"])


@transaction.atomic
def send_code(user_id: str, email_id: str, actor: Actor) -> None:
    user = User.objects.get(pk=user_id)
    email = find(user, email_id)
    if email["verified"]:
        raise AddressError("This email address is already verified.")
    _send_code(user, email, actor)


def verify(user_id: str, email_id: str, code: str, actor: Actor) -> None:
    """Verify an address with the latest code. The first verified address becomes the primary one."""
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        email = find(user, email_id)
        problem = "" if email["verified"] else _check_code(email_id, code)
        if not problem:
            email["verified"] = True
            user.primary_email_id = user.primary_email_id or email_id
            users.update(user, actor)
    if problem:  # Raised here, because the attempt must still be counted.
        raise AddressError(problem)


@transaction.atomic
def make_primary(user_id: str, email_id: str, actor: Actor) -> None:
    user = User.objects.get(pk=user_id)
    if not find(user, email_id)["verified"]:
        raise AddressError("Verify this email address before you make it the primary one.")
    user.primary_email_id = email_id
    users.update(user, actor)


@transaction.atomic
def remove(user_id: str, email_id: str, actor: Actor) -> None:
    """Remove an address, even the last one. Another verified address becomes the primary one."""
    user = User.objects.get(pk=user_id)
    removed = find(user, email_id)
    user.emails = [email for email in user.emails if email is not removed]
    if user.primary_email_id == email_id:
        user.primary_email_id = next((str(email["id"]) for email in user.emails if email["verified"]), "")
    users.update(user, actor)


def find(user: User, email_id: str) -> dict[str, Any]:
    """Return one of the user's addresses."""
    found: dict[str, Any] | None = next((email for email in user.emails if email["id"] == email_id), None)
    if found is None:
        raise AddressError("This email address has been removed.")
    return found


def _send_code(user: User, email: dict[str, Any], actor: Actor) -> None:
    code = f"{secrets.randbelow(10**6):06}"
    mail = Mail.objects.create(user=user, email_id=email["id"], address=email["address"], code=code)
    publish("email.created", user, actor, data=serializers.mail(mail, actor))


def _check_code(email_id: str, code: str) -> str:
    """Return why the code is rejected, or "". Count the attempt."""
    mail = Mail.objects.filter(email_id=email_id).first()
    if mail is None or mail.created_at < timezone.now() - CODE_LIFETIME or mail.attempts >= MAX_ATTEMPTS:
        return "The code has expired. Request a new code."
    mail.attempts += 1
    mail.save(update_fields=["attempts"])
    is_correct = secrets.compare_digest(code.strip().encode(), mail.code.encode())
    return "" if is_correct else "Incorrect code. Check the newest email in your mailbox."
