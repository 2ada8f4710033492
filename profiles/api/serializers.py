"""Profiles as JSON. What somebody may not see is left out, key and all."""

from typing import Any

from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from profiles.models import Badge, BuilderProfile, ClientProfile, Profile, Project
from profiles.permissions import ProfileAccess, access_for

#: Facts of the row that everybody may see, under their own names.
BUILDER_FACTS = (
    *("headline", "tagline", "location", "time_zone", "domains", "skills", "expertise", "links"),
    *("validation_tier", "available_for_hire", "hourly_rate", "currency"),
    *("availability", "availability_confirmed_at", "adhd_friendly", "completed_projects", "response_rate"),
)
CLIENT_FACTS = ("company_name", "industry", "project_preferences")
#: What a program reads and cannot change, for a better answer than that there is no such field.
READ_ONLY = {
    "builder": frozenset(
        {
            *("id", "url", "name", "image_url", "validation_tier", "availability_confirmed_at", "created_at"),
            *("featured", "completed_projects", "response_rate", "badges", "portfolio", "private", "access"),
        }
    ),
    "client": frozenset({"id", "name", "created_at", "private", "access"}),
}


def builder_json(profile: BuilderProfile, viewer: User | AnonymousUser) -> dict[str, Any]:
    """Return what `viewer` may see of a builder who may be seen; it takes two queries."""
    public = _summary(profile) | {
        "bio": profile.bio,
        "badges": [_badge_json(badge) for badge in profile.badges.all()],
        "portfolio": [_project_json(project) for project in profile.projects.all()],
    }
    own = {"display_name": profile.display_name, "searchable": profile.searchable}
    return public | _private(profile, viewer, **own)


def builder_summary_json(profile: BuilderProfile, viewer: User | AnonymousUser) -> dict[str, Any]:
    """Return what a list tells of a builder, without the longer parts; it takes no query."""
    own = {"display_name": profile.display_name, "searchable": profile.searchable}
    return _summary(profile) | _private(profile, viewer, **own)


def client_json(profile: ClientProfile, viewer: User | AnonymousUser) -> dict[str, Any]:
    """Return what `viewer` may see of a client; whoever may see it at all sees everything."""
    facts = {name: getattr(profile, name) for name in CLIENT_FACTS}
    return (
        {"id": profile.pk, "name": profile.name, "created_at": profile.created_at} | facts | _private(profile, viewer)
    )


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


def _summary(profile: BuilderProfile) -> dict[str, Any]:
    return {
        "id": profile.pk,
        "slug": profile.slug,
        "url": profile.get_absolute_url() if profile.slug else None,
        "name": profile.name,
        "image_url": profile.image_url or None,
        "featured": profile.featured_at is not None,
        "created_at": profile.created_at,
    } | {name: getattr(profile, name) for name in BUILDER_FACTS}


def _badge_json(badge: Badge) -> dict[str, Any]:
    return {"kind": badge.kind, "evidence": badge.evidence, "awarded_at": badge.awarded_at}


def _project_json(project: Project) -> dict[str, Any]:
    facts = ("title", "description", "url", "technologies", "status")
    return {"id": project.pk} | {name: getattr(project, name) for name in facts} | {"image": _image_json(project)}


def _image_json(project: Project) -> dict[str, Any] | None:
    if not project.image:
        return None
    size = {"width": project.image_width, "height": project.image_height}
    return {"url": project.image.url, "alt": project.image_alt, **size}


def _private(profile: Profile, viewer: User | AnonymousUser, **facts: Any) -> dict[str, Any]:
    """Return what owners and admins see besides, or nothing."""
    access = access_for(viewer, profile)
    if not access.can_edit:
        return {}
    reasons = {reason: getattr(profile, reason) for reason in Profile.HIDDEN_BY_FIELDS}
    known = {"email": profile.user.email, "clerk_id": profile.user.clerk_id, "hidden_reason": profile.hidden_reason}
    return {"private": {**known, **facts, **reasons}, "access": _access_json(access)}


def _access_json(access: ProfileAccess) -> dict[str, Any]:
    permissions: tuple[Any, ...] = ("edit", "delete", "verify")
    return {"role": access.role} | {f"can_{permission}": access.allows(permission) for permission in permissions}
