"""Builders can block senders, whose messages they then no longer receive."""

from accounts.models import User
from profiles.models import BlockedSender, BuilderProfile


def block(builder: BuilderProfile, sender: User) -> None:
    """Block a sender. Blocking a sender twice has no effect."""
    BlockedSender.objects.get_or_create(builder=builder, sender=sender)


def unblock(builder: BuilderProfile, sender: User) -> None:
    BlockedSender.objects.filter(builder=builder, sender=sender).delete()


def is_blocked(builder: BuilderProfile, sender: User) -> bool:
    return BlockedSender.objects.filter(builder=builder, sender=sender).exists()
