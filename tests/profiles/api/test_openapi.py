"""Schemathesis generates valid and invalid requests from the OpenAPI document and validates the responses."""

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

PK, UNKNOWN_PK = 7, 8


def with_existing_ids(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with existing ids and ETags, so that requests reach the views."""
    document = copy.deepcopy(document)
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "id":
                parameter["schema"] = parameter["schema"] | {"enum": [PK, UNKNOWN_PK]}
            if parameter["name"] == "If-Match":
                parameter["schema"] = parameter["schema"] | {"enum": ["*", '"0123"']}
    return document


def load_schema(*, thorough: bool) -> Any:
    """Return the schema for schemathesis.

    Args:
        thorough: whether to test the limits of every field.
    """
    schema = schemathesis.openapi.from_dict(with_existing_ids(DOCUMENT))
    schema.app = application
    schema.config.phases.coverage.enabled = thorough
    checks = schema.config.checks
    expected = (
        (checks.missing_required_header, ["428"]),
        (checks.negative_data_rejection, ["412"]),
        # The schema does not define formats for time zones, slugs and rates.
        (checks.positive_data_acceptance, ["412", "422"]),
    )
    for check, statuses in expected:
        check.expected_statuses = [*check.expected_statuses, *statuses]
    return schema


# Validation does not depend on the role, so only one role is tested thoroughly.
for_owner, for_others = load_schema(thorough=True), load_schema(thorough=False)
limits = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.fixture
def headers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Create the profiles, and return the headers of the role named by the test."""
    owner = UserFactory.create(builder=True, client=True)
    BuilderProfileFactory.create(pk=PK, user=owner)
    ClientProfileFactory.create(pk=PK, user=owner)
    people = {"owner": owner, "admin": UserFactory.create(admin=True)}
    if request.param not in people:
        return {}
    return {"Authorization": f"Bearer {mint(str(people[request.param].clerk_id), lifetime_s=3600)}"}


@for_owner.parametrize()  # type: ignore[untyped-decorator]  # schemathesis has no type hints here
@pytest.mark.parametrize("headers", ("owner",), indirect=True)
@limits
def test_owner_requests_match_the_schema(case: Any, headers: dict[str, str]) -> None:
    case.call_and_validate(headers=headers)


@for_others.parametrize()  # type: ignore[untyped-decorator]  # schemathesis has no type hints here
@pytest.mark.parametrize("headers", ("visitor", "admin"), indirect=True)
@limits
def test_other_requests_match_the_schema(case: Any, headers: dict[str, str]) -> None:
    # Anonymous requests are rejected before the method is checked.
    without = [] if headers else [unsupported_method]
    case.call_and_validate(headers=headers, excluded_checks=without)
