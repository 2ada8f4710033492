"""Read the numbered steps of a runbook from its page in the admin, and open the pages that a step links to."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urljoin

import time_machine
from django.test import Client
from django.test.html import Element, parse_html
from django.utils import timezone

from webhooks.models import Alert
from webhooks.monitoring.health import measure
from webhooks.monitoring.rules import RULES

RUNBOOKS = "/admin/webhooks/alert/runbooks/"


@dataclass
class Step:
    """A step of a runbook.

    Attributes:
        links: the addresses of the links by their text.
        opened: the texts of the links that the test has used.
    """

    admin: Client
    links: dict[str, str]
    opened: list[str] = field(default_factory=list)

    def url(self, link: str) -> str:
        self.opened.append(link)
        return self.links[link]

    def open(self, link: str) -> str:
        """Open a link in the admin, and return the page."""
        return page(self.admin, self.url(link))


#: The fixture `step`: returns a step of a runbook.
type ReadStep = Callable[[str, int], Step]


def state_of(rule: Alert.Rule, after: timedelta = timedelta(0)) -> str:
    """Return the state of a signal, now or after some time."""
    with time_machine.travel(timezone.now() + after, tick=False):
        return RULES[rule](measure()).state


def page(admin: Client, url: str) -> str:
    response = admin.get(url, follow=True)
    assert response.status_code == 200, url
    return html.unescape(response.content.decode())


def read_steps(admin: Client, name: str) -> list[Step]:
    """Return the steps of a runbook. Its text contains one numbered list."""
    [numbered] = [element for element in elements(read_runbook(admin, name)) if element.name == "ol"]
    return [
        Step(admin, links_of(child, urljoin(RUNBOOKS, f"{name}/")))
        for child in numbered.children
        if isinstance(child, Element)
    ]


def read_runbook(admin: Client, name: str) -> Element:
    found = re.search(r'<div class="runbook">.*?</div>', admin.get(f"{RUNBOOKS}{name}/").text, re.DOTALL)
    assert found, f"There is no runbook {name}."
    element = parse_html(found[0])
    assert isinstance(element, Element)
    return element


def links_of(element: Element, base: str) -> dict[str, str]:
    links = [child for child in elements(element) if child.name == "a"]
    return {text_of(link): urljoin(base, dict(link.attributes)["href"]) for link in links}


def elements(element: Element) -> list[Element]:
    """Return all descendants."""
    children = [child for child in element.children if isinstance(child, Element)]
    return [found for child in children for found in (child, *elements(child))]


def text_of(element: Element) -> str:
    return " ".join(text_of(child) if isinstance(child, Element) else child for child in element.children)
