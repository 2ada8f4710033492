"""Serialize profiles to JSON, without fields that the viewer cannot see."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import models

from accounts.models import User
from profiles.api.patching import BUILDER_FORMS, CLIENT_FORMS, Forms
from profiles.models import Badge, BuilderProfile, ClientProfile, Profile, Project, ProjectImage
from profiles.pages.page_rows import load_content
from profiles.permissions import ProfileAccess, access_for

#: Editable fields that only users with edit permission can read.
PRIVATE_FIELDS = ("display_name", "searchable")
#: Public fields that the API cannot change.
_READ_ONLY_FIELDS = (
    *("validation_tier", "checked_items", "checked_projects", "checked_at"),
    *("availability_confirmed_at", "completed_projects"),
)


def _edited_fields(form_classes: Forms) -> list[str]:
    return [name for form_class in form_classes for name in form_class.base_fields]


def _is_long(name: str) -> bool:
    return isinstance(BuilderProfile._meta.get_field(name), models.TextField)


#: Public columns that the builder page's forms edit, serialized under their column names. Lists omit long texts.
BUILDER_FIELDS = [
    name for name in (*_edited_fields(BUILDER_FORMS), *_READ_ONLY_FIELDS) if name not in (*PRIVATE_FIELDS, "slug")
]
SUMMARY_FIELDS = [name for name in BUILDER_FIELDS if not _is_long(name)]
CLIENT_FIELDS = _edited_fields(CLIENT_FORMS)


def builder_json(profile: BuilderProfile, viewer: User | AnonymousUser) -> dict[str, Any]:
    """Serialize a builder profile that `viewer` can view, using two queries."""
    load_content(profile)
    public = _summary(profile, BUILDER_FIELDS) | {
        "badges": [_badge_json(badge) for badge in profile.badges.all()],
        "portfolio": [_project_json(project) for project in profile.projects.all()],
    }
    return public | _private(profile, viewer, *PRIVATE_FIELDS)


def builder_summary_json(profile: BuilderProfile, viewer: User | AnonymousUser) -> dict[str, Any]:
    """Serialize a builder profile for lists, without its longer fields and without a query."""
    return _summary(profile, SUMMARY_FIELDS) | _private(profile, viewer, *PRIVATE_FIELDS)


def client_json(profile: ClientProfile, viewer: User | AnonymousUser) -> dict[str, Any]:
    """Serialize a client profile with all fields, which every permitted viewer can see."""
    fields = {name: getattr(profile, name) for name in CLIENT_FIELDS}
    return (
        {"id": profile.pk, "name": profile.name, "created_at": profile.created_at} | fields | _private(profile, viewer)
    )


def user_json(user: User) -> dict[str, Any]:
    return {
        "clerk_id": user.clerk_id,
        "name": user.name,
        "username": user.username or None,
        "email": user.email,
        "email_verified_at": user.email_verified_at,
        "roles": user.roles,
        "is_being_set_up": user.is_provisional,
    }


def _summary(profile: BuilderProfile, names: Iterable[str]) -> dict[str, Any]:
    return {
        "id": profile.pk,
        "slug": profile.slug,
        "url": profile.get_absolute_url() if profile.slug else None,
        "name": profile.name,
        "image_url": profile.image_url or None,
        "featured": profile.featured_at is not None,
        "created_at": profile.created_at,
    } | {name: _public_value(profile, name) for name in names}


def _public_value(profile: BuilderProfile, name: str) -> Any:
    """Return a field's value. As on the page, an unconfirmed availability is `not_stated`."""
    return profile.stated_availability if name == "availability" else getattr(profile, name)


def _badge_json(badge: Badge) -> dict[str, Any]:
    return {"kind": badge.kind, "evidence": badge.evidence, "awarded_at": badge.awarded_at}


def _project_json(project: Project) -> dict[str, Any]:
    names = ("title", "description", "url", "technologies", "status")
    images = [_image_json(image) for image in project.images.all()]
    return (
        {"id": project.pk, "page": project.get_absolute_url() if project.builder.slug else None}
        | {name: getattr(project, name) for name in names}
        | {"image": next(iter(images), None), "images": images}
    )


def _image_json(row: ProjectImage) -> dict[str, Any]:
    return {"url": row.image.url, "alt": row.alt, "width": row.width, "height": row.height}


def _private(profile: Profile, viewer: User | AnonymousUser, *names: str) -> dict[str, Any]:
    access = access_for(viewer, profile)
    if not access.can_edit:
        return {}
    hidden_by = {name: getattr(profile, name) for name in Profile.HIDDEN_BY_FIELDS}
    common = {"email": profile.user.email, "clerk_id": profile.user.clerk_id, "hidden_reason": profile.hidden_reason}
    fields = {name: getattr(profile, name) for name in names}
    return {"private": {**common, **fields, **hidden_by}, "access": _access_json(access)}


def _access_json(access: ProfileAccess) -> dict[str, Any]:
    permissions: tuple[Any, ...] = ("edit", "delete", "verify")
    return {"role": access.role} | {f"can_{permission}": access.allows(permission) for permission in permissions}
