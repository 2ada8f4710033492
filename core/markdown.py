"""Render Markdown as safe HTML: a small set of elements, no images, and links marked as user-generated."""

import re
from functools import lru_cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from core import bare_links

#: Maximum length, which forms also enforce. Longer text is truncated. Rendering this length takes at most 0.1 s.
MAX_LENGTH = 5000
#: Headings start at h3 by default, because pages use h1 and h2 for their own headings.
TOP_HEADING_LEVEL, LOWEST_HEADING_LEVEL = 3, 6

#: Raw HTML, link reference definitions and indented code are disabled. Images are parsed and then removed by the
#: sanitizer.
RULES = [
    *("paragraph", "heading", "lheading", "blockquote", "list", "hr", "fence"),
    *("text", "newline", "escape", "entity", "backticks", "emphasis", "strikethrough", "link", "image", "autolink"),
    *("normalize", "block", "inline", "text_join", "balance_pairs", "fragments_join"),
]
TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h3", "h4", "h5", "h6"),
}
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}
_LINK = re.compile(r"(?:https?://|mailto:)\S", re.IGNORECASE)


def _is_link(url: str) -> bool:
    return _LINK.match(url) is not None


_parser = MarkdownIt("zero", {"html": False, "linkify": False, "typographer": False, "breaks": True, "maxNesting": 20})
_parser.enable(RULES)
# Other schemes are left as plain text.
_parser.validateLink = _is_link  # type: ignore[method-assign]  # as markdown-it-py documents
_parser.use(bare_links.plugin)


@lru_cache(maxsize=256)
def to_html(text: str) -> SafeString:
    """Return `text` as safe HTML. Cached, because pages are viewed more often than they change."""
    return render(text)


def render(text: str, *, max_length: int = MAX_LENGTH, top_heading_level: int = TOP_HEADING_LEVEL) -> SafeString:
    """Render `text` as safe HTML without caching. Use this for text that is rendered only once."""
    tokens = _parser.parse(text[:max_length])
    _lower_headings(tokens, top_heading_level)
    html = _parser.renderer.render(tokens, _parser.options, {})
    # Defence in depth: an independent sanitizer catches mistakes in the parser's configuration.
    tags = TAGS | {f"h{level}" for level in range(top_heading_level, TOP_HEADING_LEVEL)}
    clean = nh3.clean(html, tags=tags, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel="nofollow ugc noopener")
    return mark_safe(clean)  # noqa: S308  # sanitized by nh3


def _lower_headings(tokens: list[Token], top_level: int) -> None:
    """Move headings below the page's heading levels, without gaps between levels."""
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    tags = sorted({token.tag for token in headings})
    previous = top_level - 1
    for opening, closing in zip(headings[::2], headings[1::2], strict=True):
        previous = min(previous + 1, top_level + tags.index(opening.tag), LOWEST_HEADING_LEVEL)
        opening.tag = closing.tag = f"h{previous}"
