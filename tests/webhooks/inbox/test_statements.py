"""The number of statements for each kind of event, alone and in a batch."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.helpers.event_kinds import KINDS, received, user
from webhooks.inbox import service as inbox
from webhooks.inbox.deliveries import Received

pytestmark = pytest.mark.django_db(transaction=True)

#: Including BEGIN and COMMIT.
MAX_STATEMENTS, BATCH, MAX_STATEMENTS_IN_BATCH = 7, 16, 1.5


def prepare(kind: str) -> Received:
    """Apply the events before the last one, and return the last one."""
    *before, last = KINDS[kind]()
    for message in before:
        inbox.receive_group([received(*message)])
    return received(*last)


def count(group: list[Received]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert None not in inbox.receive_group(group)
    return [query["sql"] for query in queries.captured_queries]


@pytest.mark.parametrize("kind", KINDS)
def test_single_event_executes_at_most_seven_statements(kind: str) -> None:
    inbox.receive_group([received(*user(["BUILDER"])[0])])  # opens the connection
    statements = count([prepare(kind)])
    assert (statements[0], statements[-1]) == ("BEGIN", "COMMIT")
    assert len(statements) <= MAX_STATEMENTS, "\n".join(sql[:120] for sql in statements)


@pytest.mark.parametrize("kind", KINDS)
def test_batched_event_executes_at_most_1_5_statements(kind: str) -> None:
    statements = count([prepare(kind) for _ in range(BATCH)])
    assert len(statements) <= BATCH * MAX_STATEMENTS_IN_BATCH, "\n".join(sql[:120] for sql in statements)
