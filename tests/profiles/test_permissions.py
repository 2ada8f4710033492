"""Permissions for every viewer and profile state."""

import pytest
from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from profiles.models import BuilderProfile, ClientProfile, Profile
from profiles.permissions import ProfileAccess, Viewer, access_for
from tests.helpers.factories import BuilderProfileFactory, ClientProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

STATES = ("archived", "hidden", "unpublished", "deleted")
NONE = (False, False, False, False)
VIEW = (True, False, False, False)
OWNER = (True, True, True, False)
ADMIN = (True, True, True, True)


def granted_permissions(access: ProfileAccess) -> tuple[bool, bool, bool, bool]:
    return access.can_view, access.can_edit, access.can_delete, access.can_verify


def create_viewers(owner: User) -> dict[str, User | AnonymousUser]:
    return {
        "anonymous": AnonymousUser(),
        "visitor": UserFactory.create(),
        "builder": UserFactory.create(builder=True),
        "owner": owner,
        "admin": UserFactory.create(admin=True),
        "banned admin": UserFactory.create(admin=True, banned=True),
    }


#: Permissions on a builder profile that is published, hidden, or deleted by its owner.
EXPECTED = {
    "anonymous": (VIEW, NONE, NONE),
    "visitor": (VIEW, NONE, NONE),
    "builder": (VIEW, NONE, NONE),
    "owner": (OWNER, OWNER, NONE),
    "admin": (ADMIN, ADMIN, ADMIN),
    "banned admin": (VIEW, NONE, NONE),
}
#: Viewers who can contact the owner of a public page.
CAN_CONTACT = {"visitor", "builder", "admin"}


@pytest.mark.parametrize("state", ("published", *STATES, "nameless"))
def test_permissions_on_builder_profile(state: str) -> None:
    profile = builder(state)
    column = {"published": 0, "deleted": 2}.get(state, 1)
    found = {who: granted_permissions(access_for(user, profile)) for who, user in create_viewers(profile.user).items()}
    assert found == {who: expected[column] for who, expected in EXPECTED.items()}


@pytest.mark.parametrize("state", ("published", *STATES, "nameless"))
def test_only_signed_in_users_can_contact_public_builders(state: str) -> None:
    profile = builder(state)
    User.objects.filter(pk=profile.user.pk).update(email_verified_at="2026-11-01T12:00:00Z")
    profile.user.refresh_from_db()
    found = {who for who, user in create_viewers(profile.user).items() if access_for(user, profile).can_contact}
    assert found == (CAN_CONTACT if state == "published" else set())


def test_builder_without_verified_email_cannot_be_contacted() -> None:
    for profile in (BuilderProfileFactory.create(), BuilderProfileFactory.create(reachable=True, user__email=None)):
        assert not access_for(UserFactory.create(), profile).can_contact


def test_client_profile_is_visible_to_owner_and_admins_only() -> None:
    profile = ClientProfileFactory.create()
    found = {who: granted_permissions(access_for(user, profile)) for who, user in create_viewers(profile.user).items()}
    strangers = dict.fromkeys(("anonymous", "visitor", "builder", "banned admin"), NONE)
    assert found == strangers | {"owner": OWNER, "admin": ADMIN}


def test_admin_cannot_verify_own_profile() -> None:
    profile = BuilderProfileFactory.create(user=UserFactory.create(builder=True, admin=True))
    access = access_for(profile.user, profile)
    assert access.role is Viewer.OWNER
    assert granted_permissions(access) == OWNER


@pytest.mark.parametrize("is_active", (True, False), ids=("active", "banned"))
@pytest.mark.parametrize("state", ("published", *STATES, "nameless"))
def test_queryset_matches_access_for(state: str, is_active: object) -> None:
    """Lists and pages must always apply the same permissions."""
    profile = builder(state)
    User.objects.filter(pk=profile.user.pk).update(banned=not is_active, is_active=is_active)
    profile.user.refresh_from_db()
    client = ClientProfileFactory.create(user=profile.user)
    profiles: list[tuple[type[BuilderProfile | ClientProfile], Profile]]
    profiles = [(BuilderProfile, profile), (ClientProfile, client)]
    for who, user in create_viewers(profile.user).items():
        for model, one in profiles:
            assert model.objects.visible_to(user).filter(pk=one.pk).exists() == access_for(user, one).can_view, who


def builder(state: str) -> BuilderProfile:
    if state == "nameless":
        return BuilderProfileFactory.create(slug=None)
    return BuilderProfileFactory.create(**({} if state == "published" else {state: True}))
