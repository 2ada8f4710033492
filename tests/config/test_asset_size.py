"""Style sheets, scripts and fonts are below their size limits and load in the right order."""

import re

import pytest
from django.test import Client

from config.environment import BASE_DIR
from tests.helpers.factories import ProjectFactory

#: Maximum size in bytes of all style sheets and scripts that visitors load, uncompressed and without htmx.
MAX_BYTES = 55_000
#: The print style sheet, which does not block rendering.
PRINT_FILE, MAX_PRINT_BYTES = BASE_DIR / "static" / "css" / "print.css", 2_500
#: Files that only the editors of a builder page load.
EDITOR_FILES, MAX_EDITOR_BYTES = (
    {
        *("owner.css", "owner.js", "editing.js", "editing-restore.js", "markdown-preview.js", "reorder.js"),
        *("availability-switch.js", "image-editor.css", "image-picker.js", "gallery-upload.js"),
    },
    31_500,
)
#: Files used only in the admin.
ADMIN_FILES = {
    *("admin.css", "admin-controls.css", "operators.css", "repairs.css", "auto-refresh.js", "chart-keys.js"),
    *("list-keys.js", "live-list.js", "clerk-verification.js", "repair-form.js", "row-selection.js", "running-work.js"),
}


def test_style_sheets_and_scripts_are_below_the_limit() -> None:
    files = [*(BASE_DIR / "static" / "css").glob("*.css"), *(BASE_DIR / "static" / "js").glob("*.js")]
    others = {*ADMIN_FILES, *EDITOR_FILES, PRINT_FILE.name}
    assert sum(file.stat().st_size for file in files if file.name not in others) < MAX_BYTES
    assert sum(file.stat().st_size for file in files if file.name in EDITOR_FILES) < MAX_EDITOR_BYTES


@pytest.mark.django_db
def test_visitors_do_not_load_the_files_of_editors(client: Client) -> None:
    client.cookies["__clerk_db_jwt"] = "dvb_any"
    project = ProjectFactory.create(builder__introduced=True)
    for path in ("/", "/builders/", project.builder.get_absolute_url(), project.get_absolute_url()):
        shown = client.get(path).text
        loaded = {re.sub(r"\.[0-9a-f]{12}(?=\.)", "", name) for name in re.findall(r"/(?:css|js)/([\w.-]+)", shown)}
        assert "base.css" in loaded
        assert not loaded & EDITOR_FILES


@pytest.mark.django_db
def test_print_style_sheet_is_small_and_not_loaded_for_screens(client: Client) -> None:
    assert PRINT_FILE.stat().st_size < MAX_PRINT_BYTES
    head = client.get("/sign-in/").content.decode()
    assert re.search(r'css/print[.\w]*css" media="print">', head)


def test_fonts_are_below_150_kb() -> None:
    assert sum(file.stat().st_size for file in (BASE_DIR / "static" / "fonts").glob("*.woff2")) < 150_000


@pytest.mark.django_db
def test_fonts_are_preloaded_after_style_sheets(client: Client) -> None:
    """Style sheets block rendering and fonts do not, so style sheets must be requested first."""
    head = client.get("/sign-in/").content.decode().partition("</head>")[0]
    assert 0 < head.rindex('rel="stylesheet"') < head.index('rel="preload"')
