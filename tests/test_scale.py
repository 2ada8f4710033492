"""The estimates in docs/deploy/scale.md are computed from the measured costs."""

import pytest

from config.environment import BASE_DIR
from tests.bench.growth import Growth, rows


def test_page_contains_the_computed_rows() -> None:
    page = (BASE_DIR / "docs" / "deploy" / "scale.md").read_text()
    for row in rows():
        assert row in page


def test_load_and_storage_grow_with_the_number_of_users() -> None:
    small, large = Growth(1_000_000), Growth(100_000_000)
    assert large.event_cores == pytest.approx(100 * small.event_cores)
    assert large.gb_per_year == pytest.approx(100 * small.gb_per_year)
