"""Factories for synced users and their profiles, such as `BuilderProfileFactory.create(hidden=True)`.

All tests use the same names: Olive owns the profile, Adam is an admin, Vera is a signed-in visitor.
"""

# factory-boy's classes have type annotations, but its declarations do not.
# mypy: disable-error-code="no-untyped-call"

from datetime import UTC, datetime
from random import Random
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory, Trait
from factory.django import DjangoModelFactory

from accounts.clerk.samples import new_id
from accounts.models import User
from profiles.directory import indexing
from profiles.models import BuilderProfile, ClientProfile, Profile, Project, ProjectImage
from profiles.slugs.text import slug_candidates

SINCE = datetime(2026, 11, 1, 12, tzinfo=UTC)
#: The password of all superusers created here.
PASSWORD = "an operator's password"
_random = Random()


class UserFactory(DjangoModelFactory[User]):
    """A Clerk user without roles. `builder=True` adds only the role. The factories below create profiles."""

    class Meta:
        model = User

    class Params:
        builder = False
        client = False
        admin = False
        deleted = Trait(deleted_at=SINCE)
        nameless = Trait(name="")
        #: The email address is verified in Clerk.
        confirmed = Trait(email_verified_at=SINCE)
        #: A local operator who does not exist in Clerk.
        superuser = Trait(
            is_superuser=True,
            clerk_id=None,
            login=Sequence("operator{}".format),
            password=LazyFunction(lambda: make_password(PASSWORD)),
        )

    clerk_id: Any = LazyFunction(lambda: new_id(_random, "user"))
    clerk_roles: Any = LazyAttribute(lambda user: user.roles if user.clerk_id else None)
    clerk_version: Any = LazyAttribute(lambda user: "0" if user.clerk_id else "")
    name: Any = Sequence("Person {}".format)
    email: Any = LazyAttribute(lambda user: f"{user.clerk_id or user.login}@example.com".lower())
    password: Any = UNUSABLE_PASSWORD_PREFIX
    banned = False
    deleted_at: Any = None
    is_active: Any = LazyAttribute(lambda user: not (user.banned or user.deleted_at))
    roles: Any = LazyAttribute(lambda user: [role for role in User.Role if getattr(user, role.lower())])


class ProfileFactory[P: Profile](DjangoModelFactory[P]):
    """Traits for both kinds of profile. Each trait is a reason why a profile is not public."""

    class Meta:
        abstract = True

    class Params:
        archived = Trait(archived_at=SINCE)
        hidden = Trait(hidden_at=SINCE)
        unpublished = Trait(unpublished_at=SINCE)
        deleted = Trait(deleted_at=SINCE)


class BuilderProfileFactory(ProfileFactory[BuilderProfile]):
    """A public builder page. The slug has a long suffix, because the slug without it may be taken."""

    class Meta:
        model = BuilderProfile

    class Params:
        introduced = Trait(headline="Field apps that work offline")
        reachable = Trait(user__confirmed=True)
        unlisted = Trait(searchable=False)
        unavailable = Trait(available_for_hire=False)

    @classmethod
    def _create(cls, model_class: type[BuilderProfile], *args: Any, **values: Any) -> BuilderProfile:
        """Index the profile for the directory, like the product code that creates profiles."""
        profile = model_class(*args, **values)
        indexing.index(profile)
        profile.save()
        return profile

    user: Any = SubFactory(UserFactory, builder=True)
    headline: Any = "Works well"
    slug: Any = LazyAttribute(lambda profile: next(reversed(slug_candidates(profile.user)), None))


class ClientProfileFactory(ProfileFactory[ClientProfile]):
    """A client profile, which is private."""

    class Meta:
        model = ClientProfile

    user: Any = SubFactory(UserFactory, client=True)


class ProjectFactory(DjangoModelFactory[Project]):
    """A project without an image, at the end of the portfolio."""

    class Meta:
        model = Project

    builder: Any = SubFactory(BuilderProfileFactory)
    title: Any = Sequence("Project {}".format)
    position: Any = Sequence(int)


class ProjectImageFactory(DjangoModelFactory[ProjectImage]):
    """An image at the end of a project's gallery. Its file does not exist."""

    class Meta:
        model = ProjectImage

    project: Any = SubFactory(ProjectFactory)
    builder: Any = SelfAttribute("project.builder")
    image: Any = Sequence("projects/{:032x}.webp".format)
    width, height = 1200, 800
    alt: Any = Sequence("Image {}".format)
    position: Any = Sequence(int)
