"""What browsers have to fetch of ours stays small."""

from config.environment import BASE_DIR

#: Bytes of all our style sheets and scripts together, as they are written. htmx comes on top.
MOST = 60_000
#: Only operators fetch these, on top of the sheets and scripts of Django's own admin.
OF_THE_ADMIN = {"admin.css", "operators.css", "renew.js"}


def test_styles_and_scripts_of_the_site_are_under_sixty_kilobytes() -> None:
    files = [*(BASE_DIR / "static" / "css").glob("*.css"), *(BASE_DIR / "static" / "js").glob("*.js")]
    assert sum(file.stat().st_size for file in files if file.name not in OF_THE_ADMIN) < MOST
