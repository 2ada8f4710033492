"""The portfolio: what visitors see of it, and how those who may change it do."""

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

from audit.log import SYSTEM
from audit.models import AuditLog
from profiles.forms.sections import LinksForm, ProjectForm
from profiles.models import MAX_PROJECTS, BuilderProfile, Project
from profiles.portfolio import services as portfolio
from profiles.portfolio.services import version_of
from tests.helpers.clients import HTMX, impersonating, signed_in
from tests.helpers.factories import BuilderProfileFactory, ProjectFactory, UserFactory
from tests.helpers.images import image_file, upload

pytestmark = pytest.mark.django_db

TYPED = {
    "title": "Ledger",
    "description": "Keeps the books of small shops.",
    "url": "https://ledger.example.com/?a=1&b=2",
    "technologies": "Django, htmx",
    "status": "demo",
    "image_alt": "",
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
    version = version_of(Project.objects.get(pk=project.pk))
    return browser.post(url(project.builder, f"{project.pk}/edit"), {"version": version} | TYPED | typed)


def titles(page: BuilderProfile) -> list[str]:
    return list(page.projects.values_list("title", flat=True))


def shown(browser: Client, page: BuilderProfile) -> str:
    return browser.get(f"/builders/{page.slug}/").content.decode()


def files(media: Path) -> list[str]:
    return sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())


# --- What visitors see ---


def test_visitors_see_each_project(client: Client, page: BuilderProfile, olive: Client) -> None:
    add(page, olive, image=upload(), image_alt="The books of a shop")
    text = shown(client, page)
    project = page.projects.get()
    for words in ("Ledger", "Keeps the books of small shops.", "Demo", "Django", "htmx", "#status-demo"):
        assert words in text
    assert f'src="{project.image.url}" alt="The books of a shop" width="320" height="240"' in text
    assert f'href="{escape(TYPED["url"])}" rel="nofollow noopener ugc"' in text


def test_they_see_no_control_and_no_empty_portfolio(client: Client, page: BuilderProfile) -> None:
    assert "section-portfolio" not in shown(client, page)
    ProjectFactory.create(builder=page)
    for browser in (client, signed_in(UserFactory.create(builder=True))):
        text = shown(browser, page)
        assert "section-portfolio" in text
        assert not [word for word in ("/portfolio/", "/picture/", "reorder.js", "Add a project") if word in text]


def test_an_empty_portfolio_invites_its_owner(page: BuilderProfile, olive: Client) -> None:
    assert "Show a project: clients look here first." in shown(olive, page)
    add(page, olive)
    assert "Show a project: clients look here first." not in shown(olive, page)


def test_the_portfolio_is_one_query_however_large(
    client: Client, page: BuilderProfile, olive: Client, media: Path, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        add(page, olive, title=f"Project {number}", image=upload(), image_alt="A map")
    for file in media.rglob("*.webp"):
        file.unlink()  # no file is opened for the size of its picture
    with django_assert_num_queries(3):  # the page, its projects and its badges
        shown(client, page)


@pytest.mark.parametrize("field", ("title", "description", "technologies", "image_alt"))
def test_markup_is_shown_and_not_run(client: Client, page: BuilderProfile, olive: Client, field: str) -> None:
    hostile = '<script>alert("x")</script>'
    add(page, olive, image=upload(), **{"image_alt": "A map"} | {field: hostile})
    text = shown(client, page)
    assert "alert(" not in re.sub("alert\\(&quot;x&quot;\\)", "", text)
    assert escape(hostile) in text


# --- Adding ---


def test_the_owner_adds_a_project_and_lands_on_it(page: BuilderProfile, olive: Client) -> None:
    ProjectFactory.create(builder=page, position=7)
    response = add(page, olive)
    project = page.projects.last()
    assert project is not None
    assert (response.status_code, response["Location"]) == (302, f"/builders/{page.slug}/#project-{project.pk}")
    assert (project.title, project.technologies, project.position) == ("Ledger", ["Django", "htmx"], 8)
    assert "Saved." in shown(olive, page)


def test_htmx_puts_the_form_in_the_portfolio_and_the_project_in_its_place(page: BuilderProfile) -> None:
    browser = signed_in(page.user, headers=HTMX)
    form = browser.get(url(page, "new")).content.decode().strip()
    assert form.startswith('<div id="project-new"')
    assert form.endswith("</form>\n      </div>")
    answer = add(page, browser).content.decode().strip()
    assert answer.startswith(f'<article class="project" id="project-{page.projects.get().pk}"')
    assert 'id="project-new"' in answer
    assert 'id="portfolio-order" hx-swap-oob="true"' in answer


def test_a_form_sent_twice_adds_one_project(page: BuilderProfile, olive: Client, media: Path) -> None:
    token = re.search('name="form_token" value="([^"]+)"', olive.get(url(page, "new")).content.decode())
    assert token
    places = {add(page, olive, form_token=token[1], image=upload(), image_alt="A map")["Location"] for _ in range(2)}
    assert len(places) == len(titles(page)) == AuditLog.objects.count() == 1


def test_a_form_sent_again_with_other_words_adds_another(page: BuilderProfile, olive: Client) -> None:
    token = str(uuid4())
    for title in ("Ledger", "Ledger for shops"):
        add(page, olive, form_token=token, title=title)
    assert titles(page) == ["Ledger", "Ledger for shops"]


def test_a_token_that_is_none_counts_for_nothing(page: BuilderProfile, olive: Client) -> None:
    for title in ("Ledger", "Map"):
        assert add(page, olive, title=title, form_token="no uuid").status_code == 302
    assert titles(page) == ["Ledger", "Map"]


def test_one_token_of_two_people_adds_two(page: BuilderProfile) -> None:
    token, other = str(uuid4()), BuilderProfileFactory.create()
    for profile in (page, other):
        add(profile, signed_in(profile.user), form_token=token)
    assert Project.objects.count() == 2


def test_there_are_no_more_than_a_page_shows(page: BuilderProfile, olive: Client, media: Path) -> None:
    ProjectFactory.create_batch(MAX_PROJECTS, builder=page)
    full = "A portfolio shows 24 projects. Delete one to add another."
    assert full in olive.get(url(page, "new")).content.decode()
    response = add(page, olive, image=upload(), image_alt="A map")
    assert response.status_code == 422
    assert full in response.content.decode()
    assert (len(titles(page)), files(media)) == (MAX_PROJECTS, [])


@pytest.mark.parametrize(
    ("typed", "kept"),
    (("example.com/x", "https://example.com/x"), ("http://例え.jp", "http://例え.jp"), ("", "")),
)
def test_a_link_follows_the_rules_of_the_links_section(page: BuilderProfile, typed: str, kept: str) -> None:
    olive = signed_in(page.user)
    assert add(page, olive, url=typed).status_code == 302
    assert Project.objects.get().url == kept
    widget = ProjectForm(instance=Project()).fields["url"].widget
    assert widget.input_type == "text"  # HTML's own rule wants the scheme, and takes any
    assert widget.attrs["data-shape"] == LinksForm.base_fields["links"].widget.attrs["data-shape"]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    (
        ({"title": " \u200e\x00 "}, "Give the project a title."),
        ({"title": "x" * 121}, "Shorten this to 120 characters; it has 121."),
        ({"description": "x" * 1001}, "Shorten this to 1000 characters; it has 1001."),
        ({"url": "javascript:alert(1)"}, "is not the address of a page. Begin it with https://"),
        ({"url": "ftp://example.com/x"}, "is not the address of a page. Begin it with https://"),
        ({"url": "data:text/html,x"}, "is not the address of a page. Begin it with https://"),
        ({"technologies": ",".join(map(str, range(13)))}, "Keep the 12 most important; there are 13."),
        ({"technologies": "x" * 10_000}, "each may have 40 characters"),
        ({"status": "dead"}, "Choose from what is offered."),
        ({"image": upload(b"<svg/>")}, "This file cannot be read as a picture."),
        ({"image": upload()}, "Say what the picture shows, for people who cannot see it."),
    ),
)
@pytest.mark.parametrize("headers", (HTMX, {}))
def test_a_bad_form_comes_back_with_what_was_typed(
    page: BuilderProfile, media: Path, typed: dict[str, Any], sentence: str, headers: dict[str, str]
) -> None:
    if "image" in typed:
        typed["image"].seek(0)
    response = add(page, signed_in(page.user, headers=headers), **typed)
    text = response.content.decode()
    assert response.status_code == 422
    assert sentence in text
    assert "Keeps the books of small shops." in text or "description" in typed
    assert (titles(page), files(media), AuditLog.objects.count()) == ([], [], 0)


# --- Changing ---


def test_the_owner_changes_a_project(page: BuilderProfile, olive: Client) -> None:
    project = ProjectFactory.create(builder=page, title="Old title")
    assert "Old title" in olive.get(url(page, f"{project.pk}/edit")).content.decode()
    response = change(project, olive)
    assert response["Location"] == f"/builders/{page.slug}/#project-{project.pk}"
    assert titles(page) == ["Ledger"]


def test_htmx_swaps_one_project_and_leaves_open_forms_alone(page: BuilderProfile) -> None:
    project, other = ProjectFactory.create(builder=page), ProjectFactory.create(builder=page)
    answer = change(project, signed_in(page.user, headers=HTMX)).content.decode().strip()
    assert answer.startswith(f'<article class="project" id="project-{project.pk}"')
    assert f'id="project-{other.pk}"' not in answer
    assert 'id="project-new"' not in answer


def test_pictures_are_replaced_and_removed(
    page: BuilderProfile, olive: Client, media: Path, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        add(page, olive, image=upload(), image_alt="A map")
        project = page.projects.get()
        change(project, olive, image=upload(image_file(200, 100)), image_alt="A map")
    project.refresh_from_db()
    assert files(media) == [project.image.name]
    assert (project.image_width, project.image_height) == (200, 100)
    with django_capture_on_commit_callbacks(execute=True):
        change(project, olive, image_alt="Another map")
    assert len(files(media)) == 1
    with django_capture_on_commit_callbacks(execute=True):
        change(project, olive, remove_image="on")
    project.refresh_from_db()
    assert (project.image.name, project.image_width, files(media)) == ("", None, [])


def test_words_beside_a_picture_cannot_be_taken_away(page: BuilderProfile, olive: Client) -> None:
    add(page, olive, image=upload(), image_alt="A map")
    response = change(page.projects.get(), olive, image_alt="")
    assert response.status_code == 422
    assert "Say what the picture shows" in response.content.decode()


@pytest.mark.parametrize("headers", (HTMX, {}))
def test_a_change_that_somebody_else_has_overtaken_shows_both(
    page: BuilderProfile, media: Path, headers: dict[str, str]
) -> None:
    project = ProjectFactory.create(builder=page, title="Ledgers")
    browser, version = signed_in(page.user, headers=headers), version_of(project)
    change(project, signed_in(UserFactory.create(admin=True)), title="Ledger by Adam")
    response = change(project, browser, version=version, title="Ledger by Olive", image=upload(), image_alt="A map")
    text = response.content.decode()
    assert response.status_code == 409
    assert "this project was changed while you were writing." in text
    assert "The portfolio was last changed by an admin," in text
    assert "Ledger by Adam" in text
    assert 'value="Ledger by Olive"' in text
    assert (titles(page), files(media)) == (["Ledger by Adam"], [])
    again = re.search('name="version" value="([^"]+)"', text)
    assert again
    change(project, browser, version=again[1], title="Ledger by Olive")
    assert titles(page) == ["Ledger by Olive"]


def test_two_who_write_the_same_are_no_conflict(page: BuilderProfile, olive: Client) -> None:
    project = ProjectFactory.create(builder=page)
    version = version_of(project)
    assert [change(project, olive, version=version).status_code for _ in range(2)] == [302, 302]
    assert AuditLog.objects.count() == 1


@pytest.mark.parametrize("headers", (HTMX, {}))
def test_what_was_typed_about_a_deleted_project_can_be_saved_as_a_new_one(
    page: BuilderProfile, headers: dict[str, str]
) -> None:
    browser = signed_in(page.user, headers=headers)
    response = browser.post(url(page, "999999/edit"), TYPED)
    text = response.content.decode()
    assert response.status_code == 409
    assert "This project was deleted while you were writing." in text
    assert 'value="Ledger"' in text
    assert f'action="{url(page, "new")}"' in text


# --- Deleting ---


def test_deleting_asks_first(page: BuilderProfile, olive: Client) -> None:
    project = ProjectFactory.create(builder=page, title="Ledger & Sons")
    assert (
        "“Ledger &amp; Sons” leaves the page for good" in olive.get(url(page, f"{project.pk}/delete")).content.decode()
    )
    assert titles(page) == ["Ledger & Sons"]


def test_the_second_of_two_clicks_is_no_mistake(
    page: BuilderProfile, olive: Client, media: Path, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    add(page, olive, image=upload(), image_alt="A map")
    project = page.projects.get()
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            response = olive.post(url(page, f"{project.pk}/delete"))
        assert response["Location"] == f"/builders/{page.slug}/#section-portfolio"
    assert (titles(page), files(media), AuditLog.objects.count()) == ([], [], 2)


def test_htmx_says_so_in_its_place(page: BuilderProfile) -> None:
    project = ProjectFactory.create(builder=page, title="Ledger")
    answer = signed_in(page.user, headers=HTMX).post(url(page, f"{project.pk}/delete")).content.decode()
    assert "“Ledger” is deleted." in answer
    assert 'id="portfolio-order" hx-swap-oob="true"' in answer


@pytest.mark.parametrize("deed", ("edit", "delete"))
def test_projects_of_others_are_out_of_reach(page: BuilderProfile, olive: Client, deed: str) -> None:
    theirs = ProjectFactory.create(title="Theirs")
    assert olive.get(url(page, f"{theirs.pk}/{deed}")).status_code == 404
    olive.post(url(page, f"{theirs.pk}/{deed}"), TYPED)
    assert titles(theirs.builder) == ["Theirs"]


# --- Arranging ---


@pytest.fixture
def three(page: BuilderProfile) -> list[int]:
    """Return the ids of the projects A, B and C."""
    return [ProjectFactory.create(builder=page, title=title).pk for title in "ABC"]


def arrange(page: BuilderProfile, *ids: Any, browser: Client | None = None, **fields: Any) -> Any:
    browser = browser or signed_in(page.user, headers=HTMX)
    return browser.post(url(page, "order"), {"project": ids, **fields})


def test_the_whole_order_is_written(page: BuilderProfile, three: list[int]) -> None:
    a, b, c = three
    assert arrange(page, c, a, b).status_code == 204
    assert titles(page) == ["C", "A", "B"]
    assert AuditLog.objects.get().details == {"portfolio": [["A", "B", "C"], ["C", "A", "B"]]}


@pytest.mark.parametrize(("click", "becomes"), ((("up", 2), "ACB"), (("down", 0), "BAC"), (("up", 0), "ABC")))
def test_buttons_move_one_place_without_javascript(
    page: BuilderProfile, three: list[int], olive: Client, click: tuple[str, int], becomes: str
) -> None:
    response = arrange(page, *three, browser=olive, **{click[0]: three[click[1]]})
    assert response["Location"] == f"/builders/{page.slug}/?arrange=1#portfolio-order"
    assert "".join(titles(page)) == becomes
    assert re.search(r"<details\s+open>", olive.get(response["Location"]).content.decode())


def test_an_order_from_before_an_addition_does_not_lose_it(page: BuilderProfile, three: list[int]) -> None:
    ProjectFactory.create(builder=page, title="D")
    arrange(page, *reversed(three))
    assert titles(page) == ["C", "B", "A", "D"]


def test_an_order_from_before_a_deletion_arranges_the_rest(page: BuilderProfile, three: list[int]) -> None:
    Project.objects.filter(pk=three[1]).delete()
    arrange(page, *reversed(three))
    assert titles(page) == ["C", "A"]


def test_ids_of_others_count_for_nothing(page: BuilderProfile, three: list[int]) -> None:
    theirs = ProjectFactory.create(position=40)
    a, b, c = three
    arrange(page, theirs.pk, c, c, a, b)
    theirs.refresh_from_db()
    assert (titles(page), theirs.position) == (["C", "A", "B"], 40)
    arrange(page, up=theirs.pk)
    assert titles(page) == ["C", "A", "B"]


@pytest.mark.parametrize("ids", ((), ("",), ("x",), ("-1",), ("1e3",), ("٣",), ("9" * 30,), ("1,2",), ("\x00",)))
def test_what_is_no_order_is_refused(page: BuilderProfile, three: list[int], ids: tuple[str, ...]) -> None:
    assert arrange(page, *ids).status_code == 422
    assert (titles(page), AuditLog.objects.count()) == (["A", "B", "C"], 0)


def test_an_order_that_is_there_already_leaves_no_trace(page: BuilderProfile, three: list[int]) -> None:
    assert arrange(page, *three).status_code == 204
    assert AuditLog.objects.count() == 0


# --- The audit log ---


def test_the_log_tells_of_every_change_and_of_no_bytes(page: BuilderProfile) -> None:
    adam = UserFactory.create(admin=True)
    browser = impersonating(page.user, adam)
    browser.post(f"/builders/{page.slug}/picture/", {"image": upload()})
    add(page, browser, image=upload(), image_alt="A map")
    project = page.projects.get()
    change(project, browser, title="Ledger 2", image_alt="A map")
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
    assert added["portfolio"][1]["image"].startswith("projects/")
    assert changed == {"portfolio": [{"title": "Ledger"}, {"title": "Ledger 2"}]}
    assert deleted["portfolio"][0]["title"] == "Ledger 2"


# --- At one time ---


@pytest.mark.django_db(transaction=True)
def test_forms_sent_at_one_time_add_one_project_and_never_too_many(page: BuilderProfile) -> None:
    ProjectFactory.create_batch(MAX_PROJECTS - 2, builder=page)
    token = uuid4()
    written = {"title": "Ledger", "description": "", "url": "", "technologies": [], "status": "live", "image_alt": ""}

    def send(number: int) -> None:
        try:
            portfolio.add(page, written, token=token if number < 4 else uuid4(), actor=page.user, origin=SYSTEM)
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
def test_a_picture_is_taken_back_with_the_transaction(
    page: BuilderProfile, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no audit row, no change")

    monkeypatch.setattr("audit.log.record", fail)
    with pytest.raises(RuntimeError):
        add(page, signed_in(page.user), image=upload(), image_alt="A map")
    assert (titles(page), files(media)) == ([], [])
