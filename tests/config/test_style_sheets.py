"""Conventions of the style sheets for the public site."""

import re
from pathlib import Path

import pytest

from config.environment import BASE_DIR

CSS = BASE_DIR / "static" / "css"
#: The admin's style sheets have denser lists than the spacing tokens allow, and paper is measured in millimetres.
OTHERS = ("admin", "admin-controls", "operators", "repairs", "print", "tokens")
SHEETS = tuple(path for path in sorted(CSS.glob("*.css")) if path.stem not in OTHERS)
SPACING = re.compile(r"(?:^|[\s;{])((?:margin|padding|(?:row-|column-)?gap)[a-z-]*)\s*:\s*([^;}]+)")
#: Values without a token: no space, automatic space, an overlap of two borders, and the notch of a phone.
PERMITTED = re.compile(
    r"0|auto|inherit|-1px|env\(safe-area-inset-bottom\)|var\(--(?:space-\d+|space-(?:small|medium|large)|gutter|section|target|portrait)\)"
    r"|calc\((?:-1 \* )?|[-+*] |\)"
)
#: Blocks that occur on one kind of page. Their styles belong into the style sheet of that page.
PAGE_BLOCKS = {
    *("account", "badges", "bar", "card", "case", "choice", "conflict", "directory", "end-of-list", "facet", "facts"),
    *("found", "hero", "no-builders", "notice", "pager", "person", "project", "record", "results", "ring"),
    *("section-head", "skills", "switch"),
}


def without_comments(path: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_spacing_uses_tokens(path: Path) -> None:
    declarations = SPACING.findall(without_comments(path))
    wrong = [f"{name}: {value}" for name, value in declarations if PERMITTED.sub("", value).strip()]
    assert not wrong, f"{path.name}: use the --space-* tokens of tokens.css"


def test_spacing_tokens_are_multiples_of_four_pixels() -> None:
    """Spaces that grow with the window start and end on the grid."""
    tokens = re.findall(r"--(space-[\w]+|gutter|section|target): ([^;]+);", without_comments(CSS / "tokens.css"))
    assert len(tokens) > 10
    for name, value in tokens:
        sizes = re.findall(r"([\d.]+)rem", value)
        ends = (sizes[0], sizes[-1]) if value.startswith("clamp") else sizes
        assert all(float(size) * 4 % 1 == 0 for size in ends), name


def test_components_contain_no_classes_of_one_page() -> None:
    selectors = " ".join(re.findall(r"([^{}]+)\{", without_comments(CSS / "components.css")))
    blocks = {name.partition("__")[0] for name in re.findall(r"\.([a-z][\w-]*)", selectors)}
    assert blocks.isdisjoint(PAGE_BLOCKS)
