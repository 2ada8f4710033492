"""URLs of static files are computed once."""

from pathlib import Path

import pytest
from pytest_django import Settings
from whitenoise.storage import CompressedManifestStaticFilesStorage

from config.static_files import CachedUrlStorage
from tests.config.test_startup import start


@pytest.fixture
def storage(tmp_path: Path) -> CachedUrlStorage:
    (tmp_path / "staticfiles.json").write_text('{"version": "1.1", "paths": {"css/base.css": "css/base.1a2b.css"}}')
    return CachedUrlStorage(location=str(tmp_path), base_url="/static/")


@pytest.mark.parametrize(("debug", "computed"), ((False, 1), (True, 2)))
def test_url_is_computed_once_unless_files_change(
    storage: CachedUrlStorage, settings: Settings, monkeypatch: pytest.MonkeyPatch, *, debug: bool, computed: int
) -> None:
    settings.DEBUG = debug
    names: list[str] = []
    original = CompressedManifestStaticFilesStorage._url

    def count(storage: CachedUrlStorage, hashed_name: object, name: str, *arguments: object) -> str:
        names.append(name)
        return str(original(storage, hashed_name, name, *arguments))

    monkeypatch.setattr(CompressedManifestStaticFilesStorage, "_url", count)
    assert {storage.url("css/base.css") for _ in range(2)} == {
        "/static/css/base.css" if debug else "/static/css/base.1a2b.css"
    }
    assert len(names) == computed


def test_missing_file_raises_an_error(storage: CachedUrlStorage) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="Missing staticfiles manifest entry"):
            storage.url("css/other.css")


@pytest.mark.parametrize(
    ("name", "origin"),
    (
        ("css/base.css", "https://cdn.example.com"),
        ("js/theme.js", "https://cdn.example.com"),
        ("fonts/a.woff2", "https://cdn.example.com"),
        ("img/sprite.svg", ""),
        ("img/share.png", ""),
    ),
)
def test_cdn_serves_all_files_except_images(tmp_path: Path, settings: Settings, name: str, origin: str) -> None:
    settings.STATIC_CDN_URL = "https://cdn.example.com"
    (tmp_path / "staticfiles.json").write_text(f'{{"version": "1.1", "paths": {{"{name}": "{name}"}}}}')
    assert CachedUrlStorage(location=str(tmp_path), base_url="/static/").url(name) == f"{origin}/static/{name}"


def test_policy_of_every_page_allows_the_cdn(tmp_path: Path) -> None:
    code = (
        "import django; django.setup()\n"
        "from accounts.security.csp import SESSION, WIDGETS\n"
        "from profiles.pages.sharing_views import EMBED_POLICY\n"
        "from django.conf import settings\n"
        "for policy in (settings.SECURE_CSP, SESSION, WIDGETS, EMBED_POLICY):\n"
        "    for name in ('script-src', 'style-src', 'font-src', 'img-src'):\n"
        "        assert settings.STATIC_CDN_URL in policy.get(name, settings.STATIC_CDN_URL), (name, policy)\n"
        "assert 'font-src' in SESSION and 'font-src' in WIDGETS\n"
    )
    done = start(("-c", code), tmp_path, STATIC_CDN_URL="https://cdn.example.com")
    assert done.returncode == 0, done.stderr
