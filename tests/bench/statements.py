"""Count the SQL statements of webhook events by kind, alone and in a batch, including BEGIN and COMMIT."""

import django

SIZE = 16


def main() -> None:
    django.setup()
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from config.database import close_pools
    from tests.helpers.event_kinds import KINDS, received
    from webhooks.inbox import service as inbox
    from webhooks.inbox.deliveries import Received

    def prepared(kind: str) -> Received:
        *before, last = KINDS[kind]()
        for message in before:
            inbox.receive_group([received(*message)])
        return received(*last)

    def count(group: list[Received]) -> float:
        with CaptureQueriesContext(connection) as queries:
            assert None not in inbox.receive_group(group)
        return len(queries) / len(group)

    print(f"{'statements per event':28}{'alone':>8}{f'of {SIZE}':>8}")
    prepared("duplicate")  # opens the connection
    for kind in KINDS:
        print(f"{kind:28}{count([prepared(kind)]):8.0f}{count([prepared(kind) for _ in range(SIZE)]):8.2f}")
    mix = [*KINDS, *KINDS][:SIZE]
    print(f"{'a mix':28}{'':8}{count([prepared(kind) for kind in mix]):8.2f}\n")
    close_pools()


if __name__ == "__main__":
    main()
