"""Section history of builder pages: undo, restore, limits, and sections with changed fields."""

import re
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from accounts.models import User
from audit.log import Actor
from audit.models import AuditLog
from profiles import personal_data, section_history, tasks
from profiles.editing import services as editing
from profiles.media import images, orphan_cleanup
from profiles.models import MAX_PROJECTS, BuilderProfile, Project, SectionVersion
from profiles.portfolio import services as portfolio
from tests.helpers.clients import HTMX, impersonating, signed_in
from tests.helpers.factories import BuilderProfileFactory, ProjectFactory, UserFactory
from tests.helpers.images import image_file, upload

pytestmark = pytest.mark.django_db

INTRODUCTION = {"display_name": "Olive O.", "headline": "Maps", "tagline": ""}
PROJECT = {"title": "Ledger", "description": "Books", "status": "demo", "image_alt": "A ledger"}


@pytest.fixture
def page(media: Path) -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(
        slug="olive", user__name="Olive Owner", headline="Before", time_zone="Europe/Warsaw"
    )
    return profile


@pytest.fixture
def olive(page: BuilderProfile) -> Client:
    return signed_in(page.user)


@pytest.fixture
def adam() -> User:
    user: User = UserFactory.create(admin=True, name="Adam Admin")
    return user


def edit(browser: Client, section: str = "introduction", **typed: Any) -> Any:
    return browser.post(f"/builders/olive/edit/{section}/", INTRODUCTION | typed)


def restore_url(version: SectionVersion | None = None) -> str:
    version = version or SectionVersion.objects.latest("id")
    return f"/builders/olive/history/{version.pk}/restore/"


def restore(browser: Client, version: SectionVersion | None = None, **data: Any) -> Any:
    return browser.post(restore_url(version), data)


def stored(page: BuilderProfile) -> BuilderProfile:
    return BuilderProfile.objects.get(pk=page.pk)


def files(media: Path, folder: str = "") -> list[str]:
    return sorted(str(path.relative_to(media)) for path in (media / folder).rglob("*") if path.is_file())


def add_project(browser: Client, **typed: Any) -> Project:
    browser.post("/builders/olive/portfolio/new/", PROJECT | {"image": upload()} | typed)
    return Project.objects.latest("id")


def is_public(row: BuilderProfile | Project) -> bool:
    """Return whether the image of a profile, or the first image of a project, is public."""
    with closing(Client().get(image_of(row).url)) as response:
        return bool(response.status_code == 200)


def image_of(row: BuilderProfile | Project) -> Any:
    return row.image if isinstance(row, BuilderProfile) else row.images.all()[0].image


def delete_project(browser: Client, project: Project, capture: DjangoCaptureOnCommitCallbacks) -> Any:
    """Delete a project, and run the on-commit callbacks, which move its image."""
    with capture(execute=True):
        return browser.post(f"/builders/olive/portfolio/{project.pk}/delete/")


def remove_portrait(browser: Client, capture: DjangoCaptureOnCommitCallbacks) -> None:
    browser.post("/builders/olive/picture/", {"image": upload()})
    with capture(execute=True):
        browser.post("/builders/olive/picture/", {"remove": "1"})


def change_section(browser: Client, name: str, value: Any) -> SectionVersion:
    """Edit the introduction, and return its version after its stored values were changed like those of an old release."""
    edit(browser)
    version = SectionVersion.objects.get()
    version.values[name] = value
    version.save()
    return version


class TestUndo:
    def test_saved_section_offers_undo(self, page: BuilderProfile, olive: Client) -> None:
        shown = olive.get(edit(olive)["Location"]).text
        assert f'action="{restore_url()}"' in shown
        response = restore(olive)
        assert (response.status_code, response["Location"]) == (302, "/builders/olive/")
        assert stored(page).headline == "Before"
        shown = olive.get("/builders/olive/").text
        assert "Restored." in shown
        assert f'action="{restore_url()}"' in shown

    def test_undo_can_itself_be_undone(self, page: BuilderProfile, olive: Client) -> None:
        edit(olive)
        restore(olive)
        restore(olive)
        assert stored(page).headline == "Maps"

    def test_section_saved_in_place_offers_undo(self, olive: Client) -> None:
        response = olive.post("/builders/olive/edit/introduction/", INTRODUCTION, headers=HTMX)
        assert f'action="{restore_url()}"' in response.text

    def test_saving_without_changes_offers_no_undo(self, olive: Client) -> None:
        olive.get(edit(olive)["Location"])
        SectionVersion.objects.all().delete()
        assert "Undo" not in olive.get(edit(olive)["Location"]).text
        assert not SectionVersion.objects.exists()

    def test_undo_restores_the_availability_confirmation(self, page: BuilderProfile, olive: Client) -> None:
        then = timezone.now().replace(microsecond=0) - timedelta(days=90)
        BuilderProfile.objects.update(availability="limited", availability_confirmed_at=then)
        edit(olive, "terms", availability="available", currency="USD")
        assert stored(page).availability_confirmed_at != then
        restore(olive)
        assert (stored(page).availability, stored(page).availability_confirmed_at) == ("limited", then)

    def test_undo_of_a_url_change_redirects_to_the_previous_url(self, page: BuilderProfile, olive: Client) -> None:
        edit(olive, "visibility", slug="olive-owner", searchable="on")
        assert stored(page).slug == "olive-owner"
        assert restore(olive)["Location"] == "/builders/olive/"
        assert stored(page).slug == "olive"

    def test_undo_after_a_newer_change_shows_both_versions(self, page: BuilderProfile, olive: Client) -> None:
        edit(olive)
        version = SectionVersion.objects.get()
        edit(olive, headline="Newer")
        response = restore(olive, version)
        assert response.status_code == 409
        assert stored(page).headline == "Newer"
        assert {d.stored for d in response.context["differences"]} >= {"Newer"}
        assert 'action="/builders/olive/edit/introduction/"' in response.text
        assert "hx-post" not in response.text
        data = INTRODUCTION | {"headline": "Before", "version": response.context["version"]}
        assert olive.post("/builders/olive/edit/introduction/", data).status_code == 302
        assert stored(page).headline == "Before"


class TestProjects:
    def test_deleted_project_is_restored_with_its_image(
        self,
        page: BuilderProfile,
        olive: Client,
        media: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        project = add_project(olive)
        before = image_of(project).name
        response = delete_project(olive, project, django_capture_on_commit_callbacks)
        assert f'action="{restore_url()}"' in olive.get(response["Location"]).text
        assert [name for name in files(media) if not name.startswith("removed/")] == []
        assert restore(olive).status_code == 302
        restored = Project.objects.get()
        assert (restored.pk, restored.title) == (project.pk, "Ledger")
        assert [image.alt for image in restored.images.all()] == ["A ledger"]
        assert image_of(restored).name != before
        assert is_public(restored)

    def test_removed_image_is_not_public(
        self, olive: Client, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        project = add_project(olive)
        before = image_of(project).name
        delete_project(olive, project, django_capture_on_commit_callbacks)
        [kept] = files(media)
        assert kept.startswith("removed/")
        for name in (before, kept):
            assert Client().get(f"/media/{name}").status_code == 404
            assert olive.get(f"/media/{name}").status_code == 404

    def test_restoring_twice_adds_one_project(
        self, olive: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        project = add_project(olive)
        delete_project(olive, project, django_capture_on_commit_callbacks)
        version = SectionVersion.objects.get()
        restore(olive, version)
        assert restore(olive, version).status_code == 302
        assert Project.objects.count() == 1

    def test_project_above_the_limit_is_shown_in_the_form(
        self, page: BuilderProfile, olive: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        project = add_project(olive)
        delete_project(olive, project, django_capture_on_commit_callbacks)
        ProjectFactory.create_batch(MAX_PROJECTS, builder=page)
        response = restore(olive, SectionVersion.objects.get())
        assert response.status_code == 422
        assert "A portfolio can have up to 24 projects" in response.text
        assert "Ledger" in response.text

    def test_changed_fields_are_explained_and_the_form_restores_the_image(
        self, olive: Client, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        project = add_project(olive)
        delete_project(olive, project, django_capture_on_commit_callbacks)
        version = SectionVersion.objects.get()
        version.values |= {"status": "archived", "budget": 500}
        version.save()
        response = restore(olive)
        assert response.status_code == 422
        assert [problem.label for problem in response.context["problems"]] == ["Budget", "Status"]
        hidden = {"restored": response.context["form"]["restored"].value(), "form_token": ""}
        assert olive.post("/builders/olive/portfolio/new/", PROJECT | hidden).status_code == 302
        assert is_public(Project.objects.get())

    @pytest.mark.parametrize("restored", ("x", "-1", "9" * 30, "4711"))
    def test_unknown_version_in_the_form_is_ignored(self, olive: Client, restored: str) -> None:
        assert not add_project(olive, image="", restored=restored).images.exists()

    def test_project_changed_since_is_a_conflict(self, olive: Client) -> None:
        project = add_project(olive, image="", image_alt="")
        for title in ("Second", "Third"):
            version = olive.get(f"/builders/olive/portfolio/{project.pk}/edit/").context["form"].initial["version"]
            typed = PROJECT | {"title": title, "version": version}
            olive.post(f"/builders/olive/portfolio/{project.pk}/edit/", typed)
        response = restore(olive, SectionVersion.objects.earliest("id"))
        assert response.status_code == 409
        assert Project.objects.get().title == "Third"


class TestPortrait:
    def test_removed_portrait_is_restored(
        self, page: BuilderProfile, olive: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        remove_portrait(olive, django_capture_on_commit_callbacks)
        assert not stored(page).image
        restore(olive)
        assert is_public(stored(page))

    def test_undo_removes_the_first_portrait(self, page: BuilderProfile, olive: Client) -> None:
        response = olive.post("/builders/olive/picture/", {"image": upload()}, headers=HTMX)
        assert f'action="{restore_url()}"' in response.text
        restore(olive)
        assert not stored(page).image

    def test_missing_file_is_reported(
        self,
        page: BuilderProfile,
        olive: Client,
        media: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        remove_portrait(olive, django_capture_on_commit_callbacks)
        for name in files(media, "removed"):
            (media / name).unlink()
        assert restore(olive)["Location"] == "/builders/olive/history/"
        assert "The image file is missing." in olive.get("/builders/olive/history/").text


class TestChangedFields:
    def test_removed_field_is_explained(self, page: BuilderProfile, olive: Client) -> None:
        change_section(olive, "motto", "Be kind")
        response = restore(olive)
        assert response.status_code == 422
        [problem] = response.context["problems"]
        assert (problem.label, problem.value) == ("Motto", "Be kind")
        assert "This field no longer exists." in response.text
        assert stored(page).headline == "Maps"
        assert response.context["form"]["headline"].value() == "Before"

    def test_field_added_after_the_version_keeps_its_value(self, page: BuilderProfile, olive: Client) -> None:
        edit(olive, tagline="Newest")
        version = SectionVersion.objects.get()
        del version.values["tagline"]
        version.save()
        response = restore(olive)
        assert response.status_code == 422
        assert "This field was added later. Its current value is kept." in response.text
        assert response.context["form"]["tagline"].value() == "Newest"

    def test_removed_choice_is_explained(self, page: BuilderProfile, olive: Client) -> None:
        edit(olive, "terms", availability="available", currency="USD", time_zone="Europe/Berlin")
        version = SectionVersion.objects.get()
        version.values |= {"time_zone": "Mars/Olympus", "currency": "XXX"}
        version.save()
        response = restore(olive)
        assert response.status_code == 422
        assert [problem.value for problem in response.context["problems"]] == ["XXX", "Mars/Olympus"]
        assert response.text.count("Choose one of the options.") >= 2

    def test_form_of_a_changed_section_can_be_saved(self, page: BuilderProfile, olive: Client) -> None:
        change_section(olive, "motto", "Be kind")
        response = restore(olive)
        data = {name: response.context["form"][name].value() for name in INTRODUCTION}
        saved = olive.post("/builders/olive/edit/introduction/", data | {"version": response.context["version"]})
        assert saved.status_code == 302
        assert stored(page).headline == "Before"

    @pytest.mark.parametrize("value", (None, True, 5, 1.5, "x" * 9000, ["a", {"b": 1}], {"a": [1]}, "<script>"))
    @pytest.mark.parametrize("section", ("introduction", "terms", "about", "skills", "links", "visibility"))
    def test_any_stored_value_is_handled(self, page: BuilderProfile, olive: Client, section: str, value: Any) -> None:
        form = olive.get(f"/builders/olive/edit/{section}/").context["form"]
        SectionVersion.objects.create(
            owner=page.user,
            section=section,
            values=dict.fromkeys(form.fields, value),
            changed_fields=list(form.fields),
        )
        assert olive.get("/builders/olive/history/").status_code == 200
        response = restore(olive)
        assert response.status_code in (302, 422)
        assert "<script>alert" not in response.text

    @pytest.mark.parametrize("value", (None, True, 5, ["a", {"b": 1}], {"a": [1]}, "<script>"))
    def test_any_stored_project_is_handled(self, page: BuilderProfile, olive: Client, value: Any) -> None:
        names = (*portfolio.PROJECT_FIELDS, "position")
        SectionVersion.objects.create(
            owner=page.user, section="portfolio", project=4711, values=dict.fromkeys(names, value)
        )
        assert olive.get("/builders/olive/history/").status_code == 200
        assert restore(olive).status_code == 422

    @pytest.mark.parametrize("section", ("certificates", "client"))
    def test_removed_section_returns_not_found(self, page: BuilderProfile, olive: Client, section: str) -> None:
        SectionVersion.objects.create(owner=page.user, section=section, values={"a": 1})
        assert olive.get("/builders/olive/history/").status_code == 200
        assert restore(olive).status_code == 404


class TestHistoryPage:
    def test_page_shows_changes_time_and_editor(self, page: BuilderProfile, olive: Client, adam: User) -> None:
        edit(olive)
        edit(signed_in(adam), headline="By Adam")
        edit(impersonating(page.user, adam), headline="By support")
        shown = olive.get("/builders/olive/history/").text
        assert "by you" in shown
        assert "by an admin" in shown
        assert "by our support team" in shown
        assert "Adam" not in re.sub("By Adam", "", shown)
        assert "Before" in shown
        assert "by Adam Admin" in signed_in(UserFactory.create(admin=True)).get("/builders/olive/history/").text

    def test_button_names_what_is_removed_if_there_was_nothing_before(
        self, page: BuilderProfile, olive: Client
    ) -> None:
        for section, values in (
            ("portrait", {"image": ""}),
            ("about", {"bio": ""}),
            ("links", {"website": "https://a.example"}),
        ):
            SectionVersion.objects.create(owner=page.user, section=section, values=values)
        text = olive.get("/builders/olive/history/").text
        buttons = re.findall(r'<button class="button button--quiet( danger)?">([^<]+?) <span', text)
        assert buttons == [(" danger", "Remove portrait"), (" danger", "Empty this section"), ("", "Restore")]

    def test_older_version_is_restored(self, page: BuilderProfile, olive: Client) -> None:
        for headline in ("Second", "Third"):
            edit(olive, headline=headline)
        [section] = olive.get("/builders/olive/history/").context["sections"]
        oldest = section.entries[-1]
        olive.post(f"/builders/olive/history/{oldest.pk}/restore/", {"newest": oldest.newest})
        assert stored(page).headline == "Before"

    def test_restore_by_an_admin_is_audited(self, olive: Client, adam: User) -> None:
        edit(olive)
        restore(signed_in(adam))
        row = AuditLog.objects.filter(action="PROFILE_UPDATED").latest("id")
        assert (row.actor_id, row.changed_fields) == (adam.pk, ["display_name", "headline"])

    def test_versions_of_other_profiles_return_not_found(self, olive: Client) -> None:
        edit(olive)
        version = SectionVersion.objects.get()
        other = BuilderProfileFactory.create(slug="other")
        url = f"/builders/other/history/{version.pk}/restore/"
        assert signed_in(other.user).post(url).status_code == 404

    def test_empty_history_is_explained(self, olive: Client) -> None:
        assert "Nothing has been replaced or deleted" in olive.get("/builders/olive/history/").text

    def test_number_of_queries_does_not_depend_on_the_number_of_entries(
        self, olive: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(5):
            edit(olive, headline=f"Version {number}")
        with django_assert_num_queries(3):  # The user, the profile and its history.
            olive.get("/builders/olive/history/")


class TestLimits:
    def test_oldest_versions_are_deleted(self, page: BuilderProfile, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(section_history, "MAX_VERSIONS", 3)
        for number in range(5):
            editing.save(page, {"headline": f"Version {number}"}, actor=Actor(user=page.user))
        editing.save(page, {"bio": "Another section"}, actor=Actor(user=page.user))
        kept = SectionVersion.objects.filter(section="introduction").order_by("id")
        assert [version.values["headline"] for version in kept] == ["Version 1", "Version 2", "Version 3"]

    def test_expired_versions_and_their_images_are_deleted(
        self,
        page: BuilderProfile,
        olive: Client,
        media: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        remove_portrait(olive, django_capture_on_commit_callbacks)
        with time_machine.travel(timezone.now() + timedelta(days=29), tick=False):
            tasks.delete_expired_versions(0)
            assert len(files(media)) == 1
        with time_machine.travel(timezone.now() + timedelta(days=31), tick=False):
            assert restore(signed_in(page.user)).status_code == 404
            with django_capture_on_commit_callbacks(execute=True):
                tasks.delete_expired_versions(0)
        assert files(media) == []
        assert not SectionVersion.objects.exists()

    def test_orphan_cleanup_keeps_images_in_the_history(
        self, olive: Client, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        remove_portrait(olive, django_capture_on_commit_callbacks)
        with django_capture_on_commit_callbacks(execute=True):
            lost = images.set_aside(default_storage.save(f"portraits/{'0' * 32}.webp", ContentFile(image_file())))
        with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
            deleted = list(orphan_cleanup.delete_orphans())
        assert lost in deleted
        assert files(media, "removed") == [SectionVersion.objects.latest("id").image.name]


class TestPersonalData:
    def test_erasure_deletes_history_and_images_immediately(
        self,
        page: BuilderProfile,
        olive: Client,
        media: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        edit(olive)
        project = add_project(olive)
        delete_project(olive, project, django_capture_on_commit_callbacks)
        with django_capture_on_commit_callbacks(execute=True):
            personal_data.erase(page.user)
        assert not SectionVersion.objects.exists()
        assert files(media, "removed") == []

    def test_export_contains_the_history_and_its_images(
        self,
        page: BuilderProfile,
        olive: Client,
        adam: User,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        edit(signed_in(adam))
        project = add_project(olive)
        delete_project(olive, project, django_capture_on_commit_callbacks)
        exported = personal_data.export(page.user)
        introduction, deleted = exported.data["section_history"]
        assert introduction["values"]["headline"] == "Before"
        assert "replaced_by_id" not in introduction
        [image] = exported.data["portfolio_images"]
        assert list(exported.files) == [f"history-{deleted['id']}-{image['id']}.webp"]
