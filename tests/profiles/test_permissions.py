"""Who may do what with a profile, for everybody and every state a profile can be in."""

import pytest
from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from profiles.models import BuilderProfile, ClientProfile, Profile
from profiles.permissions import ProfileAccess, Viewer, access_for
from tests.helpers.factories import BuilderProfileFactory, ClientProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

STATES = ("archived", "hidden", "unpublished", "deleted")
NOTHING = (False, False, False, False)
SEES = (True, False, False, False)
OWNS = (True, True, True, False)
RULES = (True, True, True, True)


def deeds(access: ProfileAccess) -> tuple[bool, bool, bool, bool]:
    return access.can_view, access.can_edit, access.can_delete, access.can_verify


def people(owner: User) -> dict[str, User | AnonymousUser]:
    return {
        "nobody": AnonymousUser(),
        "visitor": UserFactory.create(),
        "builder": UserFactory.create(builder=True),
        "owner": owner,
        "admin": UserFactory.create(admin=True),
        "banned admin": UserFactory.create(admin=True, banned=True),
    }


#: What each may do with a builder's profile: published, away for a reason, deleted by its owner.
EXPECTED = {
    "nobody": (SEES, NOTHING, NOTHING),
    "visitor": (SEES, NOTHING, NOTHING),
    "builder": (SEES, NOTHING, NOTHING),
    "owner": (OWNS, OWNS, NOTHING),
    "admin": (RULES, RULES, RULES),
    "banned admin": (SEES, NOTHING, NOTHING),
}
#: Who may write to the owner of a page that everybody sees.
WRITE = {"visitor", "builder", "admin"}


@pytest.mark.parametrize("state", ("published", *STATES, "nameless"))
def test_builders_profile(state: str) -> None:
    profile = builder(state)
    column = {"published": 0, "deleted": 2}.get(state, 1)
    found = {who: deeds(access_for(user, profile)) for who, user in people(profile.user).items()}
    assert found == {who: expected[column] for who, expected in EXPECTED.items()}


@pytest.mark.parametrize("state", ("published", *STATES, "nameless"))
def test_who_may_write_to_a_builder(state: str) -> None:
    profile = builder(state)
    User.objects.filter(pk=profile.user.pk).update(email_verified_at="2026-11-01T12:00:00Z")
    profile.user.refresh_from_db()
    found = {who for who, user in people(profile.user).items() if access_for(user, profile).can_contact}
    assert found == (WRITE if state == "published" else set())


def test_nobody_may_write_to_an_address_that_clerk_has_not_confirmed() -> None:
    for profile in (BuilderProfileFactory.create(), BuilderProfileFactory.create(reachable=True, user__email=None)):
        assert not access_for(UserFactory.create(), profile).can_contact


def test_clients_profile_is_the_clients_and_admins_business() -> None:
    profile = ClientProfileFactory.create()
    found = {who: deeds(access_for(user, profile)) for who, user in people(profile.user).items()}
    strangers = dict.fromkeys(("nobody", "visitor", "builder", "banned admin"), NOTHING)
    assert found == strangers | {"owner": OWNS, "admin": RULES}


def test_admins_do_not_judge_their_own_work() -> None:
    profile = BuilderProfileFactory.create(user=UserFactory.create(builder=True, admin=True))
    access = access_for(profile.user, profile)
    assert access.role is Viewer.OWNER
    assert deeds(access) == OWNS


@pytest.mark.parametrize("is_active", (True, False), ids=("active", "banned"))
@pytest.mark.parametrize("state", ("published", *STATES, "nameless"))
def test_what_is_found_is_what_may_be_seen(state: str, is_active: object) -> None:
    """A list and a page can never disagree."""
    profile = builder(state)
    User.objects.filter(pk=profile.user.pk).update(banned=not is_active, is_active=is_active)
    profile.user.refresh_from_db()
    client = ClientProfileFactory.create(user=profile.user)
    profiles: list[tuple[type[BuilderProfile | ClientProfile], Profile]]
    profiles = [(BuilderProfile, profile), (ClientProfile, client)]
    for who, user in people(profile.user).items():
        for model, one in profiles:
            assert model.objects.visible_to(user).filter(pk=one.pk).exists() == access_for(user, one).can_view, who


def builder(state: str) -> BuilderProfile:
    if state == "nameless":
        return BuilderProfileFactory.create(slug=None)
    return BuilderProfileFactory.create(**({} if state == "published" else {state: True}))
