"""The database owner can change the audit log, but verification detects it."""

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
from audit.models import AppendOnlyError, AuditLog, AuditSeal, AuditVerification
from audit.sealing import checkpoints, digests, keys, seals, verification
from tests.audit.rows import PERSONAL, a_row, as_owner, run
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

KEY, NEXT_KEY = "the first key of the tests, long enough", "the second key of the tests, long enough"
Action = AuditLog.Action


@pytest.fixture(autouse=True)
def keyed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUDIT_SEAL_KEYS = [KEY]
    settings.AUDIT_CHECKPOINTS = []
    monkeypatch.setattr(seals, "MAX_ROWS", 3)


def write(count: int) -> list[int]:
    """Write rows, each in a transaction of its own, and return their ids."""
    somebody = User.objects.first() or UserFactory.create(name="Olive Owner")
    for number in range(count):
        log.record(
            Action.USER_UPDATED,
            actor=somebody,
            target=somebody,
            origin=log.Origin(AuditLog.Source.REQUEST, None, "203.0.113.9", "Firefox"),
            changes={"name": ("Old", f"New {number}")},
        )
    return sorted(AuditLog.objects.values_list("pk", flat=True))[-count:]


@pytest.fixture
def ids() -> list[int]:
    """Return the ids of nine rows in three seals, the middle one being full, and so are the others."""
    found = write(9)
    assert seals.seal() == [1, 2, 3]
    return found


def problems(**options: Any) -> list[str]:
    return [problem.text for problem in verification.verify(**options).problems]


def verified(*arguments: str) -> tuple[int, str, str]:
    """Run the command, and return its exit code, what it says, and what it complains of."""
    out, err = StringIO(), StringIO()
    try:
        call_command("audit_verify", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), err.getvalue() + str(error)
    return 0, out.getvalue(), err.getvalue()


# --- What is sealed ---


def test_rows_are_sealed_once_and_in_a_chain(ids: list[int]) -> None:
    write(2)
    assert seals.seal() == [4]
    assert seals.seal() == []
    chain = list(AuditSeal.objects.order_by("number"))
    assert [(seal.row_count, seal.total_rows) for seal in chain] == [(3, 3), (3, 6), (3, 9), (2, 11)]
    assert [bytes(seal.previous_mac) for seal in chain] == [b"", *(bytes(seal.mac) for seal in chain[:-1])]
    assert verified() == (
        0,
        "Verified 4 seals and 11 rows. No problems found. 0 newer rows are not sealed yet.\n",
        "",
    )


def test_without_a_key_nothing_is_sealed_and_nothing_verified(settings: Settings) -> None:
    write(1)
    settings.AUDIT_SEAL_KEYS = []
    with pytest.raises(keys.NoKeyError):
        seals.seal()
    assert verified()[0] == 2
    assert not seals.state().is_enabled


def test_the_state_for_the_dashboard(ids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    state = seals.state()
    assert (state.last and state.last.number, state.unsealed, state.unsealed_since) == (3, 0, None)
    assert state.verification is None
    [first, *_] = write(5)
    verified()
    monkeypatch.setattr(seals, "MAX_COUNTED", 4)
    state = seals.state()
    assert (state.unsealed, state.unsealed_since) == (4, AuditLog.objects.get(pk=first).timestamp)
    assert state.verification
    assert state.verification.is_intact
    assert state.verification.row_count == 9


def test_an_empty_log_is_fine() -> None:
    assert seals.seal() == []
    assert problems() == []


def test_every_column_is_sealed_or_personal() -> None:
    """A new column needs a new form, so that old seals stay right."""
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
def test_a_changed_row_is_named(ids: list[int], column: str) -> None:
    as_owner(f'UPDATE audit_auditlog SET "{column}" = {SEALED_COLUMNS[column]} WHERE id = {ids[4]}')
    assert problems() == [f"Row {ids[4]} was changed (seal 2)."]


OTHER_PERSONAL = {
    **dict.fromkeys(("actor_label", "target_label", "user_agent"), "'x'"),
    "details": """'{"name": ["Old", "Newer"]}'""",
    "ip_address": "'203.0.113.10'",
}


@pytest.mark.parametrize("column", OTHER_PERSONAL)
def test_a_changed_personal_column_is_named(ids: list[int], column: str) -> None:
    as_owner(f"UPDATE audit_auditlog SET {column} = {OTHER_PERSONAL[column]} WHERE id = {ids[4]}")
    assert problems() == [f"Row {ids[4]} was changed: {column} has a different value (seal 2)."]


@pytest.mark.parametrize("column", OTHER_PERSONAL)
def test_erasing_one_column_hides_no_change_of_another(ids: list[int], column: str) -> None:
    erased = "user_agent" if column != "user_agent" else "ip_address"
    as_owner(f"UPDATE audit_auditlog SET {erased} = NULL, {column} = {OTHER_PERSONAL[column]} WHERE id = {ids[4]}")
    assert problems() == [f"Row {ids[4]} was changed: {column} has a different value (seal 2)."]


def test_a_salt_that_is_gone_hides_no_change(ids: list[int]) -> None:
    as_owner(f"UPDATE audit_auditlog SET personal_salt = NULL, target_label = 'x' WHERE id = {ids[4]}")
    assert problems() == [f"Row {ids[4]} was changed: target_label has a different value (seal 2)."]


def test_new_digests_of_personal_columns_do_not_help(ids: list[int]) -> None:
    """Whoever changes a personal column can make digests that fit; the seal knows the old ones."""
    row = AuditLog.objects.get(pk=ids[4])
    row.target_label = "Somebody Else"
    parts = digests.column_digests(row)
    text = f"target_label = 'Somebody Else', column_digests = '\\x{parts.hex()}'"
    as_owner(f"UPDATE audit_auditlog SET {text} WHERE id = {ids[4]}")
    assert problems() == [f"Row {ids[4]} was changed: column_digests has a different value (seal 2)."]
    as_owner(
        f"UPDATE audit_auditlog SET personal_digest = '\\x{hashlib.sha256(parts).hexdigest()}' WHERE id = {ids[4]}"
    )
    assert problems() == [f"Row {ids[4]} was changed (seal 2)."]


@pytest.mark.parametrize("place", range(9))
def test_a_deleted_row_is_named(ids: list[int], place: int) -> None:
    as_owner(f"DELETE FROM audit_auditlog WHERE id = {ids[place]}")
    assert problems() == [f"Row {ids[place]} was deleted (seal {place // 3 + 1})."]


def test_a_row_put_elsewhere_is_named(ids: list[int]) -> None:
    as_owner(f"UPDATE audit_auditlog SET transaction = transaction + 1000000 WHERE id = {ids[4]}")
    found = problems()
    assert found[0] == f"Row {ids[4]} was changed: it has a different transaction id (seal 2)."
    assert found[1].startswith(f"Row {ids[4]} was inserted: it claims to belong to a transaction that has not started")


COPY = """
INSERT INTO audit_auditlog (id, timestamp, action, source, target, changed_fields, transaction, personal_digest)
SELECT {id}, timestamp, action, source, target, changed_fields, {transaction}, personal_digest
FROM audit_auditlog WHERE id = {like}
"""


@pytest.mark.parametrize("place", range(9))
def test_an_inserted_row_is_named(ids: list[int], place: int) -> None:
    """With the transaction of a sealed row, and an id that no row has."""
    as_owner(COPY.format(id=-ids[place], transaction="transaction", like=ids[place]))
    assert problems() == [f"Row {-ids[place]} was inserted (seal {place // 3 + 1})."]


@pytest.mark.parametrize("transaction", (-5, 0, 1))
def test_a_row_inserted_before_all_others_is_named(ids: list[int], transaction: int) -> None:
    as_owner(COPY.format(id=10**9, transaction=transaction, like=ids[0]))
    assert problems() == [f"Row {10**9} was inserted (seal 1)."]


def test_a_row_of_a_transaction_to_come_is_named(ids: list[int]) -> None:
    """It would never be sealed, and so never be missed."""
    as_owner(COPY.format(id=10**9, transaction=10**15, like=ids[0]))
    [found] = problems()
    assert found.startswith(f"Row {10**9} was inserted: it claims to belong to a transaction that has not started")


def test_the_first_bad_row_is_named_first_and_all_are_counted(ids: list[int]) -> None:
    as_owner("UPDATE audit_auditlog SET action = 'x'")
    code, _, complaints = verified()
    assert code == 1
    assert complaints.splitlines()[0] == f"Row {ids[0]} was changed (seal 1)."
    stored = AuditVerification.objects.get()
    assert (stored.is_intact, stored.first_bad_seal, stored.first_bad_row) == (False, 1, ids[0])
    assert len(stored.problems) == 9


def test_what_is_not_sealed_is_not_vouched_for(ids: list[int]) -> None:
    [newer] = write(1)
    as_owner(f"UPDATE audit_auditlog SET action = 'x' WHERE id = {newer}")
    assert problems() == []


# --- Erasure ---


@pytest.mark.parametrize("column", PERSONAL)
def test_an_erased_column_is_fine(ids: list[int], column: str) -> None:
    run(f"UPDATE audit_auditlog SET {column} = NULL WHERE id = {ids[4]}")
    result = verification.verify()
    assert (result.problems, result.erased) == ([], 1)


def test_the_chain_stays_valid_when_people_are_erased() -> None:
    a_row()
    actor, target = User.objects.order_by("pk")
    write(3)
    seals.seal()
    for person in (target, actor):
        User.objects.filter(pk=person.pk).update(deleted_at=timezone.now(), is_active=False)
        erasure.erase_user(person.pk)
        assert problems() == []
    assert not AuditLog.objects.exclude(user_agent=None).exists()
    seals.seal()
    result = verification.verify()
    assert (result.problems, result.erased, result.rows) == ([], 4, 6)


def test_erasing_takes_the_salts_along(ids: list[int]) -> None:
    """With the salt, an address could be found by trying all there are."""
    actor, other = User.objects.get(), UserFactory.create()
    log.record(Action.USER_UPDATED, actor=actor, target=other)
    personal_data.erase(actor)
    rows = AuditLog.objects.values_list("actor_salt", "personal_salt")
    assert [(actor is None, personal is None) for actor, personal in rows.order_by("id")] == [(True, True)] * 9 + [
        (True, False)
    ]


def test_rows_from_before_digests_of_each_column_verify_until_they_are_erased() -> None:
    row = a_row()
    row.column_digests = row.actor_salt = None
    old = digests.personal_digest(row).hex()
    as_owner(f"UPDATE audit_auditlog SET column_digests = NULL, actor_salt = NULL, personal_digest = '\\x{old}'")
    seals.seal()
    assert problems() == []
    as_owner("UPDATE audit_auditlog SET target_label = 'x'")
    assert len(problems()) == 1
    run("UPDATE audit_auditlog SET target_label = NULL")
    result = verification.verify()
    assert (result.problems, result.erased) == ([], 1)


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
def test_a_changed_seal_is_named(ids: list[int], column: str) -> None:
    as_owner(f"UPDATE audit_auditseal SET {column} = {SEAL_CHANGES[column]} WHERE number = 2")
    assert "Seal 2 was changed or made without the key: its MAC is wrong." in problems()
    assert verified()[0] == 1


def test_a_changed_link_is_named(ids: list[int]) -> None:
    as_owner(r"UPDATE audit_auditseal SET previous_mac = '\x00' WHERE number = 2")
    assert problems()[0].startswith("Seal 2 does not match the previous seal")


def test_a_changed_list_of_rows_is_named(ids: list[int]) -> None:
    as_owner(r"UPDATE audit_auditseal SET leaves = overlay(leaves placing '\x00' from 20) WHERE number = 2")
    assert problems() == ["Seal 2 was changed: its list of rows does not match its digest."]


def test_a_removed_seal_is_named(ids: list[int]) -> None:
    as_owner("DELETE FROM audit_auditseal WHERE number = 2")
    assert problems() == ["Seal 2 is missing."]
    as_owner("DELETE FROM audit_auditseal WHERE number = 1")
    assert problems() == ["Seals 1 to 2 are missing."]


def test_a_removed_seal_is_named_with_rows_that_are_wrong_behind_it(ids: list[int]) -> None:
    as_owner("DELETE FROM audit_auditseal WHERE number = 2", f"DELETE FROM audit_auditlog WHERE id = {ids[7]}")
    assert problems() == ["Seal 2 is missing.", f"Row {ids[7]} was deleted (seal 3)."]


def test_a_seal_removed_by_counting_on_is_named(ids: list[int]) -> None:
    as_owner("DELETE FROM audit_auditseal WHERE number = 2", "UPDATE audit_auditseal SET number = 2 WHERE number = 3")
    assert "Seal 2 was changed or made without the key: its MAC is wrong." in problems()


def test_reordered_seals_are_named(ids: list[int]) -> None:
    as_owner(
        *(f"UPDATE audit_auditseal SET number = {new} WHERE number = {old}" for old, new in ((2, 9), (3, 2), (9, 3)))
    )
    found = problems()
    assert "Seal 2 was changed or made without the key: its MAC is wrong." in found
    assert "Seal 3 was changed or made without the key: its MAC is wrong." in found


def test_an_inserted_seal_is_named(ids: list[int]) -> None:
    for number in (0, 4):
        copied = ", ".join(field.attname for field in AuditSeal._meta.concrete_fields if field.attname != "number")
        as_owner(
            f"INSERT INTO audit_auditseal (number, {copied}) SELECT {number}, {copied} FROM audit_auditseal WHERE number = 3"
        )
    found = problems()
    assert "Seal 0 was inserted: seal numbers start at 1." in found
    assert "Seal 4 was changed or made without the key: its MAC is wrong." in found


def test_the_database_refuses_to_change_seals(ids: list[int]) -> None:
    for statement in (
        "UPDATE audit_auditseal SET row_count = 0",
        "DELETE FROM audit_auditseal",
        "TRUNCATE audit_auditseal",
    ):
        with pytest.raises(ProgrammingError, match="append-only"):
            run(statement)
    with pytest.raises(AppendOnlyError):
        AuditSeal.objects.all().delete()
    with pytest.raises(AppendOnlyError):
        AuditSeal.objects.get(number=1).save()


# --- One who makes the chain anew ---


def made_anew(settings: Settings, change: Callable[[], Any], key: str) -> None:
    """Change rows as the owner, then seal all of them again, as this very code does, with a key of one's own."""
    change()
    as_owner("TRUNCATE audit_auditseal")
    settings.AUDIT_SEAL_KEYS = [key]
    seals.seal()
    settings.AUDIT_SEAL_KEYS = [KEY]


def test_a_chain_that_is_made_anew_without_the_key_is_named(ids: list[int], settings: Settings) -> None:
    made_anew(
        settings,
        lambda: as_owner(f"DELETE FROM audit_auditlog WHERE id = {ids[4]}"),
        "a key of one's own, long enough too",
    )
    found = problems()
    assert found[0].startswith("Seal 1 was made with key ")
    assert len(found) == 3


def test_so_is_enablede_that_claims_to_be_made_with_the_key(ids: list[int], settings: Settings) -> None:
    made_anew(
        settings,
        lambda: as_owner(f"DELETE FROM audit_auditlog WHERE id = {ids[4]}"),
        "a key of one's own, long enough too",
    )
    mine = keys.current_key().key_id
    as_owner(f"UPDATE audit_auditseal SET key_id = '{mine}'")
    for seal in AuditSeal.objects.order_by("number"):
        forged = seals.mac(seal, keys.Key(mine, b"a key of one's own, long enough too", 0))
        as_owner(
            f"UPDATE audit_auditseal SET mac = '\\x{forged.hex()}' WHERE number = {seal.number}",
            f"UPDATE audit_auditseal SET previous_mac = '\\x{forged.hex()}' WHERE number = {seal.number + 1}",
        )
    assert problems()[0] == "Seal 1 was changed or made without the key: its MAC is wrong."


def test_one_seal_made_anew_is_named(ids: list[int]) -> None:
    """A row is deleted, and its seal made to fit, but for the mac."""
    as_owner(f"DELETE FROM audit_auditlog WHERE id = {ids[4]}")
    kept = b"".join(map(seals.leaf, AuditLog.objects.filter(pk__in=(ids[3], ids[5])).order_by("transaction", "id")))
    as_owner(
        f"UPDATE audit_auditseal SET row_count = 2, leaves = '\\x{kept.hex()}', digest = sha256('\\x{kept.hex()}') WHERE number = 2"
    )
    assert problems() == ["Seal 2 was changed or made without the key: its MAC is wrong."]


# --- Checkpoints ---


def test_a_chain_whose_end_was_cut_off_needs_a_checkpoint(ids: list[int], tmp_path: Path) -> None:
    kept = tmp_path / "checkpoints.txt"
    kept.write_text("".join(f"2026-11-24 INFO: {checkpoints.line(seal)}\r\n" for seal in AuditSeal.objects.all()))
    assert verified("--checkpoint", str(kept))[0] == 0
    as_owner("DELETE FROM audit_auditseal WHERE number = 3", f"DELETE FROM audit_auditlog WHERE id >= {ids[6]}")
    assert verified()[0] == 0
    code, _, complaints = verified("--checkpoint", str(kept))
    assert code == 1
    assert complaints.startswith("Seal 3 has a checkpoint, but the newest seal is 2: the end of the chain was removed.")


def test_an_end_that_was_sealed_anew_with_the_key_needs_a_checkpoint(
    ids: list[int], settings: Settings, tmp_path: Path
) -> None:
    """The sealing job does so by itself for whoever deletes the newest seals. The file is looked into by itself."""
    path = tmp_path / "checkpoints.txt"
    settings.AUDIT_CHECKPOINTS = [f"file:{path}"]
    checkpoints.send()
    as_owner("DELETE FROM audit_auditseal WHERE number = 3", f"DELETE FROM audit_auditlog WHERE id = {ids[7]}")
    assert seals.seal() == [3]
    assert problems() == []
    code, _, complaints = verified()
    assert code == 1
    assert complaints.startswith("Seal 3 does not match its checkpoint")


@pytest.mark.parametrize("content", (None, "", "nothing of the kind\n"))
def test_a_file_without_checkpoints_is_no_proof(ids: list[int], tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content)
    assert verified("--checkpoint", str(path))[0] == 2


# --- Keys ---


def test_keys_can_be_changed(ids: list[int], settings: Settings) -> None:
    settings.AUDIT_SEAL_KEYS = [NEXT_KEY, KEY]
    write(2)
    assert seals.seal() == [4]
    assert problems() == []
    settings.AUDIT_SEAL_KEYS = [NEXT_KEY]
    assert problems()[0].startswith("Seal 1 was made with key ")


def test_an_old_key_seals_no_more(ids: list[int], settings: Settings) -> None:
    """Whoever has found the old key must not be able to go on with it."""
    settings.AUDIT_SEAL_KEYS = [NEXT_KEY, KEY]
    write(1)
    seals.seal()
    settings.AUDIT_SEAL_KEYS = [KEY]
    write(1)
    seals.seal()
    settings.AUDIT_SEAL_KEYS = [NEXT_KEY, KEY]
    [found] = problems()
    assert found.startswith("Seal 5 was made with an older key")


# --- Part of the chain ---


def test_one_can_begin_later(ids: list[int]) -> None:
    as_owner(f"DELETE FROM audit_auditlog WHERE id IN ({ids[1]}, {ids[7]})")
    assert problems(from_seal=3) == [f"Row {ids[7]} was deleted (seal 3)."]
    assert verified("--from-seal", "3")[0] == 1
    assert not AuditVerification.objects.exists()
    assert verified("--from-seal", "4")[0] == 2
    assert verified("--from-seal", "0")[0] == 2


# --- Another server ---


def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it look as if the rows had been written on a server that was much further, and is not this one."""
    as_owner("UPDATE audit_auditlog SET transaction = transaction + 1000000")
    real = seals.server()
    monkeypatch.setattr(
        seals, "server", lambda: seals._Server("another", real.ended_below + 1_000_000, real.started_below + 1_000_000)
    )


def test_a_restored_database_goes_on_with_a_new_part(monkeypatch: pytest.MonkeyPatch) -> None:
    old = write(7)
    with monkeypatch.context() as elsewhere:
        restored(elsewhere)
        elsewhere.setattr(seals, "MAX_SEALS", 2)
        assert seals.seal() == [1, 2]
    # Here the counter is a million behind, one old row is left, and a new one is there before anybody seals.
    new = write(1)
    assert seals.seal() == [3, 4, 5]
    assert [(seal.row_count, seal.floor_id) for seal in AuditSeal.objects.order_by("number")[2:]] == [
        (1, seals.LOWEST),
        (0, old[-1]),
        (1, old[-1]),
    ]
    code, said, _ = verified()
    assert code == 0
    assert said.startswith(
        "The database was restored or moved to another server before seal 4.\nVerified 5 seals and 8 rows."
    )
    as_owner(f"DELETE FROM audit_auditlog WHERE id IN ({old[2]}, {new[0]})")
    assert problems() == [f"Row {old[2]} was deleted (seal 1).", f"Row {new[0]} was deleted (seal 5)."]


def test_nothing_hides_between_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    old = write(3)
    with monkeypatch.context() as elsewhere:
        restored(elsewhere)
        seals.seal()
    write(1)
    seals.seal()
    as_owner(COPY.format(id=-1, transaction=10**12, like=old[0]))
    assert problems() == ["Row -1 was inserted (before seal 2)."]


def test_a_database_restored_before_its_first_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    write(2)
    as_owner("UPDATE audit_auditlog SET transaction = transaction + 1000000")
    write(2)
    assert seals.seal() == [1, 2, 3]
    assert problems() == []
    assert seals.state().unsealed == 0


def test_the_server_names_itself() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
        assert seals.server().cluster == cursor.fetchone()[0]
