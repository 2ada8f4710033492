"""The pages of docs/runbooks, shown inside the admin, so that whoever is alerted has them at hand."""

import re
from pathlib import Path
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from markdown_it import MarkdownIt

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "runbooks"
#: A link from one runbook to another, as the files have it, which are read outside the admin, too.
LINK = re.compile(r"\]\(([a-z_]+)\.md\)")


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
    shown = {"title": title.removeprefix("# "), "text": mark_safe(html)}  # noqa: S308  # our own files
    return render(request, "admin/webhooks/runbook.html", context | shown)
