"""From signing up to a first published page, through /welcome/: who are you, three questions, a preview, publish.

Nothing half done is public: a builder's profile that is begun here is unpublished from its first instant on. One that comes
by Clerk's webhook is public at once; docs/profiles.md says why.
"""

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.role_changes import change_roles
from audit import log
from profiles.lifecycle import PROFILE_OF_ROLE, request_profile
from profiles.models import BuilderProfile, ClientProfile

Role = User.Role


class Goal(models.TextChoices):
    """What somebody is here for."""

    BUILDER = "builder", _("I build apps")
    CLIENT = "client", _("I look for builders")
    BOTH = "both", _("Both")

    @property
    def roles(self) -> set[Role]:
        """The roles that go with it."""
        return {Goal.BUILDER: {Role.BUILDER}, Goal.CLIENT: {Role.CLIENT}}.get(self, {Role.BUILDER, Role.CLIENT})


#: The pages of the way, by the names of their addresses; which of them somebody sees depends on the roles.
GOAL, BUILDER, CLIENT, PREVIEW = (f"profiles:welcome{page}" for page in ("", "_builder", "_client", "_preview"))


@transaction.atomic
def begin(user: User, goal: Goal, *, keep_other_role: bool = False, origin: log.Origin) -> None:
    """Give somebody the roles of `who`; a builder's profile that comes of it waits unpublished.

    Args:
        keep_other_role: the other role stays, if there is one; else it is taken.

    Raises:
        RoleChangeError: Clerk has not told of the person yet.
    """
    other = set() if keep_other_role else {Role.BUILDER, Role.CLIENT} - goal.roles
    changed = change_roles(user, add=goal.roles, remove=other, actor=user, origin=origin)
    # Who has a role already may have deleted its profile before Clerk gave the role again.
    for role in goal.roles - set(changed):
        request_profile(PROFILE_OF_ROLE[role], user, origin=origin)


def builder_of(user: User) -> BuilderProfile | None:
    """Return the builder's profile that somebody has now."""
    return BuilderProfile.objects.visible_to(user).filter(user=user, archived_at=None, deleted_at=None).first()


def client_of(user: User) -> ClientProfile | None:
    """Return the client's profile that somebody has now."""
    return ClientProfile.objects.visible_to(user).filter(user=user, archived_at=None, deleted_at=None).first()


def following(user: User, page: str) -> str:
    """Return the name of the page after `page`; what is answered already is not asked again."""
    builder, client = builder_of(user), client_of(user)
    if page == GOAL and builder and (builder.unpublished_at or not builder.headline):
        return BUILDER
    if page in (GOAL, BUILDER) and client and not client.company_name:
        return CLIENT
    if builder and builder.slug and (builder.unpublished_at or page == BUILDER):
        return PREVIEW
    return "accounts:account" if builder else "profiles:builder_list"


def place(user: User, page: str) -> tuple[int, int]:
    """Return which page of how many this is for somebody with these roles."""
    has_page = user.has_role(Role.BUILDER)
    ways = [(GOAL, True), (BUILDER, has_page), (CLIENT, user.has_role(Role.CLIENT)), (PREVIEW, has_page)]
    pages = [name for name, is_on_the_way in ways if is_on_the_way]
    return pages.index(page) + 1, len(pages)
