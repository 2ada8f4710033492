"""Markdown that people write, as HTML that is safe to show: few elements, no pictures, links marked as theirs."""

import re
from functools import lru_cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

#: The rest of what somebody wrote is left out; forms take no more. Nothing of this length takes more than 0.1 s.
LONGEST = 5000
#: The page has an h1, and an h2 above the text.
HEADINGS_BEGIN_AT, LAST_HEADING = 3, 6

#: No raw HTML, no definitions of links elsewhere, and no code by mere indentation. Pictures are read, and then left out.
RULES = [
    *("paragraph", "heading", "lheading", "blockquote", "list", "hr", "fence"),
    *("text", "newline", "escape", "entity", "backticks", "emphasis", "link", "image", "autolink"),
    *("normalize", "block", "inline", "text_join", "balance_pairs", "fragments_join"),
]
TAGS = {"p", "br", "hr", "strong", "em", "code", "pre", "blockquote", "ul", "ol", "li", "a", "h3", "h4", "h5", "h6"}
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}
_LINK = re.compile(r"(?:https?://|mailto:)\S", re.IGNORECASE)


def _is_link(url: str) -> bool:
    return _LINK.match(url) is not None


_parser = MarkdownIt("zero", {"html": False, "linkify": False, "typographer": False, "breaks": True, "maxNesting": 20})
_parser.enable(RULES)
# What is no link stays the text that was typed.
_parser.validateLink = _is_link  # type: ignore[method-assign]


@lru_cache(maxsize=256)
def to_html(text: str) -> SafeString:
    """Return what somebody wrote as HTML; a page is asked for more often than its text is changed."""
    tokens = _parser.parse(text[:LONGEST])
    _lower_headings(tokens)
    html = _parser.renderer.render(tokens, _parser.options, {})
    # Once more by a library that knows nothing of Markdown, so that no mistake above lets anything through.
    clean = nh3.clean(html, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel="nofollow ugc noopener")
    return mark_safe(clean)  # noqa: S308  # this is what makes it safe


def _lower_headings(tokens: list[Token]) -> None:
    """Bring headings below those of the page, and leave no level out, whichever levels somebody used."""
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    used = sorted({token.tag for token in headings})
    before = HEADINGS_BEGIN_AT - 1
    for opening, closing in zip(headings[::2], headings[1::2], strict=True):
        before = min(before + 1, HEADINGS_BEGIN_AT + used.index(opening.tag), LAST_HEADING)
        opening.tag = closing.tag = f"h{before}"
