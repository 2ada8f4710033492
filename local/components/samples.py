"""Sample data for the templates. Nothing is read from or written to the database.

The package `local` must not import the apps, so the models come from Django's registry.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.utils import timezone

from local.components.forms import ImageForm, SampleForm

SINCE = datetime(2026, 3, 2, 9, tzinfo=UTC)
BIO = "I build **field apps** that work without a connection.\n\n* Offline maps\n* Forms for crews\n\n> It never lost a form."
CARDS: tuple[dict[str, Any], ...] = (
    {
        "name": "Omar Haddad",
        "headline": "Field apps that work offline",
        "tier": 3,
        "availability": "available",
        "hourly_rate": Decimal(95),
        "location": "Leeds",
        "languages": ["en:native", "ar:fluent"],
    },
    {
        "name": "Zofia Wiśniewska",
        "headline": "Online shops and their warehouses, from the first product to the thousandth order of the day",
        "tier": 2,
        "availability": "limited",
        "hourly_rate": Decimal(320),
        "currency": "PLN",
        "location": "Gdańsk",
    },
    {"name": "Ada Brandt", "headline": "Dashboards", "availability": "unavailable", "skills": []},
    {"name": "Kwame Owusu-Ansah Mensah-Bonsu", "availability": "not_stated", "languages": ["en"], "skills": ["Go"]},
)


STEPS = (
    SimpleNamespace(gain=15, title="Add a project", benefit="Clients look at your work first."),
    SimpleNamespace(gain=5, title="Add links", benefit="Links help clients verify who you are."),
)
HIDDEN: dict[str, Any] = {
    "name": "Nina Novak",
    "hidden_at": SINCE,
    "hidden_reason": "The portrait shows a different person.",
}


def build_context() -> dict[str, Any]:
    """Return sample data for all groups."""
    owner, new, hidden = build_owner(), build_profile(11, name="New Builder", skills=[]), build_profile(12, **HIDDEN)
    fill_in(owner)
    for profile in (new, hidden):
        set_related(profile, "projects", [])
    return {
        "builders": [build_profile(number, **values) for number, values in enumerate(CARDS, 1)],
        "profile": owner,
        "new_profile": new,
        "hidden_profile": hidden,
        "pictured": SimpleNamespace(monogram_color="sand", initials="ZW", image_url=picture(640, 640), image="a.webp"),
        "tiers": [build_profile(20 + tier, name="Tier", tier=tier) for tier in (1, 2, 3)],
        "visitor": access("visitor"),
        "owner": access("owner", "edit", "publish", "delete", "request_review", "view_reviews"),
        "admin": access("admin", "edit", "delete", "verify"),
        "saved_pks": {1},
        "steps": SimpleNamespace(missing=[(step, "#main") for step in STEPS]),
        **build_forms(),
    }


def build_forms() -> dict[str, Any]:
    return {
        "form": SampleForm(initial={"name": "Omar Haddad", "listed": True}),
        "invalid_form": SampleForm({"headline": "x", "hourly_rate": "0"}),
        "image_form": ImageForm(),
        "section": SimpleNamespace(key="about", title="Bio", edit="Edit bio", invitation="Describe what you build."),
        "differences": [SimpleNamespace(label="Headline", stored="Apps for field crews", submitted="Field apps")],
        "switch_choices": [("available", "Available"), ("limited", "Limited"), ("unavailable", "Unavailable")],
        "problems": [SimpleNamespace(label="Domains", value="games", reason="“games” is no longer a choice.")],
    }


def access(role: str, *permissions: str) -> SimpleNamespace:
    """Return the permissions of a viewer, as in profiles.permissions.ProfileAccess."""
    names = ("view", "edit", "publish", "delete", "verify", "contact", "save", "request_review", "view_reviews")
    return SimpleNamespace(role=role, **{f"can_{name}": name in permissions for name in names})


def build_profile(number: int, *, name: str, tier: int = 1, **values: Any) -> Any:
    user = apps.get_model("accounts", "User")(pk=number, name=name, email_verified_at=SINCE)
    is_stated = values.get("availability", "not_stated") != "not_stated"
    defaults = {
        "slug": name.lower().replace(" ", "-"),
        "skills": ["Django", "PostgreSQL", "Maps"],
        "currency": "EUR",
        "created_at": SINCE,
        "validation_tier": tier,
        "availability_confirmed_at": timezone.now() if is_stated else None,
    }
    return apps.get_model("profiles", "BuilderProfile")(pk=number, user=user, **defaults | values)


def build_owner() -> Any:
    details: dict[str, Any] = {
        "domains": ["mobile", "data"],
        "expertise": ["offline maps", "forms for field crews"],
        "bio": BIO,
    }
    terms: dict[str, Any] = {"min_project": 5000, "days_per_week": 3, "adhd_friendly": True, "completed_projects": 12}
    facts: dict[str, Any] = {
        "tagline": "Small, sturdy, finished",
        "years_experience": 9,
        "links": ["https://example.com/omar"],
    }
    return build_profile(10, **CARDS[0], **details, **terms, **facts)


def fill_in(profile: Any) -> None:
    """Add projects with and without images, and badges."""
    screens = [build_image(number, 390, 844) for number in (2, 3)]
    projects = [
        build_project(1, profile, "Crew map", "live", [build_image(1, 1200, 800)]),
        build_project(2, profile, "Stock take", "demo", screens),
        build_project(3, profile, "Night shift", "concept", []),
    ]
    set_related(profile, "projects", projects)
    badge = apps.get_model("profiles", "Badge")
    evidence = {"identity": "Passport checked by video call.", "code": "Two repositories read by our team."}
    badges = [badge(kind=kind, evidence=text, awarded_at=SINCE) for kind, text in evidence.items()]
    set_related(profile, "badges", badges)


def build_project(number: int, builder: Any, title: str, status: str, images: Sequence[Any]) -> Any:
    project = apps.get_model("profiles", "Project")(pk=number, builder=builder, title=title, status=status)
    project.description, project.technologies = "Maps that work in a valley without a signal.", ["Django", "SQLite"]
    project.url = "https://example.com/"
    set_related(project, "images", images)
    return project


def build_image(number: int, width: int, height: int) -> SimpleNamespace:
    size = {"width": width, "height": height, "is_tall": height > width}
    return SimpleNamespace(pk=number, image=SimpleNamespace(url=picture(width, height)), alt=f"Screen {number}", **size)


def picture(width: int, height: int) -> str:
    """Return a data URL of a plain picture."""
    size = f'width="{width}" height="{height}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect {size} fill="#8fa79b"/><circle r="120" fill="#4b6b5c"/></svg>'
    return f"data:image/svg+xml,{quote(svg)}"


def set_related(instance: Any, name: str, objects: Sequence[Any]) -> None:
    """Set the related objects of an unsaved instance, as `prefetch_related` does."""
    rows = instance._meta.get_field(name).related_model._default_manager.all()
    rows._result_cache, rows._prefetch_done = list(objects), True
    instance._prefetched_objects_cache = {**getattr(instance, "_prefetched_objects_cache", {}), name: rows}
