"""Markdown is rendered with a small set of safe elements."""

import re
import time

import pytest

from core.markdown import ATTRIBUTES, MAX_LENGTH, TAGS, to_html


@pytest.mark.parametrize(
    ("written", "shown"),
    (
        ("one\ntwo\n\nthree", "<p>one<br>\ntwo</p>\n<p>three</p>\n"),
        ("**b** *i* `c`", "<p><strong>b</strong> <em>i</em> <code>c</code></p>\n"),
        (
            "# One\n## Two\n### Three\n#### 4\n##### 5",
            "<h3>One</h3>\n<h4>Two</h4>\n<h5>Three</h5>\n<h6>4</h6>\n<h6>5</h6>\n",
        ),
        ("## One\n#### Two\n## Three", "<h3>One</h3>\n<h4>Two</h4>\n<h3>Three</h3>\n"),
        ("### One\n# Two\n### Three", "<h3>One</h3>\n<h3>Two</h3>\n<h4>Three</h4>\n"),
        ("One\n===", "<h3>One</h3>\n"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("3. a", '<ol start="3">\n<li>a</li>\n</ol>\n'),
        ("> a", "<blockquote>\n<p>a</p>\n</blockquote>\n"),
        ("```\n<b>\n```", "<pre><code>&lt;b&gt;\n</code></pre>\n"),
        ("[a](https://x.example)", '<p><a href="https://x.example" rel="nofollow ugc noopener">a</a></p>\n'),
        ("[a](HTTP://x.example)", '<p><a href="HTTP://x.example" rel="nofollow ugc noopener">a</a></p>\n'),
        ("<a@x.example>", '<p><a href="mailto:a@x.example" rel="nofollow ugc noopener">a@x.example</a></p>\n'),
        ("a ![b](https://x.example/b.png) c", "<p>a  c</p>\n"),
        ("~~a~~ ~b~", "<p><s>a</s> ~b~</p>\n"),
        ("a & b < c", "<p>a &amp; b &lt; c</p>\n"),
        ("", ""),
    ),
)
def test_markdown_is_rendered(written: str, shown: str) -> None:
    assert to_html(written) == shown


REL = 'rel="nofollow ugc noopener"'


@pytest.mark.parametrize(
    ("written", "href", "rest"),
    (
        ("https://x.example", "https://x.example", ("", "")),
        ("See https://x.example/a_b_c?d=1.", "https://x.example/a_b_c?d=1", ("See ", ".")),
        ("(https://x.example/a_(b))", "https://x.example/a_(b)", ("(", ")")),
        ("**https://x.example/**", "https://x.example/", ("<strong>", "</strong>")),
        ("HTTPS://X.example!", "HTTPS://X.example", ("", "!")),
        ("詳細はhttps://x.example/例。", "https://x.example/例", ("詳細は", "。")),
        ("“https://x.example”", "https://x.example", ("“", "”")),
    ),
)
def test_bare_urls_become_links(written: str, href: str, rest: tuple[str, str]) -> None:
    target = href.replace("例", "%E4%BE%8B")
    assert to_html(written) == f'<p>{rest[0]}<a href="{target}" {REL}>{href}</a>{rest[1]}</p>\n'


def test_bare_host_becomes_a_link() -> None:
    assert to_html("www.x.example") == f'<p><a href="https://www.x.example" {REL}>www.x.example</a></p>\n'


@pytest.mark.parametrize(
    "written",
    (
        "package.json",
        "a@x.example",
        "https://",
        "www.",
        "https://...",
        "xhttps://x.example",
        "javascript://x.example/%0Aalert(1)",
        "ftp://x.example",
        "`https://x.example`",
        "```\nhttps://x.example\n```",
    ),
)
def test_other_text_does_not_become_a_link(written: str) -> None:
    assert "<a" not in to_html(written)


def test_url_in_a_link_is_not_linked_again() -> None:
    assert to_html("[see https://y.example](https://x.example)").count("<a ") == 1
    assert to_html("<https://x.example>").count("<a ") == 1


def test_link_does_not_contain_direction_overrides() -> None:
    assert to_html("https://x.example/\u202egnp.exe") == (
        f'<p><a href="https://x.example/" {REL}>https://x.example/</a>\u202egnp.exe</p>\n'
    )


HOSTILE = (
    'https://x.example/"onmouseover="alert(1)',
    "https://x.example/'onmouseover='alert(1)",
    "https://x.example/<script>alert(1)</script>",
    "https://x.example/&quot;&gt;&lt;script&gt;",
    "https://javascript:alert(1)@x.example",
    "www.javascript:alert(1)",
    "https://[::1",
    "https://x.example/%zz%00",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<b onclick='alert(1)'>b</b>",
    "<style>body { display: none }</style>",
    "<iframe src='https://x.example'></iframe>",
    "<!-- --><svg/onload=alert(1)>",
    "</div></section><h1>Mine</h1>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "[a](javascript:alert(1))",
    "[a](JavaScript&#58;alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](  javascript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](vbscript:x)",
    "[a](file:///etc/passwd)",
    "[a](/account/delete/)",
    "[a](//x.example)",
    "[a](?as=visitor)",
    '[a](https://x.example "onmouseover=alert(1) \\" x")',
    '[a](https://x.example/"onmouseover="alert(1))',
    "<javascript:alert(1)>",
    "![a](javascript:alert(1))",
    "![a](data:image/svg+xml;base64,PHN2Zz4=)",
    "[![a](https://x.example/a.png)](javascript:alert(1))",
    "[a]: javascript:alert(1)\n\n[a]",
    "```html onload=alert(1)\n<script>\n```",
    "`<script>alert(1)</script>`",
    "# <script>alert(1)</script>",
    "a\x00b\x00<script>",
    "\u202e<script>\u2066",
    "<a href=x>\n\n<a href=y>",
)
#: Matches elements and attributes in the rendered HTML. User-written markup is escaped.
ELEMENT = re.compile(r"<(/?)(\w+)((?:\s[^<>]*)?)>")
ATTRIBUTE = re.compile(r'\s([\w-]+)="([^"<>]*)"')


@pytest.mark.parametrize("written", HOSTILE)
def test_hostile_markup_is_removed(written: str) -> None:
    html = to_html(written)
    rest = ELEMENT.sub("", html)
    assert "<" not in rest
    for _, tag, attributes in ELEMENT.findall(html):
        assert tag in TAGS
        assert ATTRIBUTE.sub("", attributes) == ""
        for name, value in ATTRIBUTE.findall(attributes):
            assert name in {*ATTRIBUTES.get(tag, ()), "rel", "title"}
            assert name != "href" or re.match(r"(?i)https?://|mailto:", value)


SLOW = {
    "brackets": "[" * 5000,
    "pictures": "![" * 2500,
    "closed brackets": "[" * 2500 + "]" * 2500,
    "links never closed": "[a](" * 1250,
    "parentheses": "[a]" + "(" * 4997,
    "quotes": "> " * 2500,
    "quotes deeper by line": "\n".join(">" * depth for depth in range(1, 99)),
    "lists": "- " * 2500,
    "lists deeper by line": "\n".join("  " * depth + "- a" for depth in range(60)),
    "stars": "*" * 5000,
    "emphasis": "*_" * 2500,
    "emphasis never closed": "**a *" * 1000,
    "backticks": " ".join("`" * length for length in range(1, 99)),
    "code in brackets": "`[" * 2500,
    "less-than signs": "<" * 5000,
    "entities": "&#x" * 1600,
    "backslashes": "\\" * 5000,
    "headings": "# a\n" * 1250,
    "underlined headings": "a\n=\n" * 1250,
    "fences": "~~~\n" * 1250,
    "line breaks": "\n" * 5000,
    "tabs": "\t" * 5000,
    "tildes": "~" * 5000,
    "strikethrough never closed": "~~a " * 1250,
    "bare URLs": "https://a " * 500,
    "bare URLs without spaces": "https://a," * 500,
    "one long URL": "https://a" + ")" * 4991,
    "punctuation after a URL": "https://a" + ".)" * 2495,
    "hosts": "www." * 1250,
}


@pytest.mark.parametrize("written", SLOW.values(), ids=SLOW)
def test_pathological_input_is_rendered_quickly(written: str) -> None:
    def took_s(attempt: int) -> float:
        started = time.thread_time()
        to_html(f"{written} {attempt}")  # Use a different text each time, because results are cached.
        return time.thread_time() - started

    # Usually takes less than 0.1 s. The limit includes a margin for busy machines.
    assert any(took_s(attempt) < 0.5 for attempt in range(3))


def test_text_above_the_limit_is_truncated() -> None:
    assert to_html("a" * (MAX_LENGTH + 1)) == f"<p>{'a' * MAX_LENGTH}</p>\n"
