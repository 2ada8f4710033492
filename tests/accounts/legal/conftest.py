"""Published versions for tests of the legal texts."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from accounts.legal import services
from accounts.models import LegalVersion, User
from audit.log import Actor
from tests.helpers.factories import UserFactory

Document = LegalVersion.Document
type Publish = Callable[..., LegalVersion]


@pytest.fixture
def adam(db: None) -> User:
    return UserFactory.create(admin=True, name="Adam Admin")


@pytest.fixture
def publish(adam: User) -> Publish:
    """Return a function that publishes a new version of a document, by default of the terms in English."""

    def run(text: str | Mapping[str, str], document: Document = Document.TERMS, **options: Any) -> LegalVersion:
        texts = {"en": text} if isinstance(text, str) else text
        based_on = LegalVersion.objects.filter(document=document).count()
        defaults = {"changes": "Clearer." if based_on else "", "based_on": based_on, "actor": Actor(user=adam)}
        return services.publish(document, texts, **(defaults | options))

    return run
