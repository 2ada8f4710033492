"""Link bare URLs in Markdown, such as `https://x.example` and `www.x.example`.

The built-in rule of markdown-it-py needs another library and also links words such as `package.json`.
"""

import re
from collections.abc import Iterable, Iterator

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

#: Quotes, CJK punctuation and invisible control characters end a URL.
_BARE_URL = re.compile(
    r"(?<![a-z0-9_.@/:-])(?:https?://|www\.)[^\W_][^\s<>\"“”«»。、，（）「」\u200b-\u200f\u202a-\u202e\u2066-\u2069]*",
    re.IGNORECASE,
)
#: Trailing punctuation that is not part of the URL.
_PUNCTUATION = "?!.,:;*_~'’…！？"


def plugin(parser: MarkdownIt) -> None:
    parser.core.ruler.after("text_join", "bare_links", _link_bare_urls)


def _link_bare_urls(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = list(_link_children(token.children, state.md))


def _link_children(children: Iterable[Token], parser: MarkdownIt) -> Iterator[Token]:
    """Yield a paragraph's tokens, with bare URLs linked unless they are already inside a link."""
    depth = 0
    for child in children:
        if child.type in ("link_open", "link_close"):
            depth += child.nesting
        if child.type == "text" and not depth:
            yield from _split(child.content, parser)
        else:
            yield child


def _split(text: str, parser: MarkdownIt) -> Iterator[Token]:
    end = 0
    for match in _BARE_URL.finditer(text):
        url = _without_punctuation(match[0])
        href = parser.normalizeLink(url if "://" in url[:8] else f"https://{url}")
        if not parser.validateLink(href):
            continue
        yield _text(text[end : match.start()])
        yield Token("link_open", "a", 1, attrs={"href": href})
        yield _text(url)
        yield Token("link_close", "a", -1)
        end = match.start() + len(url)
    yield _text(text[end:])


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _without_punctuation(url: str) -> str:
    """Strip trailing punctuation, and a closing parenthesis without an opening one in the URL."""
    while url[-1] in _PUNCTUATION or (url[-1] == ")" and url.count(")") > url.count("(")):
        url = url[:-1]
    return url
