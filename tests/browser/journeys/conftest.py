"""Run every journey on every device: three widths, two colour schemes, with and without JavaScript.

`make cluster ARGS=--journeys` runs them against its own site.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.scenario import DEVICES, Device, Scenario, demo_site
from tests.helpers.servers.site import RUNNING_SITE, Site


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the product with demo content once per test process, or use the site described by RUNNING_SITE."""
    if running := os.environ.get(RUNNING_SITE):
        known = json.loads(running)
        yield Site(**known | {"data": Path(known["data"])})
        return
    with demo_site(tmp_path_factory.mktemp("journeys")) as site:
        yield site


@pytest.fixture(scope="module", params=DEVICES, ids=lambda device: device.slug)
def device(request: pytest.FixtureRequest) -> Device:
    chosen: Device = request.param
    return chosen


@pytest.fixture
def scenario(chromium: Browser, site: Site, device: Device) -> Iterator[Scenario]:
    scenario = Scenario(chromium, site, device)
    yield scenario
    scenario.close()
    assert scenario.console_errors == []
