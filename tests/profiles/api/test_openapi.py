"""What the API's description says is true: schemathesis makes up requests from it, good and bad, and compares answers."""

import copy
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import unsupported_method

from config.wsgi import application
from profiles.api.openapi import DOCUMENT
from tests.helpers.factories import BuilderProfileFactory, ClientProfileFactory, UserFactory
from tests.helpers.tokens import mint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_connection")]

PK, NOBODY = 7, 8


def aimed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the description for requests that hit something: profiles that there are, and conditions that hold."""
    document = copy.deepcopy(document)
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "id":
                parameter["schema"] = parameter["schema"] | {"enum": [PK, NOBODY]}
            if parameter["name"] == "If-Match":
                parameter["schema"] = parameter["schema"] | {"enum": ["*", '"0123"']}
    return document


def loaded(*, thorough: bool) -> Any:
    """Return the description for schemathesis to work with.

    Args:
        thorough: walk all limits of all fields, too, besides making up requests.
    """
    described = schemathesis.openapi.from_dict(aimed(DOCUMENT))
    described.app = application
    described.config.phases.coverage.enabled = thorough
    judged = described.config.checks
    further = (
        (judged.missing_required_header, ["428"]),
        (judged.negative_data_rejection, ["412"]),
        # No schema says what a time zone, an address of a page or a rate in words is.
        (judged.positive_data_acceptance, ["412", "422"]),
    )
    for check, statuses in further:
        check.expected_statuses = [*check.expected_statuses, *statuses]
    return described


# What is checked of a request does not depend on who sends it, once somebody may.
for_owner, for_others = loaded(thorough=True), loaded(thorough=False)
limits = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.fixture
def headers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Make the profiles, and return what the person that the test names sends."""
    owner = UserFactory.create(builder=True, client=True)
    BuilderProfileFactory.create(pk=PK, user=owner)
    ClientProfileFactory.create(pk=PK, user=owner)
    people = {"owner": owner, "admin": UserFactory.create(admin=True)}
    if request.param not in people:
        return {}
    return {"Authorization": f"Bearer {mint(str(people[request.param].clerk_id), lifetime_s=3600)}"}


@for_owner.parametrize()  # type: ignore[untyped-decorator]
@pytest.mark.parametrize("headers", ("owner",), indirect=True)
@limits
def test_owners_get_what_is_described(case: Any, headers: dict[str, str]) -> None:
    case.call_and_validate(headers=headers)


@for_others.parametrize()  # type: ignore[untyped-decorator]
@pytest.mark.parametrize("headers", ("visitor", "admin"), indirect=True)
@limits
def test_others_get_what_is_described(case: Any, headers: dict[str, str]) -> None:
    # A method nobody has is refused to whoever is not signed in before it is looked up.
    without = [] if headers else [unsupported_method]
    case.call_and_validate(headers=headers, excluded_checks=without)
