"""Load the rows for a public builder page with precompiled statements.

Compiling the three statements on each request took a third of the CPU time of a page with uncached fragments.
"""

import json
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from core.db.compiled import attributes, compile_query, compile_related, is_prefetched, set_prefetched
from core.db.loading import load, loaded_fields
from core.text import postgres_safe
from profiles.models import Badge, BuilderProfile, Project, ProjectImage
from profiles.models.versions import PAGE_VERSION, SHOWN_ORGANIZATIONS

_find = compile_query(
    lambda slug: (
        BuilderProfile.objects.visible_to(AnonymousUser())
        .filter(slug=slug)
        .annotate(page_version=PAGE_VERSION, shown_organizations=SHOWN_ORGANIZATIONS)
        .values_list("page_version", "shown_organizations", *attributes(BuilderProfile), *attributes(User, "user__"))
    ),
    "slug",
)
#: One row per image, or one row without image values for a project without images.
_find_projects = compile_query(
    lambda pk: (
        Project.objects.filter(builder_id=pk)
        .order_by("position", "id", "images__position", "images__id")
        .values_list(*attributes(Project), *attributes(ProjectImage, "images__"))
    ),
    0,
)
_load_badges = compile_related(Badge, "builder_id")


def find_public(slug: str) -> BuilderProfile | None:
    """Return the public profile with exactly this slug, its user, and its `page_version` and `shown_organizations`."""
    for version, organizations, *values in _find(postgres_safe(slug)):
        size = len(loaded_fields(BuilderProfile))
        profile = load(BuilderProfile, values[:size])
        profile.user = load(User, values[size:])
        annotated = cast("Any", profile)
        annotated.page_version, annotated.shown_organizations = version, json.loads(organizations)
        return profile
    return None


def load_projects(profile: BuilderProfile) -> None:
    """Prefetch the projects with their images, unless they are already prefetched."""
    if is_prefetched(profile, "projects"):
        return
    rows_by_project = groupby(_find_projects(profile.pk), key=itemgetter(0))
    set_prefetched(profile, "projects", [_load_project(profile, list(rows)) for _, rows in rows_by_project])


def _load_project(profile: BuilderProfile, rows: list[tuple[Any, ...]]) -> Project:
    size = len(loaded_fields(Project))
    project = load(Project, rows[0][:size])
    project.builder = profile
    set_prefetched(project, "images", (load(ProjectImage, row[size:]) for row in rows if row[size] is not None))
    cast("Any", project).shown_rows = rows  # the version of the project's cached fragment
    return project


def load_content(profile: BuilderProfile) -> None:
    """Prefetch the projects with their images, and the badges, unless they are already prefetched."""
    load_projects(profile)
    _load_badges(profile, "badges")
