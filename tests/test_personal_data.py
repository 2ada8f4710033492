"""Models with personal data are exported and erased, and profile columns are erased unless they are explicitly kept."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from accounts.models import User
from core import personal_data
from core.personal_data import erased_values
from profiles.models import BuilderProfile, ClientProfile

OUR_APPS = ("accounts", "audit", "profiles", "webhooks")
#: Names of columns that contain data about a person or text written by a person.
PERSONAL = re.compile(
    r"(^|_)(email|name|username|address|ip|phone|user_agent|title|subject|body|bio|text|note|payload|fields|slug)(_|$)"
)
#: Models with such columns that contain no personal data, or are erased in another way.
NOT_PERSONAL = {
    "accounts.AccessRun": "Changes to several users' access, with user IDs, Clerk's answers, the admin and the reason.",
    "accounts.Flag": "Feature flags. When a user is deleted, the relation to flags is also deleted.",
    "accounts.Organization": "Organizations, which are not people. Their members and invitations are covered.",
    "accounts.LegalVersion": "Texts of the site, and the admin who published each version.",
    "accounts.ClerkRateLimit": "Rate limits. Rows about a user are deleted when they are idle.",
    "accounts.Reconciliation": "Reports with counts and Clerk IDs, and the admin who requested the run or approved "
    "deletions and the reason. An email address is stored only until the job has found the Clerk ID.",
    "webhooks.CheckResult": "Results of checks of the deployment, one row per check.",
    "webhooks.RejectedRequest": "Addresses of clients that are not users. At most 100 per cause for at most 30 days.",
    "webhooks.MaintenanceWindow": "Maintenance of the site, with a reason by an admin.",
    "webhooks.ErrorGroup": "Names from our code, and the admin who changed the state.",
    "webhooks.Job": "Arguments of jobs, which contain only IDs.",
    "webhooks.Alert": "Alerts about the system, with notes by admins.",
    "webhooks.Replay": "Replays, with the admin who started the replay and the reason.",
}


def looks_personal(model: type[models.Model]) -> bool:
    columns = model._meta.concrete_fields
    return any(column.related_model is User or PERSONAL.search(column.name) for column in columns)


def covered_models() -> set[type[models.Model]]:
    return {model for module in personal_data.modules.values() for model in module.COVERED}


def test_every_app_with_models_registers_its_personal_data() -> None:
    assert list(personal_data.modules) == ["accounts", "profiles", "webhooks", "audit"]


def test_models_with_personal_data_are_exported_and_erased() -> None:
    ours = [model for label in OUR_APPS for model in apps.get_app_config(label).get_models()]
    missing = {model._meta.label for model in ours if looks_personal(model) and model not in covered_models()}
    assert missing == NOT_PERSONAL.keys(), (
        "Add these to export(), erase() and COVERED in the app's personal_data module."
    )


def test_model_without_a_user_key_is_recognised() -> None:
    lead = type("Lead", (models.Model,), {"__module__": "tests", "email_address": models.EmailField(), "Meta": _meta()})
    assert looks_personal(lead)


def _meta() -> type:
    return type("Meta", (), {"app_label": "tests_personal_data"})


@pytest.mark.parametrize("model", (BuilderProfile, ClientProfile))
def test_new_column_is_erased_by_default(model: type[models.Model]) -> None:
    columns = {column.name: column for column in model._meta.concrete_fields}
    for name, value in erased_values(model, keep=("id", "user")).items():
        empty: Any = columns[name].get_default()
        assert value is None if columns[name].null else value == empty


@pytest.mark.parametrize("model", (BuilderProfile, ClientProfile))
def test_new_column_has_a_database_default(model: type[models.Model]) -> None:
    """The previous release inserts rows without the column. See docs/how-to/change_the_schema.md."""
    of_first_release = {
        *("id", "user", "created_at", "display_name", "headline", "company_name"),
        *("validation_tier", "available_for_hire", "searchable"),
    }
    columns = [column for column in model._meta.concrete_fields if column.name not in of_first_release]
    assert [column.name for column in columns if not column.null and not column.has_db_default()] == []
