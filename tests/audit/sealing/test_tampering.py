"""Verification detects changes that the database owner makes to the audit log."""

import hashlib
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from accounts.privacy import erasure
from audit import log, personal_data
from audit.log import SYSTEM, Actor
from audit.models import AppendOnlyError, AuditLog, AuditSeal, AuditVerification
from audit.sealing import checkpoints, digests, keys, seals, verification
from tests.audit.rows import PERSONAL, create_row, execute, execute_as_owner, mark_erased
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

KEY, NEXT_KEY = "the first key of the tests, long enough", "the second key of the tests, long enough"
Action = AuditLog.Action


@pytest.fixture(autouse=True)
def seal_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUDIT_SEAL_KEYS = [KEY]
    settings.AUDIT_CHECKPOINTS = []
    monkeypatch.setattr(seals, "MAX_ROWS", 3)


def write_rows(count: int) -> list[int]:
    """Write rows in separate transactions and return their ids."""
    user = User.objects.first() or UserFactory.create(name="Olive Owner")
    for number in range(count):
        log.record(
            Action.USER_UPDATED,
            actor=Actor(AuditLog.Source.REQUEST, None, "203.0.113.9", "Firefox").with_user(user),
            target=user,
            changes={"name": ("Old", f"New {number}")},
        )
    return sorted(AuditLog.objects.values_list("pk", flat=True))[-count:]


@pytest.fixture
def row_ids() -> list[int]:
    """Write nine rows in three full seals and return their ids."""
    found = write_rows(9)
    assert seals.seal() == [1, 2, 3]
    return found


def problem_texts(**options: Any) -> list[str]:
    return [problem.text for problem in verification.verify(**options).problems]


def run_command(*arguments: str) -> tuple[int, str, str]:
    """Run audit_verify and return its exit code, output and errors."""
    out, err = StringIO(), StringIO()
    try:
        call_command("audit_verify", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), err.getvalue() + str(error)
    return 0, out.getvalue(), err.getvalue()


# --- Sealing ---


def test_rows_are_sealed_once_in_a_chain(row_ids: list[int]) -> None:
    write_rows(2)
    assert seals.seal() == [4]
    assert seals.seal() == []
    chain = list(AuditSeal.objects.order_by("number"))
    assert [(seal.row_count, seal.total_rows) for seal in chain] == [(3, 3), (3, 6), (3, 9), (2, 11)]
    assert [bytes(seal.previous_mac) for seal in chain] == [b"", *(bytes(seal.mac) for seal in chain[:-1])]
    assert run_command() == (
        0,
        "Verified 4 seals and 11 rows. No problems found. Not sealed yet: 0 newer rows.\n",
        "",
    )


def test_sealing_and_verification_need_a_key(settings: Settings) -> None:
    write_rows(1)
    settings.AUDIT_SEAL_KEYS = []
    with pytest.raises(keys.NoKeyError):
        seals.seal()
    assert run_command()[0] == 2
    assert not seals.state().is_enabled


def test_state_counts_unsealed_rows_and_returns_the_latest_verification(
    row_ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = seals.state()
    assert (state.last and state.last.number, state.unsealed, state.unsealed_since) == (3, 0, None)
    assert state.verification is None
    [first, *_] = write_rows(5)
    run_command()
    monkeypatch.setattr(seals, "MAX_COUNTED", 4)
    state = seals.state()
    assert (state.unsealed, state.unsealed_since) == (4, AuditLog.objects.get(pk=first).timestamp)
    assert state.verification
    assert state.verification.is_intact
    assert state.verification.row_count == 9


def test_empty_log_has_no_problems() -> None:
    assert seals.seal() == []
    assert problem_texts() == []


def test_every_column_is_sealed_or_personal() -> None:
    """A new column needs a new format version, so that existing seals remain valid."""
    columns = {field.attname for field in AuditLog._meta.concrete_fields}
    assert columns == {
        *digests.SEALED_COLUMNS,
        *digests.PERSONAL_COLUMNS,
        *digests.PERSONAL_COLUMNS.values(),
        "column_digests",
    }


# --- Rows ---

SEALED_COLUMNS = {
    **dict.fromkeys(("actor_id", "subject_id"), "999999"),
    **dict.fromkeys(("action", "source", "target", "delivery", "impersonator"), "'x'"),
    "timestamp": "timestamp + interval '1 microsecond'",
    "changed_fields": "'{}'",
    "personal_digest": r"'\x00'",
}


@pytest.mark.parametrize("column", SEALED_COLUMNS)
def test_changed_row_is_reported(row_ids: list[int], column: str) -> None:
    execute_as_owner(f'UPDATE audit_auditlog SET "{column}" = {SEALED_COLUMNS[column]} WHERE id = {row_ids[4]}')
    assert problem_texts() == [f"Row {row_ids[4]} was changed (seal 2)."]


OTHER_PERSONAL = {
    **dict.fromkeys(("actor_label", "target_label", "user_agent"), "'x'"),
    "details": """'{"name": ["Old", "Newer"]}'""",
    "ip_address": "'203.0.113.10'",
}


@pytest.mark.parametrize("column", OTHER_PERSONAL)
def test_changed_personal_column_is_reported(row_ids: list[int], column: str) -> None:
    execute_as_owner(f"UPDATE audit_auditlog SET {column} = {OTHER_PERSONAL[column]} WHERE id = {row_ids[4]}")
    assert problem_texts() == [f"Row {row_ids[4]} was changed: {column} has a different value (seal 2)."]


@pytest.mark.parametrize("column", OTHER_PERSONAL)
def test_erasing_one_column_does_not_hide_a_change_to_another(row_ids: list[int], column: str) -> None:
    erased = "user_agent" if column != "user_agent" else "ip_address"
    execute_as_owner(
        f"UPDATE audit_auditlog SET {erased} = NULL, {column} = {OTHER_PERSONAL[column]} WHERE id = {row_ids[4]}"
    )
    assert problem_texts() == [f"Row {row_ids[4]} was changed: {column} has a different value (seal 2)."]


def test_erased_salt_does_not_hide_a_change(row_ids: list[int]) -> None:
    execute_as_owner(f"UPDATE audit_auditlog SET personal_salt = NULL, target_label = 'x' WHERE id = {row_ids[4]}")
    assert problem_texts() == [f"Row {row_ids[4]} was changed: target_label has a different value (seal 2)."]


def test_recomputed_column_digests_are_reported(row_ids: list[int]) -> None:
    """An attacker can recompute the digests in the row, but the seal covers the original digests."""
    row = AuditLog.objects.get(pk=row_ids[4])
    row.target_label = "Other Name"
    parts = digests.column_digests(row)
    text = f"target_label = 'Other Name', column_digests = '\\x{parts.hex()}'"
    execute_as_owner(f"UPDATE audit_auditlog SET {text} WHERE id = {row_ids[4]}")
    assert problem_texts() == [f"Row {row_ids[4]} was changed: column_digests has a different value (seal 2)."]
    execute_as_owner(
        f"UPDATE audit_auditlog SET personal_digest = '\\x{hashlib.sha256(parts).hexdigest()}' WHERE id = {row_ids[4]}"
    )
    assert problem_texts() == [f"Row {row_ids[4]} was changed (seal 2)."]


@pytest.mark.parametrize("place", range(9))
def test_deleted_row_is_reported(row_ids: list[int], place: int) -> None:
    execute_as_owner(f"DELETE FROM audit_auditlog WHERE id = {row_ids[place]}")
    assert problem_texts() == [f"Row {row_ids[place]} was deleted (seal {place // 3 + 1})."]


def test_moved_row_is_reported(row_ids: list[int]) -> None:
    execute_as_owner(f"UPDATE audit_auditlog SET transaction = transaction + 1000000 WHERE id = {row_ids[4]}")
    found = problem_texts()
    assert found[0] == f"Row {row_ids[4]} was changed: it has a different transaction id (seal 2)."
    assert found[1].startswith(
        f"Row {row_ids[4]} was inserted: it claims to belong to a transaction that has not started"
    )


COPY = """
INSERT INTO audit_auditlog (id, timestamp, action, source, target, changed_fields, transaction, personal_digest)
SELECT {id}, timestamp, action, source, target, changed_fields, {transaction}, personal_digest
FROM audit_auditlog WHERE id = {like}
"""


@pytest.mark.parametrize("place", range(9))
def test_inserted_row_is_reported(row_ids: list[int], place: int) -> None:
    """The row has a sealed row's transaction id and an unused row id."""
    execute_as_owner(COPY.format(id=-row_ids[place], transaction="transaction", like=row_ids[place]))
    assert problem_texts() == [f"Row {-row_ids[place]} was inserted (seal {place // 3 + 1})."]


@pytest.mark.parametrize("transaction", (-5, 0, 1))
def test_row_inserted_before_all_others_is_reported(row_ids: list[int], transaction: int) -> None:
    execute_as_owner(COPY.format(id=10**9, transaction=transaction, like=row_ids[0]))
    assert problem_texts() == [f"Row {10**9} was inserted (seal 1)."]


def test_row_of_a_future_transaction_is_reported(row_ids: list[int]) -> None:
    """The row would never be sealed, so its removal could not be detected."""
    execute_as_owner(COPY.format(id=10**9, transaction=10**15, like=row_ids[0]))
    [found] = problem_texts()
    assert found.startswith(f"Row {10**9} was inserted: it claims to belong to a transaction that has not started")


def test_first_bad_row_is_reported_first_and_all_are_stored(row_ids: list[int]) -> None:
    execute_as_owner("UPDATE audit_auditlog SET action = 'x'")
    code, _, errors = run_command()
    assert code == 1
    assert errors.splitlines()[0] == f"Row {row_ids[0]} was changed (seal 1)."
    stored = AuditVerification.objects.get()
    assert (stored.is_intact, stored.first_bad_seal, stored.first_bad_row) == (False, 1, row_ids[0])
    assert len(stored.problems) == 9


def test_changes_to_unsealed_rows_are_not_detected(row_ids: list[int]) -> None:
    [newer] = write_rows(1)
    execute_as_owner(f"UPDATE audit_auditlog SET action = 'x' WHERE id = {newer}")
    assert problem_texts() == []


# --- Erasure ---


@pytest.mark.parametrize("column", PERSONAL)
def test_erased_column_is_counted_and_not_a_problem(row_ids: list[int], column: str) -> None:
    mark_erased(User.objects.get())
    execute(f"UPDATE audit_auditlog SET {column} = NULL WHERE id = {row_ids[4]}")
    result = verification.verify()
    assert (result.problems, result.erased) == ([], 1)


@pytest.mark.parametrize("column", (*PERSONAL, "personal_salt", "actor_salt"))
def test_erased_column_of_a_user_who_was_not_erased_is_reported(row_ids: list[int], column: str) -> None:
    also = {"personal_salt": ("details", "target_label"), "actor_salt": ("actor_label", "ip_address", "user_agent")}
    columns = (column, *also.get(column, ()))
    execute_as_owner(
        f"UPDATE audit_auditlog SET {', '.join(f'{name} = NULL' for name in columns)} WHERE id = {row_ids[4]}"
    )
    [found] = problem_texts()
    assert found.startswith(f"Row {row_ids[4]} was changed: ")
    assert found.endswith("was erased, but its user was not (seal 2).")
    # A forged mark or a forged audit row alone does not make the erasure valid.
    User.objects.update(erased_at=timezone.now())
    assert len(problem_texts()) == 1
    mark_erased(User.objects.get())
    User.objects.update(erased_at=None, deleted_at=None)
    assert len(problem_texts()) == 1


def test_all_erased_details_are_reported(row_ids: list[int]) -> None:
    execute_as_owner("UPDATE audit_auditlog SET details = NULL")
    assert problem_texts() == [
        f"Row {pk} was changed: details was erased, but its user was not (seal {1 + place // 3})."
        for place, pk in enumerate(row_ids)
    ]


def test_erased_role_is_reported_even_if_its_user_was_erased() -> None:
    olive = UserFactory.create()
    log.record(Action.ROLE_ADDED, actor=SYSTEM, target=olive, role="ADMIN")
    seals.seal()
    mark_erased(olive)
    execute_as_owner("UPDATE audit_auditlog SET details = NULL WHERE action = 'ROLE_ADDED'")
    assert problem_texts() == [
        f"Row {AuditLog.objects.earliest('pk').pk} was changed: details was erased, but its user was not (seal 1)."
    ]


def test_roles_survive_the_erasure_of_their_user() -> None:
    adam, olive = UserFactory.create(name="Adam"), UserFactory.create(name="Olive")
    log.record(Action.ROLE_ADDED, actor=Actor(ip_address="203.0.113.9").with_user(adam), target=olive, role="ADMIN")
    seals.seal()
    User.objects.filter(pk=olive.pk).update(deleted_at=timezone.now(), is_active=False)
    erasure.erase_user(olive.pk)
    row = AuditLog.objects.get(action=Action.ROLE_ADDED)
    assert (row.target_label, row.details) == (None, {"role": "ADMIN"})
    assert (row.actor_label, row.ip_address) == ("Adam", "203.0.113.9")
    assert problem_texts() == []
    execute_as_owner("UPDATE audit_auditlog SET details = '{\"role\": \"CLIENT\"}' WHERE action = 'ROLE_ADDED'")
    assert problem_texts() == [f"Row {row.pk} was changed: details has a different value (seal 1)."]


def test_chain_stays_valid_after_users_are_erased() -> None:
    create_row()
    actor, target = User.objects.order_by("pk")
    write_rows(3)
    seals.seal()
    for person in (target, actor):
        User.objects.filter(pk=person.pk).update(deleted_at=timezone.now(), is_active=False)
        erasure.erase_user(person.pk)
        assert problem_texts() == []
    assert not AuditLog.objects.exclude(user_agent=None).exists()
    seals.seal()
    result = verification.verify()
    assert (result.problems, result.erased, result.rows) == ([], 4, 6)


def test_erasure_removes_the_salts(row_ids: list[int]) -> None:
    """With the salt, an IP address could be found by brute force."""
    actor, other = User.objects.get(), UserFactory.create()
    log.record(Action.USER_UPDATED, actor=Actor(user=actor), target=other)
    User.objects.filter(pk=actor.pk).update(erased_at=timezone.now())
    personal_data.erase(actor)
    rows = AuditLog.objects.exclude(action=Action.PERSON_ERASED).values_list("actor_salt", "personal_salt")
    assert [(actor is None, personal is None) for actor, personal in rows.order_by("id")] == [(True, True)] * 9 + [
        (True, False)
    ]


def test_row_without_column_digests_is_reported(row_ids: list[int]) -> None:
    """Otherwise, a changed column could not be distinguished from an erased column."""
    execute_as_owner(f"UPDATE audit_auditlog SET column_digests = NULL WHERE id = {row_ids[0]}")
    assert problem_texts() == [f"Row {row_ids[0]} was changed: column_digests has a different value (seal 1)."]


# --- Seals ---

SEAL_CHANGES = {
    "sealed_at": "sealed_at + interval '1 microsecond'",
    **{
        name: f"{name} + 1"
        for name in ("format_version", "last_transaction", "last_id", "floor_id", "max_id", "row_count", "total_rows")
    },
    "cluster": "'x'",
    **dict.fromkeys(("digest", "mac"), r"'\x00'"),
}


@pytest.mark.parametrize("column", SEAL_CHANGES)
def test_changed_seal_is_reported(row_ids: list[int], column: str) -> None:
    execute_as_owner(f"UPDATE audit_auditseal SET {column} = {SEAL_CHANGES[column]} WHERE number = 2")
    assert "Seal 2 was changed or made without the key: its MAC is wrong." in problem_texts()
    assert run_command()[0] == 1


def test_changed_previous_mac_is_reported(row_ids: list[int]) -> None:
    execute_as_owner(r"UPDATE audit_auditseal SET previous_mac = '\x00' WHERE number = 2")
    assert problem_texts()[0].startswith("Seal 2 does not match the previous seal")


def test_changed_leaves_are_reported(row_ids: list[int]) -> None:
    execute_as_owner(
        "UPDATE audit_auditseal SET leaves = set_byte(leaves, 19, 255 - get_byte(leaves, 19)) WHERE number = 2"
    )
    assert problem_texts() == ["Seal 2 was changed: its list of rows does not match its digest."]


def test_removed_seal_is_reported(row_ids: list[int]) -> None:
    execute_as_owner("DELETE FROM audit_auditseal WHERE number = 2")
    assert problem_texts() == ["Seal 2 is missing."]
    execute_as_owner("DELETE FROM audit_auditseal WHERE number = 1")
    assert problem_texts() == ["Seals 1 to 2 are missing."]


def test_bad_rows_after_a_removed_seal_are_reported(row_ids: list[int]) -> None:
    execute_as_owner(
        "DELETE FROM audit_auditseal WHERE number = 2", f"DELETE FROM audit_auditlog WHERE id = {row_ids[7]}"
    )
    assert problem_texts() == ["Seal 2 is missing.", f"Row {row_ids[7]} was deleted (seal 3)."]


def test_removed_seal_with_renumbered_successor_is_reported(row_ids: list[int]) -> None:
    execute_as_owner(
        "DELETE FROM audit_auditseal WHERE number = 2", "UPDATE audit_auditseal SET number = 2 WHERE number = 3"
    )
    assert "Seal 2 was changed or made without the key: its MAC is wrong." in problem_texts()


def test_reordered_seals_are_reported(row_ids: list[int]) -> None:
    execute_as_owner(
        *(f"UPDATE audit_auditseal SET number = {new} WHERE number = {old}" for old, new in ((2, 9), (3, 2), (9, 3)))
    )
    found = problem_texts()
    assert "Seal 2 was changed or made without the key: its MAC is wrong." in found
    assert "Seal 3 was changed or made without the key: its MAC is wrong." in found


def test_inserted_seal_is_reported(row_ids: list[int]) -> None:
    for number in (0, 4):
        copied = ", ".join(field.attname for field in AuditSeal._meta.concrete_fields if field.attname != "number")
        execute_as_owner(
            f"INSERT INTO audit_auditseal (number, {copied}) SELECT {number}, {copied} FROM audit_auditseal WHERE number = 3"
        )
    found = problem_texts()
    assert "Seal 0 was inserted: seal numbers start at 1." in found
    assert "Seal 4 was changed or made without the key: its MAC is wrong." in found


def test_database_rejects_changes_to_seals(row_ids: list[int]) -> None:
    for statement in (
        "UPDATE audit_auditseal SET row_count = 0",
        "DELETE FROM audit_auditseal",
        "TRUNCATE audit_auditseal",
    ):
        with pytest.raises(ProgrammingError, match="append-only"):
            execute(statement)
    with pytest.raises(AppendOnlyError):
        AuditSeal.objects.all().delete()
    with pytest.raises(AppendOnlyError):
        AuditSeal.objects.get(number=1).save()


# --- Rebuilt chains ---


def rebuild_chain(settings: Settings, change: Callable[[], Any], key: str) -> None:
    """Change rows as the database owner could, then seal all rows again with another key."""
    change()
    execute_as_owner("TRUNCATE audit_auditseal")
    settings.AUDIT_SEAL_KEYS = [key]
    seals.seal()
    settings.AUDIT_SEAL_KEYS = [KEY]


def test_chain_rebuilt_with_another_key_is_reported(row_ids: list[int], settings: Settings) -> None:
    rebuild_chain(
        settings,
        lambda: execute_as_owner(f"DELETE FROM audit_auditlog WHERE id = {row_ids[4]}"),
        "the key of an attacker, long enough too",
    )
    found = problem_texts()
    assert found[0].startswith("Seal 1 was made with key ")
    assert len(found) == 3


def test_chain_rebuilt_with_a_forged_key_id_is_reported(row_ids: list[int], settings: Settings) -> None:
    rebuild_chain(
        settings,
        lambda: execute_as_owner(f"DELETE FROM audit_auditlog WHERE id = {row_ids[4]}"),
        "the key of an attacker, long enough too",
    )
    known_key_id = keys.current_key().key_id
    execute_as_owner(f"UPDATE audit_auditseal SET key_id = '{known_key_id}'")
    for seal in AuditSeal.objects.order_by("number"):
        forged = seals.mac(seal, keys.Key(known_key_id, b"the key of an attacker, long enough too", 0))
        execute_as_owner(
            f"UPDATE audit_auditseal SET mac = '\\x{forged.hex()}' WHERE number = {seal.number}",
            f"UPDATE audit_auditseal SET previous_mac = '\\x{forged.hex()}' WHERE number = {seal.number + 1}",
        )
    assert problem_texts()[0] == "Seal 1 was changed or made without the key: its MAC is wrong."


def test_rebuilt_seal_is_reported(row_ids: list[int]) -> None:
    """A row is deleted, and its seal is updated except for the MAC."""
    execute_as_owner(f"DELETE FROM audit_auditlog WHERE id = {row_ids[4]}")
    kept = b"".join(
        map(seals.leaf, AuditLog.objects.filter(pk__in=(row_ids[3], row_ids[5])).order_by("transaction", "id"))
    )
    execute_as_owner(
        f"UPDATE audit_auditseal SET row_count = 2, leaves = '\\x{kept.hex()}', digest = sha256('\\x{kept.hex()}') WHERE number = 2"
    )
    assert problem_texts() == ["Seal 2 was changed or made without the key: its MAC is wrong."]


# --- Checkpoints ---


def test_removed_end_of_the_chain_is_detected_by_a_checkpoint(row_ids: list[int], tmp_path: Path) -> None:
    kept = tmp_path / "checkpoints.txt"
    kept.write_text("".join(f"2026-11-24 INFO: {checkpoints.line(seal)}\r\n" for seal in AuditSeal.objects.all()))
    assert run_command("--checkpoint", str(kept))[0] == 0
    execute_as_owner(
        "DELETE FROM audit_auditseal WHERE number = 3", f"DELETE FROM audit_auditlog WHERE id >= {row_ids[6]}"
    )
    assert run_command()[0] == 0
    code, _, errors = run_command("--checkpoint", str(kept))
    assert code == 1
    assert errors.startswith("Seal 3 has a checkpoint, but the newest seal is 2: the end of the chain was removed.")


def test_resealed_end_of_the_chain_is_detected_by_a_checkpoint(
    row_ids: list[int], settings: Settings, tmp_path: Path
) -> None:
    """After the newest seals are deleted, the sealing job creates new seals. The file is read without an option."""
    path = tmp_path / "checkpoints.txt"
    settings.AUDIT_CHECKPOINTS = [f"file:{path}"]
    checkpoints.send()
    execute_as_owner(
        "DELETE FROM audit_auditseal WHERE number = 3", f"DELETE FROM audit_auditlog WHERE id = {row_ids[7]}"
    )
    assert seals.seal() == [3]
    assert problem_texts() == []
    code, _, errors = run_command()
    assert code == 1
    assert errors.startswith("Seal 3 does not match its checkpoint")


@pytest.mark.parametrize("content", (None, "", "no checkpoint\n"))
def test_file_without_checkpoints_is_rejected(row_ids: list[int], tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content)
    assert run_command("--checkpoint", str(path))[0] == 2


# --- Keys ---


def test_key_can_be_changed(row_ids: list[int], settings: Settings) -> None:
    settings.AUDIT_SEAL_KEYS = [NEXT_KEY, KEY]
    write_rows(2)
    assert seals.seal() == [4]
    assert problem_texts() == []
    settings.AUDIT_SEAL_KEYS = [NEXT_KEY]
    assert problem_texts()[0].startswith("Seal 1 was made with key ")


def test_new_seal_with_an_old_key_is_reported(row_ids: list[int], settings: Settings) -> None:
    """An attacker who knows the old key must not be able to create new seals."""
    settings.AUDIT_SEAL_KEYS = [NEXT_KEY, KEY]
    write_rows(1)
    seals.seal()
    settings.AUDIT_SEAL_KEYS = [KEY]
    write_rows(1)
    seals.seal()
    settings.AUDIT_SEAL_KEYS = [NEXT_KEY, KEY]
    [found] = problem_texts()
    assert found.startswith("Seal 5 was made with an older key")


# --- Partial verification ---


def test_verification_can_start_at_a_later_seal(row_ids: list[int]) -> None:
    execute_as_owner(f"DELETE FROM audit_auditlog WHERE id IN ({row_ids[1]}, {row_ids[7]})")
    assert problem_texts(from_seal=3) == [f"Row {row_ids[7]} was deleted (seal 3)."]
    assert run_command("--from-seal", "3")[0] == 1
    assert not AuditVerification.objects.exists()
    assert run_command("--from-seal", "4")[0] == 2
    assert run_command("--from-seal", "0")[0] == 2


# --- Restored databases ---


def simulate_other_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make existing rows appear to come from another server with greater transaction ids."""
    execute_as_owner("UPDATE audit_auditlog SET transaction = transaction + 1000000")
    real = seals.server()
    monkeypatch.setattr(
        seals, "server", lambda: seals._Server("another", real.ended_below + 1_000_000, real.started_below + 1_000_000)
    )


def test_restored_database_starts_a_new_part_of_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    old = write_rows(7)
    with monkeypatch.context() as other_server:
        simulate_other_server(other_server)
        other_server.setattr(seals, "MAX_SEALS", 2)
        assert seals.seal() == [1, 2]
    # This server's counter is a million behind. One old row is unsealed, and a new row is written before the next run.
    new = write_rows(1)
    assert seals.seal() == [3, 4, 5]
    assert [(seal.row_count, seal.floor_id) for seal in AuditSeal.objects.order_by("number")[2:]] == [
        (1, seals.LOWEST),
        (0, old[-1]),
        (1, old[-1]),
    ]
    code, output, _ = run_command()
    assert code == 0
    assert output.startswith(
        "The database was restored or moved to another server before seal 4.\nVerified 5 seals and 8 rows."
    )
    execute_as_owner(f"DELETE FROM audit_auditlog WHERE id IN ({old[2]}, {new[0]})")
    assert problem_texts() == [f"Row {old[2]} was deleted (seal 1).", f"Row {new[0]} was deleted (seal 5)."]


def test_row_inserted_between_two_parts_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    old = write_rows(3)
    with monkeypatch.context() as other_server:
        simulate_other_server(other_server)
        seals.seal()
    write_rows(1)
    seals.seal()
    execute_as_owner(COPY.format(id=-1, transaction=10**12, like=old[0]))
    assert problem_texts() == ["Row -1 was inserted (before seal 2)."]


def test_database_restored_before_its_first_seal_is_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(2)
    execute_as_owner("UPDATE audit_auditlog SET transaction = transaction + 1000000")
    write_rows(2)
    assert seals.seal() == [1, 2, 3]
    assert problem_texts() == []
    assert seals.state().unsealed == 0


def test_server_returns_its_system_identifier() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
        assert seals.server().cluster == cursor.fetchone()[0]
