"""The component page shows every component of the style sheets, and exists only in local mode."""

import re
import runpy

import pytest
from django.conf import settings
from django.test import Client
from django.urls import Resolver404, URLResolver
from django.urls.resolvers import RegexPattern
from pytest_django import Settings

from config.environment import BASE_DIR
from local.components.views import GROUPS

PATH = "/local/components/"
#: Style sheets for the public site, without those whose classes belong to one page.
SHEETS = (
    *(
        "account",
        "builders",
        "components",
        "directory",
        "error",
        "forms",
        "image-editor",
        "operators",
        "owner",
        "portfolio",
    ),
)
#: Classes of pages, or of elements that every page has.
ELSEWHERE = {
    *("page-builder", "page-embed", "page-directory"),
    *("site-nav", "site-footer", "wordmark", "modes", "skip-link"),
}


def classes_of(sheet: str) -> set[str]:
    text = re.sub(r"/\*.*?\*/", "", (BASE_DIR / "static" / "css" / f"{sheet}.css").read_text(), flags=re.DOTALL)
    selectors = " ".join(re.findall(r"([^{};]+)\{", text))
    return set(re.findall(r"\.([a-z][\w-]*)", selectors))


@pytest.fixture(scope="module")
def shown(django_db_setup: None) -> str:
    return "".join(Client().get(f"{PATH}{group}/").text for group in GROUPS)


class TestComponentPage:
    @pytest.mark.parametrize("sheet", SHEETS)
    def test_every_class_is_shown(self, shown: str, sheet: str) -> None:
        used = {name for names in re.findall(r'class="([^"]*)"', shown) for name in names.split()}
        assert classes_of(sheet) - used - ELSEWHERE == set()

    @pytest.mark.parametrize("name", ("tier-1", "tier-3", "limited", "unavailable", "status-concept"))
    def test_states_are_shown(self, shown: str, name: str) -> None:
        assert f"#{name}" in shown

    def test_page_needs_no_query(self, shown: str) -> None:
        """The module fixture requests every group outside of a test, where queries are blocked."""
        assert "Omar Haddad" in shown

    def test_index_links_to_every_group(self, client: Client) -> None:
        index = client.get(PATH).text
        assert all(f'href="{PATH}{group}/"' in index for group in GROUPS)

    def test_unknown_group_is_not_found(self, client: Client) -> None:
        assert client.get(f"{PATH}nothing/").status_code == 404


class TestProduction:
    def test_page_does_not_exist(self, settings: Settings) -> None:
        assert resolver().resolve(PATH).view_name == "components:index"
        settings.LOCAL_MODE = False
        for path in (PATH, f"{PATH}builder/"):
            with pytest.raises(Resolver404):
                resolver().resolve(path)

    def test_templates_are_not_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert [path.name for path in settings.TEMPLATES[0]["DIRS"]] == ["templates", "templates"]
        for name, value in {"LOCAL_MODE": "", "ALLOWED_HOSTS": "example.com"}.items():
            monkeypatch.setenv(name, value)
        production = runpy.run_path(str(BASE_DIR / "config" / "settings.py"))
        assert production["TEMPLATES"][0]["DIRS"] == [BASE_DIR / "templates"]


def resolver() -> URLResolver:
    """Return the URLs as a process builds them at startup with the current settings."""
    return URLResolver(RegexPattern(r"^/"), runpy.run_path(str(BASE_DIR / "config" / "urls.py"))["urlpatterns"])
