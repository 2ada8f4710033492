"""Demo users have valid data, and filling in their profiles never overwrites existing content."""

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
from local.demo.browser import PAGE, Browser, Form, FormReader, FormRejected
from local.demo.users import DEMO_USERS, FOLDER, DemoUser, read_image
from profiles.editing.sections import BUILDER_SECTIONS
from profiles.forms.sections import ClientForm, ProjectForm
from profiles.models import Badge, BuilderProfile, Project
from tests.cluster.edge import CERTIFICATE, HOST
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from tests.helpers.tokens import mint
from tests.local.clerk.standin import Endpoint

APP, CLERK, CLERK_PORT = "http://bw.localhost:9999", "http://clerk.bw.localhost:10000", 10_000
BUILDERS = [demo_user for demo_user in DEMO_USERS if "BUILDER" in demo_user.roles]
SECTIONS = [
    pytest.param(demo_user, key, id=f"{demo_user.username} {key}")
    for demo_user in DEMO_USERS
    for key in demo_user.sections
]


def post_data(form: Any, typed: dict[str, Any]) -> dict[str, Any]:
    """Return the data that a browser posts after the user has entered `typed` into a form."""
    return {
        name: field.prepare_value(typed[name]) if name in typed else form[name].value()
        for name, field in form.fields.items()
    }


class TestData:
    def test_demo_has_24_builders_and_the_users_that_tests_need(self) -> None:
        assert len(BUILDERS) == 24
        assert [demo_user.username for demo_user in DEMO_USERS[:6]] == [
            "zofia",
            "omar",
            "misaki",
            "layla",
            "grace",
            "ngozi",
        ]
        assert max(Counter(demo_user.username for demo_user in DEMO_USERS).values()) == 1
        assert max(Counter((demo_user.first_name, demo_user.last_name) for demo_user in DEMO_USERS).values()) == 1
        # The stand-in's sign-in page shows at most 30.
        assert len(DEMO_USERS) <= 30

    def test_every_state_is_represented(self) -> None:
        terms = [demo_user.sections.get("terms", {}) for demo_user in BUILDERS]
        assert {one.get("availability") for one in terms} >= {"available", "limited", "unavailable", None}
        assert {demo_user.team["tier"]["tier"] for demo_user in BUILDERS if demo_user.team} == {"2", "3"}
        assert sum(demo_user.team.get("featured", False) for demo_user in BUILDERS) == 6
        assert {len(demo_user.sections) for demo_user in BUILDERS} >= {0, 1, 5}
        assert {len(demo_user.projects) for demo_user in BUILDERS} >= {0, 1, 2, 3}
        assert any(one.get("adhd_friendly") for one in terms)

    @pytest.mark.django_db
    @pytest.mark.parametrize(("demo_user", "key"), SECTIONS)
    def test_section_is_valid_and_unchanged_by_its_form(self, demo_user: DemoUser, key: str) -> None:
        form_class, typed = BUILDER_SECTIONS[key].form_class, demo_user.sections[key]
        profile = BuilderProfile(user=User(name=demo_user.first_name))
        form = form_class(post_data(form_class(instance=profile), typed), instance=profile)
        assert form.errors == {}
        assert {name: form.cleaned_data[name] for name in typed if isinstance(typed[name], list)} == {
            name: value for name, value in typed.items() if isinstance(value, list)
        }

    @pytest.mark.parametrize("project", [pytest.param(one, id=one["title"]) for p in DEMO_USERS for one in p.projects])
    def test_project_is_valid(self, project: dict[str, Any]) -> None:
        assert Image.open(io.BytesIO(read_image(project["image"]))).size == (1280, 800)
        typed = {name: value for name, value in project.items() if name not in ("image", "image_alt", "more")}
        form = ProjectForm(post_data(ProjectForm(instance=Project()), typed), instance=Project())
        assert form.errors == {}
        assert all(image["image_alt"] for image in (project, *project.get("more", ())))

    @pytest.mark.parametrize("demo_user", [pytest.param(one, id=one.username) for one in DEMO_USERS if one.client])
    def test_client_is_valid(self, demo_user: DemoUser) -> None:
        assert "CLIENT" in demo_user.roles
        assert ClientForm(demo_user.client).errors == {}

    def test_team_assessments_are_valid(self) -> None:
        badges = [badge for demo_user in BUILDERS for badge in demo_user.team.get("badges", ())]
        assert {badge["kind"] for badge in badges} <= set(Badge.Kind.values)
        assert all(0 < len(badge["evidence"]) <= 300 for badge in badges)
        assert all(0 < len(demo_user.team["tier"]["evidence"]) <= 500 for demo_user in BUILDERS if demo_user.team)

    @pytest.mark.parametrize("demo_user", [pytest.param(one, id=one.username) for one in DEMO_USERS if one.portrait])
    def test_portrait_is_valid(self, demo_user: DemoUser) -> None:
        assert Image.open(io.BytesIO(read_image(demo_user.portrait))).size == (720, 720)

    def test_each_image_differs_and_is_used_once(self) -> None:
        files = [path for path in (FOLDER / "images").rglob("*") if path.is_file()]
        used = [one.portrait for one in DEMO_USERS if one.portrait]
        projects_with_images = [project for one in DEMO_USERS for project in one.projects]
        used += [image["image"] for project in projects_with_images for image in (project, *project.get("more", ()))]
        assert sorted(used) == sorted(path.relative_to(FOLDER / "images").as_posix() for path in files)
        assert sum(path.stat().st_size for path in files) < 1_200_000
        projects = [read_image(name) for name in used if name.startswith("projects/")]
        assert len(set(projects)) == len(projects)


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

    def test_form_is_parsed_like_in_a_browser(self, form: Form) -> None:
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

    def test_values_are_filled_in_by_kind_of_field(self, form: Form) -> None:
        form.fill({"skills": ["a", "b"], "bio": ["x", "y"], "domains": ["ai", "data"], "hire": True, "currency": "EUR"})
        assert form.values["skills"] == ["a, b"]
        assert form.values["bio"] == ["x\ny"]
        assert form.values["domains"] == ["ai", "data"]
        assert form.values["hire"] == ["on"]
        with pytest.raises(FormRejected, match="no field nonsense"):
            form.fill({"nonsense": "x"})

    def test_pressed_button_is_part_of_the_data(self, form: Form) -> None:
        assert "on" not in form.values
        form.press("on")
        assert form.values["on"] == ["1"]

    def test_choices_do_not_count_as_content(self, form: Form) -> None:
        assert form.is_blank({"currency", "domains", "zone"})
        assert not form.is_blank({"currency", "bio"})


class TestBrowser:
    def test_requests_with_tls_name_the_host(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        endpoint, names = Endpoint(), list[str]()
        endpoint.use_tls(tmp_path).sni_callback = lambda _, name, context: names.append(name)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / CERTIFICATE))
        app = f"https://{HOST}:{endpoint.server.server_port}"
        assert Browser(app, CLERK).client.post(app).status_code == 400
        endpoint.close()
        assert names == [HOST]

    def test_posted_forms_name_their_origin(self) -> None:
        """Django requires it with TLS."""
        browser, origins = Browser(APP, CLERK), list[str]()

        def receive(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            origins.append(environ["HTTP_ORIGIN"])
            start_response("303 See Other", [("Location", "/")])
            return []

        browser.client = httpx.Client(transport=httpx.WSGITransport(receive))
        browser.post("/account/client/", Form(""))
        assert origins == [APP]


class InProcess(Browser):
    """A browser that calls the application in this process, with a token instead of the stand-in's cookies."""

    def __init__(self, user: User) -> None:
        super().__init__(APP, CLERK)
        headers = {**PAGE, "Authorization": f"Bearer {mint(str(user.clerk_id))}"}
        self.client = httpx.Client(transport=httpx.WSGITransport(application), headers=headers)


@pytest.mark.django_db
@pytest.mark.usefixtures("one_connection")
class TestFillingIn:
    @pytest.fixture
    def zofia(self) -> BuilderProfile:
        profile: BuilderProfile = BuilderProfileFactory.create(user__name="Zofia", user__username="zofia", headline="")
        return profile

    @pytest.fixture
    def run(self, zofia: BuilderProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Return the function that fills in profiles at start-up, limited to two users."""
        users = {"zofia": zofia.user, "ngozi": UserFactory.create(admin=True, username="ngozi")}
        answer = json.dumps([{"username": name, "id": user.clerk_id} for name, user in users.items()])
        monkeypatch.setattr(
            fill_profiles, "DEMO_USERS", [demo_user for demo_user in DEMO_USERS if demo_user.username in users]
        )
        monkeypatch.setattr(fill_profiles, "call_stand_in", lambda *_: (200, answer))
        monkeypatch.setattr(fill_profiles.Demo, "browser", lambda _, username: InProcess(users[username]))
        return lambda: fill_profiles.Demo(APP, CLERK, CLERK_PORT, fill_profiles.read_progress(tmp_path)).run()

    def test_users_fill_in_their_profiles(self, run: Any, zofia: BuilderProfile, tmp_path: Path) -> None:
        run()
        zofia.refresh_from_db()
        demo_user = DEMO_USERS[0]
        for typed in demo_user.sections.values():
            for name, value in typed.items():
                stored = getattr(zofia, name)
                assert stored == value if isinstance(value, list | bool) else str(stored).startswith(str(value).strip())
        rows = AuditLog.objects.filter(action="PROFILE_UPDATED", actor=zofia.user)
        assert rows.filter(changed_fields__contains=["bio"]).count() == 1
        assert fill_profiles.read_progress(tmp_path).is_complete

    def test_second_run_changes_nothing(self, run: Any) -> None:
        run()
        count = AuditLog.objects.count()
        run()
        assert AuditLog.objects.count() == count

    def test_edited_profile_is_skipped(self, run: Any, zofia: BuilderProfile) -> None:
        BuilderProfile.objects.update(location="Somewhere else")
        run()
        zofia.refresh_from_db()
        assert (zofia.location, zofia.bio, zofia.headline) == ("Somewhere else", "", "")

    def test_interrupted_run_continues_and_skips_forms_filled_in_meanwhile(
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
        assert zofia.links == DEMO_USERS[0].sections["links"]["links"]
        assert AuditLog.objects.filter(changed_fields__contains=["headline"]).count() == 1

    def test_user_deleted_at_clerk_is_skipped(self, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fill_profiles, "call_stand_in", lambda *_: (200, "[]"))
        run()
        assert not AuditLog.objects.exists()

    def test_rejected_form_raises_with_its_errors(self, zofia: BuilderProfile) -> None:
        browser = InProcess(zofia.user)
        path = f"/builders/{zofia.slug}/edit/introduction/"
        form = browser.form(path, "headline")
        assert form
        form.fill({"headline": "x" * 200})
        with pytest.raises(FormRejected, match=r"422: .*Use 160 characters or fewer. You entered 200"):
            browser.post(path, form)
