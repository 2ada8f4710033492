"""Onboarding at /welcome/: choose a goal, answer three questions, then preview and publish the page.

A builder profile created here starts unpublished, so an unfinished page is never public. A builder profile created by
Clerk's webhook is public immediately. docs/profiles.md explains why.
"""

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.roles.services import change_roles
from audit.log import Actor
from profiles.lifecycle import PROFILE_OF_ROLE, request_profile
from profiles.models import BuilderProfile, ClientProfile

Role = User.Role


class Goal(models.TextChoices):
    BUILDER = "builder", _("I build apps")
    CLIENT = "client", _("I’m looking for builders")
    BOTH = "both", _("Both")

    @property
    def roles(self) -> set[Role]:
        return {Goal.BUILDER: {Role.BUILDER}, Goal.CLIENT: {Role.CLIENT}}.get(self, {Role.BUILDER, Role.CLIENT})


#: URL names of the steps. The user's roles determine which steps they see.
GOAL, BUILDER, CLIENT, PREVIEW = (f"profiles:welcome{page}" for page in ("", "_builder", "_client", "_preview"))


@transaction.atomic
def start(user: User, goal: Goal, *, keep_other_role: bool = False, actor: Actor) -> None:
    """Give `user` the roles for `goal`. A new builder profile starts unpublished.

    Args:
        keep_other_role: whether to keep the other role (builder or client) instead of removing it.

    Raises:
        RoleChangeError: Clerk's webhook for this user has not arrived yet.
    """
    other = set() if keep_other_role else {Role.BUILDER, Role.CLIENT} - goal.roles
    changed = change_roles(user, add=goal.roles, remove=other, actor=actor.with_user(user))
    # Clerk may have restored a role after the user deleted its profile.
    for role in goal.roles - set(changed):
        request_profile(PROFILE_OF_ROLE[role], user, actor=actor)


def builder_of(user: User) -> BuilderProfile | None:
    """Return the user's builder profile unless it is archived or deleted."""
    return BuilderProfile.objects.visible_to(user).filter(user=user, archived_at=None, deleted_at=None).first()


def client_of(user: User) -> ClientProfile | None:
    """Return the user's client profile unless it is archived or deleted."""
    return ClientProfile.objects.visible_to(user).filter(user=user, archived_at=None, deleted_at=None).first()


def next_page(user: User, page: str) -> str:
    """Return the URL name of the step after `page`, skipping questions that are already answered."""
    builder, client = builder_of(user), client_of(user)
    if page == GOAL and builder and (builder.unpublished_at or not builder.headline):
        return BUILDER
    if page in (GOAL, BUILDER) and client and not client.company_name:
        return CLIENT
    if builder and builder.slug and (builder.unpublished_at or page == BUILDER):
        return PREVIEW
    return "accounts:account" if builder else "profiles:builder_list"


def progress(user: User, page: str) -> tuple[int, int]:
    """Return this step's number and the total number of steps for the user's roles."""
    is_builder = user.has_role(Role.BUILDER)
    steps = {GOAL: True, BUILDER: is_builder, CLIENT: user.has_role(Role.CLIENT), PREVIEW: is_builder}
    pages = [name for name, is_shown in steps.items() if is_shown]
    return pages.index(page) + 1, len(pages)
