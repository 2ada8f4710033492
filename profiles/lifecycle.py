"""Profiles follow roles. Gaining a role creates or restores its profile, losing it archives the profile. No row is deleted."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.role_changes import change_roles
from accounts.sync import outbox
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.statements import insert_if_new, update
from profiles import clerk_metadata, slug_history
from profiles.directory import indexing
from profiles.models import BuilderProfile, ClientProfile, Profile
from profiles.slugs import slug_candidates

#: ADMIN has no profile.
PROFILE_OF_ROLE: dict[str, type[Profile]] = {
    User.Role.BUILDER: BuilderProfile,
    User.Role.CLIENT: ClientProfile,
}

#: True for users whose profiles do not match their roles, or whose builder profile has no slug although they have a name.
#: SQL, because it is part of the statement that locks a user on the webhook path.
OUTDATED_PROFILES = """
('BUILDER' = ANY(accounts_user.roles)) <> EXISTS (
    SELECT FROM profiles_builderprofile profile
    WHERE profile.user_id = accounts_user.id AND profile.archived_at IS NULL
      AND (profile.slug IS NOT NULL OR (accounts_user.name = '' AND accounts_user.username = ''))
) OR ('CLIENT' = ANY(accounts_user.roles)) <> EXISTS (
    SELECT FROM profiles_clientprofile profile
    WHERE profile.user_id = accounts_user.id AND profile.archived_at IS NULL
)
"""
#: User fields that the directory indexes.
INDEXED_USER_FIELDS = frozenset({"name", "username", "image_url"})


def follow_roles(user: User, added: list[str], removed: list[str], *, actor: Actor) -> None:
    """Create, restore and archive profiles after the roles of `user` changed.

    Args:
        actor: who changed the roles. A profile that users request for themselves stays unpublished until they publish it.
    """
    for role, model in PROFILE_OF_ROLE.items():
        if role in added and actor.user == user:
            request_profile(model, user, actor=actor)
        elif role in added:
            _create_or_restore(model, user, actor)
        elif role in removed:
            _archive(model, user, actor)


def ensure_profiles(user: User, actor: Actor) -> None:
    """Create, restore and archive profiles until they match the roles of a locked user, whatever the cause of the drift."""
    for role, model in PROFILE_OF_ROLE.items():
        if role in user.roles:
            _create_or_restore(model, user, actor)
        else:
            _archive(model, user, actor)
    assign_slug(user, actor=actor)


def gained_name(user: User, changes: Mapping[str, tuple[Any, Any]]) -> bool:
    """Return whether `user` had no name before `changes`."""
    return not any(changes.get(field, (getattr(user, field), None))[0] for field in ("name", "username"))


def assign_slug(user: User, *, actor: Actor) -> None:
    """Give the builder profile of `user` a slug made of the name, if there is a profile without one."""
    profile = BuilderProfile.objects.select_for_update(no_key=True).filter(user=user, slug__isnull=True).first()
    if profile is None:
        return
    candidates = slug_history.exclude_former(slug_candidates(user))
    taken = set(BuilderProfile.objects.filter(slug__in=candidates).values_list("slug", flat=True))
    for slug in candidates:
        if slug not in taken:
            apply_changes(profile, actor=actor, slug=slug)
            return


def refresh_index(user: User) -> None:
    """Reindex the profile of a builder whose name or image changed. An archived profile is indexed on restore."""
    if User.Role.BUILDER not in user.roles:
        return
    profile = BuilderProfile.objects.select_for_update(no_key=True).filter(user=user).first()
    if profile:
        profile.user = user
        update(profile, indexing.index(profile))


@transaction.atomic
def request_profile(model: type[Profile], user: User, *, actor: Actor) -> None:
    """Create or restore, even from deletion, the profile that `user` asks for. Builder profiles start unpublished."""
    created = _insert(model, user, actor)
    profile = model._default_manager.select_for_update(no_key=True).get(user=user)
    set_reasons = [reason for reason in ("archived_at", "deleted_at") if getattr(profile, reason)]
    values: dict[str, Any] = dict.fromkeys(set_reasons)
    if isinstance(profile, BuilderProfile) and (created or set_reasons):
        # Equal to created_at means that it was never published: see visibility.is_draft.
        values["unpublished_at"] = profile.created_at if created else timezone.now()
    if values:
        apply_changes(profile, actor=actor, **values)


def _create_or_restore(model: type[Profile], user: User, actor: Actor) -> None:
    if _insert(model, user, actor):
        return
    profile = model._default_manager.select_for_update(no_key=True).get(user=user)
    if profile.archived_at:
        apply_changes(profile, actor=actor, archived_at=None)


def _insert(model: type[Profile], user: User, actor: Actor) -> bool:
    """Insert the profile unless the user has one, and return whether it was inserted."""
    for profile in _variants(model, user):
        if insert_if_new(profile):
            log.record(AuditLog.Action.PROFILE_CREATED, actor=actor, target=profile, subject=user)
            return True
    return False


def _variants(model: type[Profile], user: User) -> Iterator[Profile]:
    """Yield the rows to try to insert, preferred slug first."""
    if model is not BuilderProfile:
        yield model(user=user)
        return
    slugs: list[str] | list[None] = slug_history.exclude_former(slug_candidates(user)) or [None]
    for slug in slugs:
        profile = BuilderProfile(user=user, slug=slug)
        indexing.index(profile)
        yield profile


def _archive(model: type[Profile], user: User, actor: Actor) -> None:
    profile = model._default_manager.select_for_update(no_key=True).filter(user=user, archived_at=None).first()
    if profile:
        apply_changes(profile, actor=actor, archived_at=timezone.now())


def lock_profile[P: Profile](profile: P) -> P:
    """Return a fresh copy of the profile, with its row locked until the transaction ends.

    Raises:
        DoesNotExist: the profile was deleted.
    """
    rows = type(profile)._default_manager.select_related("user").select_for_update(of=["self"], no_key=True)
    return rows.get(pk=profile.pk)


@transaction.atomic
def delete(profile: Profile, *, actor: Actor) -> None:
    """Soft-delete a profile and remove its role. The content is kept; only admins can see it.

    Raises:
        RoleChangeError: the user is not active at Clerk, so the role cannot be removed.
    """
    [role] = (role for role, model in PROFILE_OF_ROLE.items() if isinstance(profile, model))
    # Lock order: users before profiles.
    change_roles(profile.user, remove=[User.Role(role)], actor=actor)
    stored = lock_profile(profile)
    if stored.deleted_at is None:
        apply_changes(stored, actor=actor, deleted_at=timezone.now())


def apply_changes(profile: Profile, *, actor: Actor, **new: object) -> None:
    """Save fields of a locked profile, reindex it and record the change."""
    changes = {field: (getattr(profile, field), value) for field, value in new.items()}
    for field, value in new.items():
        setattr(profile, field, value)
    # Always reindex: it needs no extra statement, and no caller has to know which fields are indexed.
    indexed = indexing.index(profile) if isinstance(profile, BuilderProfile) else ()
    update(profile, [*new, *indexed])
    log.record(
        AuditLog.Action.PROFILE_UPDATED,
        actor=actor,
        target=profile,
        subject=profile.user,
        changes=changes,
    )
    if not (clerk_metadata.PUSHED_FIELDS | clerk_metadata.PRESENCE_FIELDS).isdisjoint(new):
        outbox.queue_push(profile.user)
