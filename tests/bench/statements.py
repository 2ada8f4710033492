"""Count the SQL statements of webhook events by kind, alone and in a batch, including BEGIN and COMMIT."""

from collections.abc import Callable
from random import Random

import django

SIZE = 16


def main() -> None:
    django.setup()
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from accounts.clerk import samples
    from accounts.clerk.samples import SampleUser
    from config.database import close_pools
    from tests.helpers.webhooks import new_svix_id, person
    from webhooks.inbox import service as inbox
    from webhooks.inbox.deliveries import Received, Sender, parse
    from webhooks.inbox.signatures import Delivery

    random = Random(1)

    def received(event_type: str, user: SampleUser) -> Received:
        body = samples.encode(samples.user_event(event_type, user))
        return Received(Delivery(new_svix_id(), body, "bench"), Sender("192.0.2.1", {}), parse(body))

    def count(group: list[Received]) -> float:
        with CaptureQueriesContext(connection) as queries:
            assert set(inbox.receive_group(group)) <= {"processed", "duplicate"}
        return len(queries) / len(group)

    kinds: dict[str, Callable[[], Received]] = {
        "new client": lambda: received("user.created", person(roles=["CLIENT"])),
        "new builder": lambda: received("user.created", person(roles=["BUILDER"])),
        "client's new name": lambda: received(
            "user.updated", known(["CLIENT"]).with_changes(first_name=f"V{random.random()}")
        ),
        "builder's new name": lambda: received(
            "user.updated", known(["BUILDER"]).with_changes(first_name=f"V{random.random()}")
        ),
        "role change": lambda: received("user.updated", known(["CLIENT"]).with_changes(roles=["CLIENT", "BUILDER"])),
        "deletion": lambda: received("user.deleted", known(["CLIENT"]).with_changes()),
        "duplicate": lambda: repeated(received("user.created", person())),
    }

    def known(roles: list[str]) -> SampleUser:
        user = person(roles=roles)
        repeated(received("user.created", user))
        return user

    def repeated(event: Received) -> Received:
        inbox.receive_group([event])
        return event

    print(f"{'statements per event':24}{'alone':>8}{f'of {SIZE}':>8}")
    known(["BUILDER"])
    for kind, make in kinds.items():
        print(f"{kind:24}{count([make()]):8.0f}{count([make() for _ in range(SIZE)]):8.2f}")
    print(
        f"{'a mix':24}{'':8}{count([kinds[kind]() for kind in [*kinds, *kinds, 'new client', 'new builder']]):8.2f}\n"
    )
    close_pools()


if __name__ == "__main__":
    main()
