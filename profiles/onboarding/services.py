"""Onboarding at /welcome/: choose a goal, complete the profile, add a picture and a project, then publish the page.

A builder profile created here starts unpublished, so an unfinished page is never public. A builder profile created by
Clerk's webhook is public immediately. docs/profiles.md explains why.
"""

from collections.abc import Iterator

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


#: URL names of the steps, in order. Which steps are shown depends on the user's roles.
GOAL, BUILDER, PICTURE, PROJECT, CLIENT, PREVIEW = PAGES = tuple(
    f"profiles:welcome{page}" for page in ("", "_builder", "_picture", "_project", "_client", "_preview")
)
#: Steps for the builder page and for the client profile.
BUILDER_PAGES, CLIENT_PAGES = (BUILDER, PICTURE, PROJECT, PREVIEW), (CLIENT,)


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
    """Return the URL name of the step after `page`, skipping questions that are already answered.

    The picture step is never skipped, because users may want to replace their account picture.
    """
    builder, client = builder_of(user), client_of(user)
    open_pages = {*(_open_builder_pages(builder, page) if builder else ()), *_open_client_pages(client)}
    following = PAGES[PAGES.index(page) + 1 :]
    end = "accounts:account" if builder else "profiles:builder_list"
    return next((each for each in following if each in open_pages), end)


def _open_builder_pages(builder: BuilderProfile, page: str) -> Iterator[str]:
    """Yield the incomplete steps. For a published page, steps are only offered if the user opened a builder step."""
    if builder.unpublished_at or not builder.headline:
        yield BUILDER
    if builder.slug and (builder.unpublished_at or page in BUILDER_PAGES):
        yield PICTURE
        if not builder.projects.exists():
            yield PROJECT
        yield PREVIEW


def _open_client_pages(client: ClientProfile | None) -> Iterator[str]:
    if client and not client.company_name:
        yield CLIENT


def progress(user: User, page: str) -> tuple[int, int]:
    """Return this step's number and the total number of steps for the user's roles."""
    hidden = {
        *(() if user.has_role(Role.BUILDER) else BUILDER_PAGES),
        *(() if user.has_role(Role.CLIENT) else CLIENT_PAGES),
    }
    pages = [each for each in PAGES if each not in hidden]
    return pages.index(page) + 1, len(pages)
