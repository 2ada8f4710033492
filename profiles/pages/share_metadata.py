"""Public page metadata for search engines and link previews."""

import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext

from profiles.localization import languages
from profiles.models import BuilderProfile, Domain, Project
from profiles.pages import share_card
from profiles.pages.page_rows import load_content

#: Maximum length of a project's description in metadata. Search engines and link previews show less.
MAX_DESCRIPTION = 200
#: Escapes for characters that could end the script element, as in Django's json_script.
_ESCAPED = {ord("<"): "\\u003C", ord(">"): "\\u003E", ord("&"): "\\u0026"}


@dataclass(frozen=True, slots=True)
class Sharing:
    """Values for OpenGraph and Twitter tags, and JSON-LD for a script element.

    Attributes:
        kind: the page's type in OpenGraph.
        image: the share image's URL. It changes with the image, so that caches do not serve an old image.
    """

    title: str
    description: str
    url: str
    image: str
    image_alt: str
    json_ld: SafeString
    kind: str = "profile"


def build_sharing(profile: BuilderProfile, request: HttpRequest) -> Sharing:
    """Return a public page's metadata. It contains only values that visitors can see on the page."""
    load_content(profile)
    url = request.build_absolute_uri(profile.get_absolute_url())
    card = reverse("profiles:builder_card", args=[profile.slug])
    return Sharing(
        title=profile.name,
        description=profile.headline or profile.tagline,
        url=url,
        image=request.build_absolute_uri(f"{card}?v={share_card.Card.from_profile(profile).digest}"),
        image_alt=gettext("%(name)s on Buildappswith") % {"name": profile.name},
        json_ld=_script_json(_page(profile, url, request)),
    )


def build_project_sharing(project: Project, request: HttpRequest) -> Sharing:
    """Return the metadata of a project's page. The builder's page must be public."""
    url = request.build_absolute_uri(project.get_absolute_url())
    card = reverse("profiles:project_card", args=[project.builder.slug, project.pk])
    names = {"title": project.title, "name": project.builder.name}
    return Sharing(
        title=gettext("%(title)s by %(name)s") % names,
        description=Truncator(" ".join(project.description.split())).chars(MAX_DESCRIPTION),
        url=url,
        image=request.build_absolute_uri(f"{card}?v={share_card.Card.from_project(project).digest}"),
        image_alt=gettext("%(title)s by %(name)s on Buildappswith") % names,
        json_ld=_script_json(_work(project, url, request)),
        kind="article",
    )


def _work(project: Project, url: str, request: HttpRequest) -> dict[str, Any]:
    """Source: https://schema.org/CreativeWork"""
    creator = request.build_absolute_uri(project.builder.get_absolute_url())
    work = {
        "@context": "https://schema.org",
        "@type": "CreativeWork",
        "name": project.title,
        "url": url,
        "description": project.description,
        "image": [request.build_absolute_uri(row.image.url) for row in project.images.all()],
        "keywords": project.technologies,
        "creator": {
            "@type": "Person",
            "@id": f"{creator}#person",
            "name": project.builder.name,
            "url": creator,
        },
    }
    return {name: value for name, value in work.items() if value}


def _page(profile: BuilderProfile, url: str, request: HttpRequest) -> dict[str, Any]:
    """Source: https://developers.google.com/search/docs/appearance/structured-data/profile-page"""
    return {
        "@context": "https://schema.org",
        "@type": "ProfilePage",
        "url": url,
        "dateCreated": profile.created_at.isoformat(timespec="seconds"),
        "mainEntity": _person(profile, url, request),
    }


def _person(profile: BuilderProfile, url: str, request: HttpRequest) -> dict[str, Any]:
    image_url = profile.image_url
    person = {
        "@type": "Person",
        "@id": f"{url}#person",
        "name": profile.name,
        "url": url,
        "image": request.build_absolute_uri(image_url) if image_url else "",
        "jobTitle": profile.headline,
        "description": profile.tagline,
        "homeLocation": {"@type": "Place", "name": profile.location} if profile.location else None,
        "knowsAbout": [*map(Domain.label_for, profile.domains), *profile.top_skills, *profile.expertise],
        "knowsLanguage": [languages.split(entry)[0] for entry in profile.languages],
        "award": [str(badge) for badge in profile.badges.all()],
        "sameAs": profile.links,
    }
    return {name: value for name, value in person.items() if value}


def _script_json(data: dict[str, Any]) -> SafeString:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return mark_safe(text.translate(_ESCAPED))  # noqa: S308  # escaped for a script element
