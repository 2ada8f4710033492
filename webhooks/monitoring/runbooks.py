"""The pages of docs/runbooks, shown inside the admin, so that whoever is alerted has them at hand."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from markdown_it import MarkdownIt

from webhooks.models import Alert

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "runbooks"
#: A link from one runbook to another, as the files have it, which are read outside the admin, too.
LINK = re.compile(r"\]\(([a-z_]+)\.md\)")
#: The sentence that says what a kind of trouble is.
MEANING = re.compile(r"\*\*(?:What it means\.\*\* |(?=It means))(.*?)(?:[.:](?=\s)|\n\n)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Runbook:
    """One page, what it is called, and in a sentence what has happened when it is needed."""

    name: str
    title: str
    meaning: str


def every() -> list[Runbook]:
    """Return all runbooks, those of the rules first and in their order."""
    others = sorted({path.stem for path in FOLDER.glob("*.md")} - set(Alert.Rule.values))
    return [_runbook(name) for name in [*filter(exists, Alert.Rule.values), *others]]


def _runbook(name: str) -> Runbook:
    title, _, text = (FOLDER / f"{name}.md").read_text().partition("\n")
    titles: dict[str, Any] = dict(Alert.Rule.choices)
    found = MEANING.search(text)
    meaning = MarkdownIt("commonmark").renderInline(LINK.sub(r"](\1/)", found[1].replace("**", ""))) if found else ""
    return Runbook(name, titles.get(name) or _title(title), mark_safe(meaning))  # noqa: S308  # our own files


def _title(line: str) -> str:
    return line.removeprefix("# ").removeprefix("Runbook: ").strip()


def exists(name: str) -> bool:
    """Return whether there is a runbook of that name."""
    return name.replace("_", "").isalnum() and (FOLDER / f"{name}.md").is_file()


def page(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    """Show a runbook.

    Raises:
        Http404: there is none of that name.
    """
    if not exists(name):
        raise Http404
    title, _, text = (FOLDER / f"{name}.md").read_text().partition("\n")
    html = MarkdownIt("commonmark").enable("table").render(LINK.sub(r"](../\1/)", text))
    shown = {"title": _title(title), "text": mark_safe(html)}  # noqa: S308  # our own files
    return render(request, "admin/webhooks/runbook.html", context | shown)
