"""The admin pages for imports: state, figures, refused lines and their download."""

import csv
import io
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.admin import imports
from accounts.imports import services
from accounts.models import ImportedAccount, RefusedLine, User, UserImport
from tests.accounts.imports.test_import_users import HEADER, generated, run, write
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db
LIST = "/admin/accounts/userimport/"


@pytest.fixture
def browser() -> Client:
    return signed_in(UserFactory.create(name="Adam", admin=True))


def page(browser: Client, found: UserImport) -> str:
    response = browser.get(f"{LIST}{found.pk}/change/")
    assert response.status_code == 200
    return response.content.decode()


def figures(browser: Client, found: UserImport) -> list[int]:
    return [number for _, number, _ in browser.get(f"{LIST}{found.pk}/change/").context["figures"]]


def download(browser: Client, found: UserImport) -> list[list[str]]:
    response = browser.get(f"{LIST}{found.pk}/refused/")
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")
    return list(csv.reader(io.StringIO(response.getvalue().decode())))


def test_import_shows_its_figures_and_refused_lines(browser: Client, tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}a@example.com,Ada,\nnobody,Ben,\na@example.com,Cleo,\n", "people.csv")
    run(path)
    found = UserImport.objects.get()
    assert figures(browser, found) == [1, 2, 0, 0]
    text = page(browser, found)
    assert "Line 3: email is missing or is not an email address." in " ".join(text.split())
    assert "finished" in text
    assert "people.csv" in text
    reported = [["line", "reason"], ["3", "email is missing or is not an email address."]]
    assert download(browser, found) == [*reported, ["4", "Line 2 has the same email address."]]
    assert (tmp_path / "people.csv.refused.csv").read_text().splitlines()[1:] == [
        ",".join(row) for row in download(browser, found)[1:]
    ]


def test_figures_count_sign_ups_and_invitations(browser: Client, tmp_path: Path) -> None:
    run(write(tmp_path, generated(4)))
    first, second, third, _ = ImportedAccount.objects.order_by("line")
    User.objects.filter(pk=first.user_id).update(clerk_id="user_2first")
    ImportedAccount.objects.filter(pk__in=[first.pk, second.pk]).update(invited_at=timezone.now())
    ImportedAccount.objects.filter(pk=third.pk).update(invitation_error="Clerk answered with 422.")
    assert figures(browser, UserImport.objects.get()) == [4, 0, 1, 2]
    assert "Rejected by Clerk: 1" in page(browser, UserImport.objects.get())


def test_interrupted_import_explains_how_to_continue(browser: Client) -> None:
    found = UserImport.objects.create(digest="d" * 64, file="<b>people</b>.csv", last_line=501, created=500)
    text = " ".join(page(browser, found).split())
    assert "imported up to line 501. If the command is no longer running" in text
    assert "No lines were refused." in text
    assert "&lt;b&gt;people&lt;/b&gt;.csv" in text
    assert "Not finished" in browser.get(LIST).content.decode()


def test_resumed_import_stores_each_refused_line_once(
    browser: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.imports.services.BATCH_SIZE", 2)
    path = write(tmp_path, f"{HEADER}a@example.com,A,\nnobody,B,\nb@example.com,C,\nnothing,D,\n")
    calls: list[int] = []

    def stop(position: int) -> None:
        calls.append(position)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        services.run_import(services.find_run(path), path, tmp_path / "accounts.csv.refused.csv", stop)
    assert list(RefusedLine.objects.values_list("line", flat=True)) == [3]
    run(path)
    assert list(RefusedLine.objects.order_by("line").values_list("line", flat=True)) == [3, 5]


def test_page_shows_only_the_first_lines(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MAX_LINES", 2)
    found = UserImport.objects.create(digest="d" * 64, refused=3)
    RefusedLine.objects.bulk_create(RefusedLine(run=found, line=line, reason="Wrong") for line in (2, 3, 4))
    text = " ".join(page(browser, found).split())
    assert "Only the first 2 lines are shown." in text
    assert "Line 4:" not in text
    assert [row[0] for row in download(browser, found)] == ["line", "2", "3", "4"]


def test_imports_are_filtered_and_searched(browser: Client) -> None:
    done = UserImport.objects.create(digest="a" * 64, file="done.csv", finished_at=timezone.now())
    open_import = UserImport.objects.create(digest="b" * 64, file="open.csv")
    for query, expected in (("finished=yes", {done}), ("finished=no", {open_import}), ("q=open", {open_import})):
        assert set(browser.get(f"{LIST}?{query}").context["cl"].result_list) == {*expected}


def test_page_needs_a_fixed_number_of_queries(
    browser: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    found = UserImport.objects.create(digest="d" * 64)
    browser.get(f"{LIST}{found.pk}/change/")
    with django_assert_num_queries(6):
        browser.get(f"{LIST}{found.pk}/change/")
