"""URLs of static files are computed once."""

from pathlib import Path

import pytest
from pytest_django import Settings
from whitenoise.storage import CompressedManifestStaticFilesStorage

from config.static_files import CachedUrlStorage


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
