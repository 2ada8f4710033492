"""Show the runbooks from docs/runbooks as admin pages."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import mark_safe
from markdown_it import MarkdownIt

from webhooks.models import Alert

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "runbooks"
#: A relative link between runbooks. The links end in `.md` so that they also work on GitHub and in the built documentation.
LINK = re.compile(r"\]\(([a-z_]+)\.md\)")
#: Prefixes of links to this site. The built documentation uses the example host.
SITE_LINK = "https://profiles.example.com/"
ADMIN_LINK = f"{SITE_LINK}admin/"
#: The first sentence of the section "What it means".
MEANING = re.compile(r"\*\*What it means\.\*\* (.*?)(?:[.:](?=\s)|\n\n)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Runbook:
    """A runbook. `meaning` is one sentence of HTML that describes the problem."""

    name: str
    title: str
    meaning: str


def list_runbooks() -> list[Runbook]:
    """Return the alert rules' runbooks in rule order, followed by all others."""
    others = sorted({path.stem for path in FOLDER.glob("*.md")} - set(Alert.Rule.values))
    return [_load(name) for name in [*filter(exists, Alert.Rule.values), *others]]


def _load(name: str) -> Runbook:
    title, _, text = (FOLDER / f"{name}.md").read_text().partition("\n")
    titles: dict[str, Any] = dict(Alert.Rule.choices)
    found = MEANING.search(text)
    meaning = MarkdownIt("commonmark").renderInline(LINK.sub(r"](\1/)", found[1])) if found else ""
    return Runbook(name, titles.get(name) or _title(title), mark_safe(meaning))  # noqa: S308  # from our own files


def _title(line: str) -> str:
    return line.removeprefix("# ").strip()


def _link_here(text: str) -> str:
    return text.replace(ADMIN_LINK, reverse("admin:index")).replace(SITE_LINK, "/")


def exists(name: str) -> bool:
    return name.replace("_", "").isalnum() and (FOLDER / f"{name}.md").is_file()


def render_page(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    """Render a runbook as an admin page.

    Raises:
        Http404: the runbook does not exist.
    """
    if not exists(name):
        raise Http404
    title, _, text = (FOLDER / f"{name}.md").read_text().partition("\n")
    html = MarkdownIt("commonmark").enable("table").render(_link_here(LINK.sub(r"](../\1/)", text)))
    page = {"title": _title(title), "text": mark_safe(html)}  # noqa: S308  # from our own files
    return render(request, "admin/webhooks/runbook.html", context | page)
