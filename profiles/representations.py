"""Profiles as JSON. What somebody may not see is left out, key and all."""

from typing import Any

from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from profiles.access import access_for
from profiles.models import BuilderProfile, ClientProfile, Profile


def builder_json(profile: BuilderProfile, viewer: User | AnonymousUser) -> dict[str, Any]:
    """Return what `viewer` may see of a builder who may be seen."""
    public = {
        "id": profile.pk,
        "slug": profile.slug,
        "url": profile.get_absolute_url() if profile.slug else None,
        "name": profile.name,
        "headline": profile.headline,
        "image_url": profile.image_url or None,
        "validation_tier": profile.validation_tier,
        "available_for_hire": profile.available_for_hire,
        "created_at": profile.created_at,
    }
    return public | _private(profile, viewer, searchable=profile.searchable)


def client_json(profile: ClientProfile, viewer: User | AnonymousUser) -> dict[str, Any]:
    """Return what `viewer` may see of a client; whoever may see it at all sees everything."""
    return {"id": profile.pk, "name": profile.name, "created_at": profile.created_at} | _private(profile, viewer)


def user_json(user: User) -> dict[str, Any]:
    """Return what a person may know of their own account."""
    return {
        "clerk_id": user.clerk_id,
        "name": user.name,
        "username": user.username or None,
        "email": user.email,
        "email_verified_at": user.email_verified_at,
        "roles": user.roles,
        "is_being_set_up": user.is_provisional,
    }


def _private(profile: Profile, viewer: User | AnonymousUser, **facts: Any) -> dict[str, Any]:
    """Return what owners and admins see besides, or nothing."""
    access = access_for(viewer, profile)
    if not access.can_edit:
        return {}
    reasons = {reason: getattr(profile, reason) for reason in Profile.REASONS_AWAY}
    private = {"email": profile.user.email, "clerk_id": profile.user.clerk_id, **facts, **reasons}
    return {"private": private, "access": _access_json(access)}


def _access_json(access: Any) -> dict[str, Any]:
    deeds = ("edit", "delete", "verify")
    return {"role": access.role} | {f"can_{deed}": access.allows(deed) for deed in deeds}
