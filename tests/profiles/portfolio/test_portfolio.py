"""The portfolio: display, editing, conflicts and order."""

import re
import threading
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from audit.log import Actor
from audit.models import AuditLog
from profiles.editing.versions import version_of
from profiles.forms.sections import LinksForm, ProjectForm
from profiles.models import MAX_PROJECTS, BuilderProfile, Project
from profiles.portfolio import services as portfolio
from profiles.portfolio.services import PROJECT_FIELDS
from tests.helpers.clients import HTMX, impersonating, signed_in
from tests.helpers.factories import BuilderProfileFactory, ProjectFactory, UserFactory
from tests.helpers.images import upload

pytestmark = pytest.mark.django_db

TYPED = {
    "title": "Ledger",
    "description": "Keeps the books of small shops.",
    "url": "https://ledger.example.com/?a=1&b=2",
    "technologies": "Django, htmx",
    "status": "demo",
}


@pytest.fixture
def page(media: Path) -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(user__name="Olive Owner")
    return profile


@pytest.fixture
def olive(page: BuilderProfile) -> Client:
    return signed_in(page.user)


def url(page: BuilderProfile, rest: str) -> str:
    return f"/builders/{page.slug}/portfolio/{rest}/"


def add(page: BuilderProfile, browser: Client, **typed: Any) -> Any:
    return browser.post(url(page, "new"), TYPED | typed)


def change(project: Project, browser: Client, **typed: Any) -> Any:
    version = version_of(Project.objects.get(pk=project.pk), PROJECT_FIELDS)
    return browser.post(url(project.builder, f"{project.pk}/edit"), {"version": version} | TYPED | typed)


def titles(page: BuilderProfile) -> list[str]:
    return list(page.projects.values_list("title", flat=True))


def shown_titles(browser: Client, page: BuilderProfile) -> str:
    return browser.get(f"/builders/{page.slug}/").content.decode()


def files(media: Path) -> list[str]:
    return sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())


def public_files(media: Path) -> list[str]:
    """Return the files, excluding removed images kept for the section history."""
    return [name for name in files(media) if not name.startswith("removed/")]


# --- Display ---


def test_visitors_see_each_project(client: Client, page: BuilderProfile, olive: Client) -> None:
    add(page, olive, image=upload(), image_alt="The books of a shop")
    text = shown_titles(client, page)
    project = page.projects.get()
    cover = project.cover
    assert cover
    for text_part in ("Ledger", "Keeps the books of small shops.", "Demo", "Django", "htmx", "#status-demo"):
        assert text_part in text
    assert f'src="{cover.image.url}" alt="The books of a shop" width="320" height="240"' in text
    assert f'href="{escape(TYPED["url"])}" rel="nofollow noopener ugc"' in text


def test_visitors_do_not_see_controls_or_an_empty_portfolio(client: Client, page: BuilderProfile) -> None:
    assert "section-portfolio" not in shown_titles(client, page)
    ProjectFactory.create(builder=page)
    for browser in (client, signed_in(UserFactory.create(builder=True))):
        text = shown_titles(browser, page)
        assert "section-portfolio" in text
        assert not [word for word in ("/portfolio/", "/picture/", "reorder.js", "Add a project") if word in text]


def test_empty_portfolio_shows_an_invitation_to_its_owner(page: BuilderProfile, olive: Client) -> None:
    assert "Add a project. Clients look at projects first." in shown_titles(olive, page)
    add(page, olive)
    assert "Add a project. Clients look at projects first." not in shown_titles(olive, page)


def test_portfolio_takes_one_query(
    client: Client, page: BuilderProfile, olive: Client, media: Path, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        add(page, olive, title=f"Project {number}", image=upload(), image_alt="A map")
    for file in media.rglob("*.webp"):
        file.unlink()  # Image sizes come from the database.
    with django_assert_num_queries(3):  # Queries for the profile, its projects and its badges.
        shown_titles(client, page)


@pytest.mark.parametrize("field", ("title", "description", "technologies", "image_alt"))
def test_markup_is_escaped(client: Client, page: BuilderProfile, olive: Client, field: str) -> None:
    hostile = '<script>alert("x")</script>'
    add(page, olive, image=upload(), **{"image_alt": "A map"} | {field: hostile})
    text = shown_titles(client, page)
    assert "alert(" not in re.sub("alert\\(&quot;x&quot;\\)", "", text)
    assert escape(hostile) in text


# --- Adding ---


def test_adding_redirects_to_the_project(page: BuilderProfile, olive: Client) -> None:
    ProjectFactory.create(builder=page, position=7)
    response = add(page, olive)
    project = page.projects.last()
    assert project is not None
    assert (response.status_code, response["Location"]) == (302, f"/builders/{page.slug}/#project-{project.pk}")
    assert (project.title, project.technologies, project.position) == ("Ledger", ["Django", "htmx"], 8)
    assert "Saved." in shown_titles(olive, page)


def test_htmx_swaps_in_the_form_and_the_project(page: BuilderProfile) -> None:
    browser = signed_in(page.user, headers=HTMX)
    form = browser.get(url(page, "new")).content.decode().strip()
    assert form.startswith('<div id="project-new"')
    assert form.endswith("</form>\n      </div>")
    response = add(page, browser).content.decode().strip()
    assert response.startswith(f'<article class="project" id="project-{page.projects.get().pk}"')
    assert 'id="project-new"' in response
    assert 'id="portfolio-order" hx-swap-oob="true"' in response


def test_double_submit_adds_one_project(page: BuilderProfile, olive: Client, media: Path) -> None:
    token = re.search('name="form_token" value="([^"]+)"', olive.get(url(page, "new")).content.decode())
    assert token
    locations = {add(page, olive, form_token=token[1], image=upload(), image_alt="A map")["Location"] for _ in range(2)}
    assert len(locations) == len(titles(page)) == AuditLog.objects.count() == 1


def test_resubmitted_form_with_other_values_adds_another_project(page: BuilderProfile, olive: Client) -> None:
    token = str(uuid4())
    for title in ("Ledger", "Ledger for shops"):
        add(page, olive, form_token=token, title=title)
    assert titles(page) == ["Ledger", "Ledger for shops"]


def test_invalid_token_is_ignored(page: BuilderProfile, olive: Client) -> None:
    for title in ("Ledger", "Map"):
        assert add(page, olive, title=title, form_token="not a uuid").status_code == 302
    assert titles(page) == ["Ledger", "Map"]


def test_tokens_are_scoped_to_a_profile(page: BuilderProfile) -> None:
    token, other = str(uuid4()), BuilderProfileFactory.create()
    for profile in (page, other):
        add(profile, signed_in(profile.user), form_token=token)
    assert Project.objects.count() == 2


def test_full_portfolio_rejects_another_project(page: BuilderProfile, olive: Client, media: Path) -> None:
    ProjectFactory.create_batch(MAX_PROJECTS, builder=page)
    full = "A portfolio can have up to 24 projects. Delete one to add another."
    assert full in olive.get(url(page, "new")).content.decode()
    response = add(page, olive, image=upload(), image_alt="A map")
    assert response.status_code == 422
    assert full in response.content.decode()
    assert (len(titles(page)), files(media)) == (MAX_PROJECTS, [])


@pytest.mark.parametrize(
    ("typed", "stored"),
    (("example.com/x", "https://example.com/x"), ("http://例え.jp", "http://例え.jp"), ("", "")),
)
def test_link_has_the_same_rules_as_the_links_section(page: BuilderProfile, typed: str, stored: str) -> None:
    olive = signed_in(page.user)
    assert add(page, olive, url=typed).status_code == 302
    assert Project.objects.get().url == stored
    widget = ProjectForm(instance=Project()).fields["url"].widget
    assert widget.input_type == "text"  # A URL input would require a scheme and accept any scheme.
    assert widget.attrs["data-pattern"] == LinksForm.base_fields["links"].widget.attrs["data-pattern"]


@pytest.mark.parametrize(
    ("typed", "error"),
    (
        ({"title": " \u200e\x00 "}, "Enter a title."),
        ({"title": "x" * 121}, "Use 120 characters or fewer. You entered 121."),
        ({"description": "x" * 1001}, "Use 1000 characters or fewer. You entered 1001."),
        ({"url": "javascript:alert(1)"}, "is not a valid URL. Enter a full URL that starts with https://"),
        ({"url": "ftp://example.com/x"}, "is not a valid URL. Enter a full URL that starts with https://"),
        ({"url": "data:text/html,x"}, "is not a valid URL. Enter a full URL that starts with https://"),
        ({"technologies": ",".join(map(str, range(13)))}, "Enter at most 12. You entered 13."),
        ({"technologies": "x" * 10_000}, "characters. Use 40 or fewer."),
        ({"status": "dead"}, "Choose one of the options."),
        ({"image": upload(b"<svg/>")}, "SVG files are not supported."),
        ({"image": upload()}, "Enter an image description."),
    ),
)
@pytest.mark.parametrize("headers", (HTMX, {}))
def test_invalid_form_keeps_submitted_values(
    page: BuilderProfile, media: Path, typed: dict[str, Any], error: str, headers: dict[str, str]
) -> None:
    if "image" in typed:
        typed["image"].seek(0)
    response = add(page, signed_in(page.user, headers=headers), **typed)
    text = response.content.decode()
    assert response.status_code == 422
    assert error in text
    assert "Keeps the books of small shops." in text or "description" in typed
    assert (titles(page), files(media), AuditLog.objects.count()) == ([], [], 0)


# --- Changing ---


def test_owner_changes_a_project(page: BuilderProfile, olive: Client) -> None:
    project = ProjectFactory.create(builder=page, title="Old title")
    assert "Old title" in olive.get(url(page, f"{project.pk}/edit")).content.decode()
    response = change(project, olive)
    assert response["Location"] == f"/builders/{page.slug}/#project-{project.pk}"
    assert titles(page) == ["Ledger"]


def test_htmx_swaps_only_the_saved_project(page: BuilderProfile) -> None:
    project, other = ProjectFactory.create(builder=page), ProjectFactory.create(builder=page)
    response = change(project, signed_in(page.user, headers=HTMX)).content.decode().strip()
    assert response.startswith(f'<article class="project" id="project-{project.pk}"')
    assert f'id="project-{other.pk}"' not in response
    assert 'id="project-new"' not in response


@pytest.mark.parametrize("headers", (HTMX, {}))
def test_edit_conflict_shows_both_versions(page: BuilderProfile, media: Path, headers: dict[str, str]) -> None:
    project = ProjectFactory.create(builder=page, title="Ledgers")
    browser, version = signed_in(page.user, headers=headers), version_of(project, PROJECT_FIELDS)
    change(project, signed_in(UserFactory.create(admin=True)), title="Ledger by Adam")
    response = change(project, browser, version=version, title="Ledger by Olive")
    text = response.content.decode()
    assert response.status_code == 409
    assert "This project was changed while you were editing it." in text
    assert "The portfolio was last changed by an admin," in text
    assert "Ledger by Adam" in text
    assert 'value="Ledger by Olive"' in text
    assert titles(page) == ["Ledger by Adam"]
    new_version = re.search('name="version" value="([^"]+)"', text)
    assert new_version
    change(project, browser, version=new_version[1], title="Ledger by Olive")
    assert titles(page) == ["Ledger by Olive"]


def test_identical_changes_are_not_a_conflict(page: BuilderProfile, olive: Client) -> None:
    project = ProjectFactory.create(builder=page)
    version = version_of(project, PROJECT_FIELDS)
    assert [change(project, olive, version=version).status_code for _ in range(2)] == [302, 302]
    assert AuditLog.objects.count() == 1


@pytest.mark.parametrize("headers", (HTMX, {}))
def test_form_of_deleted_project_can_be_saved_as_a_new_project(page: BuilderProfile, headers: dict[str, str]) -> None:
    browser = signed_in(page.user, headers=headers)
    response = browser.post(url(page, "999999/edit"), TYPED)
    text = response.content.decode()
    assert response.status_code == 409
    assert "This project was deleted while you were editing it." in text
    assert 'value="Ledger"' in text
    assert f'action="{url(page, "new")}"' in text


# --- Deleting ---


def test_deleting_asks_for_confirmation(page: BuilderProfile, olive: Client) -> None:
    project = ProjectFactory.create(builder=page, title="Ledger & Sons")
    assert (
        "“Ledger &amp; Sons” will be deleted. You can restore it for 30 days."
        in olive.get(url(page, f"{project.pk}/delete")).content.decode()
    )
    assert titles(page) == ["Ledger & Sons"]


def test_deleting_twice_is_not_an_error(
    page: BuilderProfile, olive: Client, media: Path, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    add(page, olive, image=upload(), image_alt="A map")
    project = page.projects.get()
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            response = olive.post(url(page, f"{project.pk}/delete"))
        assert response["Location"] == f"/builders/{page.slug}/#section-portfolio"
    assert (titles(page), public_files(media), AuditLog.objects.count()) == ([], [], 2)


def test_htmx_replaces_the_deleted_project_with_a_message(page: BuilderProfile) -> None:
    project = ProjectFactory.create(builder=page, title="Ledger")
    response = signed_in(page.user, headers=HTMX).post(url(page, f"{project.pk}/delete")).content.decode()
    assert "“Ledger” deleted." in response
    assert 'id="portfolio-order" hx-swap-oob="true"' in response


@pytest.mark.parametrize("action", ("edit", "delete"))
def test_other_builders_projects_return_404(page: BuilderProfile, olive: Client, action: str) -> None:
    theirs = ProjectFactory.create(title="Theirs")
    assert olive.get(url(page, f"{theirs.pk}/{action}")).status_code == 404
    olive.post(url(page, f"{theirs.pk}/{action}"), TYPED)
    assert titles(theirs.builder) == ["Theirs"]


# --- Order ---


@pytest.fixture
def three_projects(page: BuilderProfile) -> list[int]:
    """Return the ids of the projects A, B and C."""
    return [ProjectFactory.create(builder=page, title=title).pk for title in "ABC"]


def reorder(page: BuilderProfile, *ids: Any, browser: Client | None = None, **fields: Any) -> Any:
    browser = browser or signed_in(page.user, headers=HTMX)
    return browser.post(url(page, "order"), {"project": ids, **fields})


def test_order_is_saved(page: BuilderProfile, three_projects: list[int]) -> None:
    a, b, c = three_projects
    assert reorder(page, c, a, b).status_code == 204
    assert titles(page) == ["C", "A", "B"]
    assert AuditLog.objects.get().details == {"portfolio": [["A", "B", "C"], ["C", "A", "B"]]}


@pytest.mark.parametrize(("click", "expected"), ((("up", 2), "ACB"), (("down", 0), "BAC"), (("up", 0), "ABC")))
def test_buttons_move_a_project_without_javascript(
    page: BuilderProfile, three_projects: list[int], olive: Client, click: tuple[str, int], expected: str
) -> None:
    response = reorder(page, *three_projects, browser=olive, **{click[0]: three_projects[click[1]]})
    assert response["Location"] == f"/builders/{page.slug}/?arrange=1#portfolio-order"
    assert "".join(titles(page)) == expected
    assert re.search(r"<details\s+open>", olive.get(response["Location"]).content.decode())


def test_order_posted_before_an_addition_keeps_the_new_project(page: BuilderProfile, three_projects: list[int]) -> None:
    ProjectFactory.create(builder=page, title="D")
    reorder(page, *reversed(three_projects))
    assert titles(page) == ["C", "B", "A", "D"]


def test_order_posted_before_a_deletion_applies_to_the_rest(page: BuilderProfile, three_projects: list[int]) -> None:
    Project.objects.filter(pk=three_projects[1]).delete()
    reorder(page, *reversed(three_projects))
    assert titles(page) == ["C", "A"]


def test_ids_of_other_portfolios_are_ignored(page: BuilderProfile, three_projects: list[int]) -> None:
    theirs = ProjectFactory.create(position=40)
    a, b, c = three_projects
    reorder(page, theirs.pk, c, c, a, b)
    theirs.refresh_from_db()
    assert (titles(page), theirs.position) == (["C", "A", "B"], 40)
    reorder(page, up=theirs.pk)
    assert titles(page) == ["C", "A", "B"]


@pytest.mark.parametrize("ids", ((), ("",), ("x",), ("-1",), ("1e3",), ("٣",), ("9" * 30,), ("1,2",), ("\x00",)))
def test_invalid_order_is_rejected(page: BuilderProfile, three_projects: list[int], ids: tuple[str, ...]) -> None:
    assert reorder(page, *ids).status_code == 422
    assert (titles(page), AuditLog.objects.count()) == (["A", "B", "C"], 0)


def test_unchanged_order_writes_no_audit_row(page: BuilderProfile, three_projects: list[int]) -> None:
    assert reorder(page, *three_projects).status_code == 204
    assert AuditLog.objects.count() == 0


# --- The audit log ---


def test_audit_log_has_every_change_without_file_content(page: BuilderProfile) -> None:
    adam = UserFactory.create(admin=True)
    browser = impersonating(page.user, adam)
    browser.post(f"/builders/{page.slug}/picture/", {"image": upload()})
    add(page, browser, image=upload(), image_alt="A map")
    project = page.projects.get()
    change(project, browser, title="Ledger 2")
    browser.post(url(page, f"{project.pk}/delete"))
    rows = list(AuditLog.objects.order_by("id"))
    assert {(row.action, row.actor, row.subject, row.impersonator) for row in rows} == {
        ("PROFILE_UPDATED", page.user, page.user, adam.clerk_id)
    }
    page.refresh_from_db()
    portrait, added, changed, deleted = (row.details or {} for row in rows)
    assert portrait == {"image": ["", page.image.name]}
    assert added["portfolio"][0] is deleted["portfolio"][1] is None
    assert added["portfolio"][1]["title"] == "Ledger"
    assert added["portfolio"][1]["images"][0].startswith("projects/")
    assert changed == {"portfolio": [{"title": "Ledger"}, {"title": "Ledger 2"}]}
    assert deleted["portfolio"][0]["title"] == "Ledger 2"


# --- Concurrency ---


@pytest.mark.django_db(transaction=True)
def test_simultaneous_forms_add_one_project_and_respect_the_limit(page: BuilderProfile) -> None:
    ProjectFactory.create_batch(MAX_PROJECTS - 2, builder=page)
    token = uuid4()
    values = {"title": "Ledger", "description": "", "url": "", "technologies": [], "status": "live"}

    def send(number: int) -> None:
        try:
            portfolio.add(page, values, token=token if number < 4 else uuid4(), actor=Actor(user=page.user))
        except ValidationError:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert page.projects.filter(form_token=token).count() <= 1
    assert page.projects.count() == MAX_PROJECTS


@pytest.mark.django_db(transaction=True)
def test_stored_image_is_deleted_if_the_transaction_fails(
    page: BuilderProfile, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("writing the audit row failed")

    monkeypatch.setattr("audit.log.record", fail)
    with pytest.raises(RuntimeError):
        add(page, signed_in(page.user), image=upload(), image_alt="A map")
    assert (titles(page), files(media)) == ([], [])
