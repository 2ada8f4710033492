"""An admin reads the result of an import of accounts, with and without JavaScript."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from config.environment import BASE_DIR
from local.stack import environment
from local.stack.postgres import EmbeddedPostgres
from tests.browser.admin.repairing import operator
from tests.browser.axe import admin_violations
from tests.helpers.servers.site import Site


@pytest.fixture(params=[True, False], ids=["scripts", "plain"])
def tab(request: pytest.FixtureRequest, chromium: Browser, site: Site) -> Iterator[Page]:
    with operator(chromium, site, java_script_enabled=request.param) as page:
        yield page


@pytest.fixture(scope="module")
def imported(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Import a file with a refused line."""
    file = tmp_path_factory.mktemp("import") / "people-from-before.csv"
    file.write_text("email,name\nira.imported@example.com,Ira\nnobody,Nemo\n")
    environ = environment.build({"PATH": os.environ["PATH"]}, site.data, site.port)
    environ["DATABASE_URL"] = EmbeddedPostgres(site.data).url
    command = [sys.executable, "manage.py", "import_users", str(file)]
    assert subprocess.run(command, cwd=BASE_DIR, env=environ, capture_output=True, check=False).returncode == 1
    return file


def test_admin_reads_and_downloads_the_refused_lines(tab: Page, site: Site, axe: str, imported: Path) -> None:
    tab.goto(f"{site.app}/admin/accounts/userimport/?q={imported.name}")
    tab.locator("#result_list tbody th a").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text(imported.name)
    expect(tab.get_by_text("email is missing or is not an email address.")).to_be_visible()
    assert admin_violations(tab, axe) == []
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Download as CSV").click()
    assert download.value.path().read_text().splitlines() == [
        "line,reason",
        "3,email is missing or is not an email address.",
    ]
