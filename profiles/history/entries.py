"""Build the history of builder page sections for display."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.log import Actor
from profiles import section_history
from profiles.editing.conflicts import describe_actor
from profiles.editing.sections import BUILDER_SECTIONS
from profiles.forms.sections import ProfileForm, ProjectForm
from profiles.history.restoring import old_value
from profiles.models import BuilderProfile, Project, SectionVersion

TITLES: dict[str, str | Promise] = {
    section_history.PORTRAIT: _("Portrait"),
    **{key: section.title for key, section in BUILDER_SECTIONS.items()},
    section_history.PORTFOLIO: _("Portfolio"),
    section_history.GALLERY: _("Project images"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A section version: the values that an edit replaced.

    Attributes:
        action: the label of the button that restores the version.
        is_removal: whether restoring only removes the current content.
        was_empty: whether a section had no content before the change.
    """

    pk: int
    newest: int
    summary: str
    action: str
    is_removal: bool
    was_empty: bool
    values: list[tuple[str, str]]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SectionHistory:
    key: str
    title: str | Promise
    entries: list[Entry]


def build_history(profile: BuilderProfile, viewer: Actor) -> list[SectionHistory]:
    """Return the history of all sections that have changed, newest first, using one query."""
    versions = list(section_history.versions_of(profile).filter(section__in=list(TITLES)))
    newest: dict[Any, int] = {}
    for version in versions:
        newest.setdefault((version.section, version.project), version.pk)
    found = []
    for key, title in TITLES.items():
        entries = [
            _entry(version, newest[version.section, version.project], profile, viewer)
            for version in versions
            if version.section == key
        ]
        found.append(SectionHistory(key, title, entries))
    return [section for section in found if section.entries]


def _entry(version: SectionVersion, newest: int, profile: BuilderProfile, viewer: Actor) -> Entry:
    by = describe_actor(
        profile,
        viewer,
        user_id=version.replaced_by_id,
        impersonator=version.impersonator,
        name=str(version.replaced_by or ""),
        you=gettext("you"),
    )
    values = list(_values(version, profile))
    is_first_portrait = version.section == section_history.PORTRAIT and not version.image
    was_empty = version.section in BUILDER_SECTIONS and not any(_replaced(version))
    return Entry(
        version.pk,
        newest,
        _summary(version),
        _action(is_first_portrait=is_first_portrait, was_empty=was_empty),
        is_first_portrait or was_empty,
        was_empty,
        values,
        by,
        version.replaced_at,
    )


def _replaced(version: SectionVersion) -> list[Any]:
    return [version.values.get(name) for name in version.changed_fields or version.values]


def _action(*, is_first_portrait: bool, was_empty: bool) -> str:
    """Return what restoring does. If there was nothing before the change, restoring removes the current content."""
    if is_first_portrait:
        return gettext("Remove portrait")
    return gettext("Empty this section") if was_empty else gettext("Restore")


def _summary(version: SectionVersion) -> str:
    if version.section == section_history.PORTRAIT:
        return gettext("Portrait replaced or removed") if version.image else gettext("Portrait added")
    title = {"title": str(version.values.get("title", ""))}
    if version.section == section_history.GALLERY:
        changed = (
            gettext("Image description in “%(title)s” changed")
            if version.changed_fields
            else gettext("Image of “%(title)s” removed")
        )
        return changed % title
    if version.section == section_history.PORTFOLIO:
        changed = gettext("“%(title)s” changed") if version.changed_fields else gettext("“%(title)s” deleted")
        return changed % title
    return gettext("Section changed")


def _values(version: SectionVersion, profile: BuilderProfile) -> Iterator[tuple[str, str]]:
    """Yield the label and old value of each changed field that is still in the form."""
    form = _form(version, profile)
    names = list(version.changed_fields or version.values)
    for name in names if form else ():
        # "Unavailable" already means that the builder is not available for hire.
        is_repeated = name == "available_for_hire" and "availability" in names
        if form and name in form.fields and not is_repeated:
            yield str(form[name].label), old_value(form[name], version.values.get(name))
    if version.section == section_history.PORTRAIT and version.values.get("image"):
        yield gettext("Image"), gettext("Kept") if version.image else gettext("The file is missing.")
    if version.section == section_history.GALLERY:
        yield gettext("Image description"), str(version.values.get("alt", ""))


def _form(version: SectionVersion, profile: BuilderProfile) -> ProfileForm[Any] | None:
    if version.section == section_history.PORTFOLIO:
        return ProjectForm(instance=Project(builder=profile))
    section = BUILDER_SECTIONS.get(version.section)
    return section.form_class(instance=profile) if section else None
