"""The demo people: what they type is right, and filling it in keeps off what others wrote."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from accounts.models import User
from audit.models import AuditLog
from config.wsgi import application
from local.demo import fill_profiles
from local.demo.browser import PAGE, Browser, Form, FormReader, Refused
from local.demo.people import PEOPLE, Person
from local.demo.portraits import SIDE, portrait
from local.demo.screens import HEIGHT, KINDS, WIDTH, screen
from profiles.editing.sections import BUILDER_SECTIONS
from profiles.forms.sections import ClientForm, ProjectForm
from profiles.models import Badge, BuilderProfile, Project
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from tests.helpers.tokens import mint

PORT = 9999
BUILDERS = [person for person in PEOPLE if "BUILDER" in person.roles]
SECTIONS = [pytest.param(person, key, id=f"{person.username} {key}") for person in PEOPLE for key in person.sections]


def as_posted(shown: Any, typed: dict[str, Any]) -> dict[str, Any]:
    """Return what a browser posts for what is typed into a form that is shown."""
    return {
        name: field.prepare_value(typed[name]) if name in typed else shown[name].value()
        for name, field in shown.fields.items()
    }


class TestData:
    def test_there_are_two_dozen_builders_and_those_that_tests_know(self) -> None:
        assert len(BUILDERS) == 24
        assert [person.username for person in PEOPLE[:6]] == ["zofia", "omar", "misaki", "layla", "grace", "ngozi"]
        assert max(Counter(person.username for person in PEOPLE).values()) == 1
        assert max(Counter((person.first_name, person.last_name) for person in PEOPLE).values()) == 1
        # The stand-in's page for signing in shows so many.
        assert len(PEOPLE) <= 30

    def test_they_are_in_every_state(self) -> None:
        terms = [person.sections.get("terms", {}) for person in BUILDERS]
        assert {one.get("availability") for one in terms} >= {"available", "limited", "unavailable", None}
        assert {person.team["tier"]["tier"] for person in BUILDERS if person.team} == {"2", "3"}
        assert sum(person.team.get("featured", False) for person in BUILDERS) == 6
        assert {len(person.sections) for person in BUILDERS} >= {0, 1, 5}
        assert {len(person.projects) for person in BUILDERS} >= {0, 1, 2, 3}
        assert any(one.get("adhd_friendly") for one in terms)

    @pytest.mark.django_db
    @pytest.mark.parametrize(("person", "key"), SECTIONS)
    def test_each_section_is_taken_by_its_form_as_it_is(self, person: Person, key: str) -> None:
        form_class, typed = BUILDER_SECTIONS[key].form_class, person.sections[key]
        profile = BuilderProfile(user=User(name=person.first_name))
        form = form_class(as_posted(form_class(instance=profile), typed), instance=profile)
        assert form.errors == {}
        assert {name: form.cleaned_data[name] for name in typed if isinstance(typed[name], list)} == {
            name: value for name, value in typed.items() if isinstance(value, list)
        }

    @pytest.mark.parametrize("project", [pytest.param(one, id=one["title"]) for p in PEOPLE for one in p.projects])
    def test_each_project_is_taken_by_its_form(self, project: dict[str, Any]) -> None:
        assert project["picture"] in KINDS
        typed = {name: value for name, value in project.items() if name != "picture"}
        form = ProjectForm(as_posted(ProjectForm(instance=Project()), typed), instance=Project())
        assert form.errors == {}
        assert project["image_alt"]

    @pytest.mark.parametrize("person", [pytest.param(one, id=one.username) for one in PEOPLE if one.client])
    def test_each_client_is_taken_by_the_form(self, person: Person) -> None:
        assert "CLIENT" in person.roles
        assert ClientForm(person.client).errors == {}

    def test_what_the_team_says_can_be_said(self) -> None:
        badges = [badge for person in BUILDERS for badge in person.team.get("badges", ())]
        assert {badge["kind"] for badge in badges} <= set(Badge.Kind.values)
        assert all(0 < len(badge["evidence"]) <= 300 for badge in badges)
        assert all(0 < len(person.team["tier"]["evidence"]) <= 500 for person in BUILDERS if person.team)

    @pytest.mark.parametrize("person", [pytest.param(one, id=one.username) for one in PEOPLE if one.portrait])
    def test_portraits_can_be_drawn_and_stay_the_same(self, person: Person) -> None:
        drawn = portrait(person.username, **person.portrait)
        assert Image.open(io.BytesIO(drawn)).size == (SIDE, SIDE)
        assert portrait(person.username, **person.portrait) == drawn

    @pytest.mark.parametrize("kind", KINDS)
    def test_screens_can_be_drawn_and_differ(self, kind: str) -> None:
        drawn = screen(kind, "One")
        assert Image.open(io.BytesIO(drawn)).size == (WIDTH, HEIGHT)
        assert screen(kind, "Two") != drawn


PAGE_WITH_FORMS = """
<form action="/other/"><input name="q" value="x"></form>
<form method="post" action="">
  <input type="hidden" name="csrfmiddlewaretoken" value="abc"><input type="text" name="skills" value="a &amp; b">
  <textarea name="bio">
One
Two</textarea>
  <select name="currency"><option value="EUR"><option value="USD" selected></select>
  <select name="zone"><option value=""><option value="Europe/Warsaw"></select>
  <input type="checkbox" name="domains" value="web" checked><input type="checkbox" name="domains" value="ai">
  <input type="checkbox" name="hire"><input type="file" name="image"><button name="on" value="1">Save</button>
</form>"""


class TestForm:
    @pytest.fixture
    def form(self) -> Form:
        return FormReader(PAGE_WITH_FORMS).forms[1]

    def test_it_is_read_as_a_browser_reads_it(self, form: Form) -> None:
        assert form.values == {
            "csrfmiddlewaretoken": ["abc"],
            "skills": ["a & b"],
            "bio": ["One\nTwo"],
            "currency": ["USD"],
            "zone": [""],
            "domains": ["web"],
            "hire": [],
            "image": [],
        }

    def test_it_is_filled_in_by_the_kinds_of_its_fields(self, form: Form) -> None:
        form.fill({"skills": ["a", "b"], "bio": ["x", "y"], "domains": ["ai", "data"], "hire": True, "currency": "EUR"})
        assert form.values["skills"] == ["a, b"]
        assert form.values["bio"] == ["x\ny"]
        assert form.values["domains"] == ["ai", "data"]
        assert form.values["hire"] == ["on"]
        with pytest.raises(Refused, match="no field nonsense"):
            form.fill({"nonsense": "x"})

    def test_a_button_is_part_of_it_once_it_is_pressed(self, form: Form) -> None:
        assert "on" not in form.values
        form.press("on")
        assert form.values["on"] == ["1"]

    def test_what_is_chosen_does_not_count_as_written(self, form: Form) -> None:
        assert form.is_blank({"currency", "domains", "zone"})
        assert not form.is_blank({"currency", "bio"})


class InProcess(Browser):
    """A browser that talks to the application in this process, with a token instead of the stand-in's cookies."""

    def __init__(self, user: User) -> None:
        super().__init__(PORT)
        headers = {**PAGE, "Authorization": f"Bearer {mint(str(user.clerk_id))}"}
        self.client = httpx.Client(transport=httpx.WSGITransport(application), headers=headers)


@pytest.mark.django_db
@pytest.mark.usefixtures("one_connection")
class TestFillingIn:
    @pytest.fixture
    def zofia(self) -> BuilderProfile:
        profile: BuilderProfile = BuilderProfileFactory.create(user__name="Zofia", user__username="zofia")
        return profile

    @pytest.fixture
    def run(self, zofia: BuilderProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Return what a start of the product does, for two of the people."""
        people = {"zofia": zofia.user, "ngozi": UserFactory.create(admin=True, username="ngozi")}
        answer = json.dumps([{"username": name, "id": user.clerk_id} for name, user in people.items()])
        monkeypatch.setattr(fill_profiles, "PEOPLE", [person for person in PEOPLE if person.username in people])
        monkeypatch.setattr(fill_profiles, "ask_clerk", lambda *_: (200, answer))
        monkeypatch.setattr(fill_profiles.Demo, "browser", lambda _, username: InProcess(people[username]))
        return lambda: fill_profiles.Demo(PORT, fill_profiles.progress(tmp_path)).run()

    def test_people_fill_in_everything_that_is_theirs(self, run: Any, zofia: BuilderProfile, tmp_path: Path) -> None:
        run()
        zofia.refresh_from_db()
        person = PEOPLE[0]
        for typed in person.sections.values():
            for name, value in typed.items():
                stored = getattr(zofia, name)
                assert stored == value if isinstance(value, list | bool) else str(stored).startswith(str(value).strip())
        rows = AuditLog.objects.filter(action="PROFILE_UPDATED", actor=zofia.user)
        assert rows.filter(changed__contains=["bio"]).count() == 1
        assert fill_profiles.progress(tmp_path).is_complete

    def test_a_second_time_nothing_happens(self, run: Any) -> None:
        run()
        count = AuditLog.objects.count()
        run()
        assert AuditLog.objects.count() == count

    def test_a_profile_that_somebody_edited_is_left_alone(self, run: Any, zofia: BuilderProfile) -> None:
        BuilderProfile.objects.update(location="Somewhere else")
        run()
        zofia.refresh_from_db()
        assert (zofia.location, zofia.bio, zofia.headline) == ("Somewhere else", "", "")

    def test_an_interrupted_run_goes_on_and_keeps_off_what_was_written_meanwhile(
        self, run: Any, zofia: BuilderProfile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        post, posted = Browser.post, []

        def interrupted(self: Browser, path: str, *arguments: Any) -> None:
            post(self, path, *arguments)
            posted.append(path)
            if len(posted) == 2:
                raise httpx.ConnectError("The product stopped.")

        monkeypatch.setattr(Browser, "post", interrupted)
        with pytest.raises(httpx.ConnectError):
            run()
        BuilderProfile.objects.update(skills=["Mine"])
        monkeypatch.setattr(Browser, "post", post)
        run()
        zofia.refresh_from_db()
        assert zofia.skills == ["Mine"]
        assert zofia.links == PEOPLE[0].sections["links"]["links"]
        assert AuditLog.objects.filter(changed__contains=["headline"]).count() == 1

    def test_whoever_was_deleted_at_clerk_is_not_waited_for(self, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fill_profiles, "ask_clerk", lambda *_: (200, "[]"))
        run()
        assert not AuditLog.objects.exists()

    def test_what_is_refused_is_told(self, zofia: BuilderProfile) -> None:
        browser = InProcess(zofia.user)
        path = f"/builders/{zofia.slug}/edit/introduction/"
        form = browser.form(path, "headline")
        assert form
        form.fill({"headline": "x" * 200})
        with pytest.raises(Refused, match=r"422: .*Shorten this to 160 characters; it has 200"):
            browser.post(path, form)
