"""What browsers have to fetch of ours stays small, and comes in a good order."""

import pytest
from django.test import Client

from config.environment import BASE_DIR

#: Bytes of all our style sheets and scripts together, as they are written. htmx comes on top.
MOST = 60_000
#: Only operators fetch these, on top of the sheets and scripts of Django's own admin.
OF_THE_ADMIN = {"admin.css", "operators.css", "renew.js"}


def test_styles_and_scripts_of_the_site_are_under_sixty_kilobytes() -> None:
    files = [*(BASE_DIR / "static" / "css").glob("*.css"), *(BASE_DIR / "static" / "js").glob("*.js")]
    assert sum(file.stat().st_size for file in files if file.name not in OF_THE_ADMIN) < MOST


def test_fonts_are_within_a_hundred_and_fifty_kilobytes() -> None:
    assert sum(file.stat().st_size for file in (BASE_DIR / "static" / "fonts").glob("*.woff2")) < 150_000


@pytest.mark.django_db
def test_fonts_do_not_take_the_connections_of_what_is_needed_first(client: Client) -> None:
    """Until its style sheets are there nothing of a page is drawn, while its words are, before their fonts are."""
    head = client.get("/sign-in/").content.decode().partition("</head>")[0]
    assert 0 < head.rindex('rel="stylesheet"') < head.index('rel="preload"')
