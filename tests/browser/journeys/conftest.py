"""Every journey in every setting: three widths, light and dark, with and without JavaScript."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.stage import SETTINGS, Setting, Stage, filled_site
from tests.helpers.site import Site


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the filled-in product once for all of these files that one process does."""
    with filled_site(tmp_path_factory.mktemp("journeys")) as site:
        yield site


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda setting: setting.slug)
def setting(request: pytest.FixtureRequest) -> Setting:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def stage(chromium: Browser, site: Site, setting: Setting) -> Iterator[Stage]:
    stage = Stage(chromium, site, setting)
    yield stage
    stage.close()
    assert stage.complaints == []
