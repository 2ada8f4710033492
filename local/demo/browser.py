"""A minimal browser for demo users: cookies, redirects and HTML forms."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, override
from urllib.parse import urljoin

import httpx

#: Headers that a browser sends when it opens a page. They trigger Clerk's handshake.
PAGE = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}
TIMEOUT_S = 20


class FormRejected(Exception):
    """The product rejected a form. The message contains its errors."""


class Loopback(httpx.HTTPTransport):
    """Sends all requests to 127.0.0.1. Browsers resolve *.localhost to this machine, but some systems do not."""

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        local_request = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1"),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return super().handle_request(local_request)


@dataclass
class Form:
    """A form on an HTML page.

    Attributes:
        action: the URL it is posted to; "" is the URL of the page.
        values: the values of each field, keyed by field name. A group of checkboxes can have several.
        kinds: the type of each field (text, textarea, select, checkbox, radio, file or hidden), keyed by field name.
        buttons: the value of each button, keyed by name.
    """

    action: str
    values: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, str] = field(default_factory=dict)

    def is_blank(self, names: set[str]) -> bool:
        """Return whether these fields contain no text. Choices are ignored, because they always have a value."""
        written = [name for name in names if self.kinds.get(name) in ("text", "textarea", "number", "url")]
        return not any("".join(self.values[name]).strip(" 0") for name in written)

    def fill(self, data: dict[str, Any]) -> None:
        """Set the values of fields.

        Raises:
            FormRejected: the form has no such field.
        """
        for name, value in data.items():
            if f"{name}_0" in self.kinds:
                self._fill_rows(name, value)
                continue
            if name not in self.kinds:
                raise FormRejected(f"The form has no field {name}.")
            self.values[name] = _field_values(self.kinds[name], value)

    def _fill_rows(self, name: str, entries: list[str]) -> None:
        """Fill in rows of two select boxes, for example the language and the level from "pl:native"."""
        for row, entry in enumerate(entries):
            first, _, second = entry.partition(":")
            self.values |= {f"{name}_{2 * row}": [first], f"{name}_{2 * row + 1}": [second]}

    def press(self, button: str) -> None:
        self.values[button] = [self.buttons[button]]


def _field_values(kind: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return ["on"] if value else []
    if isinstance(value, list):
        return value if kind == "checkbox" else [("\n" if kind == "textarea" else ", ").join(value)]
    return [str(value)]


class FormReader(HTMLParser):
    """Parses the forms of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = self._textarea = ""
        self.feed(page)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(found.get("action", ""))
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag == "option":
            self._option(self._form, found)
        elif name := found.get("name"):
            self._field(self._form, tag, name, found)

    @override
    def handle_data(self, data: str) -> None:
        if self._form and self._textarea:
            # Like browsers, ignore the first line break, which Django adds.
            before = self._form.values[self._textarea]
            before[0] = (before[0] + data).removeprefix("\n").removeprefix("\r\n")

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._textarea = ""

    def _field(self, form: Form, tag: str, name: str, found: dict[str, str]) -> None:
        kind = found.get("type", "text") if tag == "input" else tag
        if kind in ("submit", "button"):
            form.buttons[name] = found.get("value", "")
            return
        form.kinds[name] = kind
        values = form.values.setdefault(name, [])
        if tag == "textarea":
            self._textarea, form.values[name] = name, [""]
        elif tag == "select":
            self._select = name
        elif kind in ("checkbox", "radio"):
            values += [found.get("value", "on")] * ("checked" in found)
        elif kind != "file":
            values.append(found.get("value", ""))

    def _option(self, form: Form, found: dict[str, str]) -> None:
        if "selected" in found or not form.values[self._select]:
            form.values[self._select] = [found.get("value", "")]


class Browser:
    """The browser of one user.

    Args:
        app: the application's origin.
        clerk: the origin of the stand-in for Clerk.
    """

    def __init__(self, app: str, clerk: str) -> None:
        self.app, self.clerk = app, clerk
        self.client = httpx.Client(transport=Loopback(), timeout=TIMEOUT_S, trust_env=False, headers=PAGE)

    def sign_in(self, user_id: str) -> None:
        """Sign in on the stand-in's page that works without JavaScript."""
        url = f"{self.clerk}/sign-in"
        form = FormReader(self.client.get(url).text).forms[0]
        form.fill({"user_id": user_id})
        origin = {"Origin": self.clerk}
        self.client.post(url, data=form.values, headers=origin, follow_redirects=True).raise_for_status()

    def json(self, path: str) -> Any:
        """Return an API response. Open a small page first to renew the token."""
        self.client.get(f"{self.app}/sign-out/", follow_redirects=True)
        return self.client.get(f"{self.app}{path}").raise_for_status().json()

    def form(self, path: str, field_or_action: str) -> Form | None:
        """Return the page's form with this field or action, or None if the page or the form does not exist."""
        response = self.client.get(f"{self.app}{path}", follow_redirects=True)
        if response.status_code == 404:
            return None
        forms = FormReader(response.raise_for_status().text).forms
        return next((form for form in forms if field_or_action in form.kinds or field_or_action == form.action), None)

    def post(self, path: str, form: Form, image: tuple[str, bytes] | None = None) -> None:
        """Post a form of the page `path`.

        Args:
            image: the name of a file field, and the path of a WebP file.

        Raises:
            FormRejected: the form has errors.
        """
        url = urljoin(f"{self.app}{path}", form.action)
        files = {image[0]: (f"{image[0]}.webp", image[1], "image/webp")} if image else None
        response = self.client.post(url, data=form.values, files=files, headers={"Origin": self.app})
        if response.status_code not in (302, 303) or "draft=" in response.headers["Location"]:
            raise FormRejected(f"{url} returned {response.status_code}: {_errors(response.text)}")


def _errors(page: str) -> str:
    """Return the form errors shown on the page, shortened for a log."""
    lists = page.split('class="errorlist')[1:]
    return " ".join(part.split("</ul>")[0].partition(">")[2] for part in lists)[:500] or page[:200]
