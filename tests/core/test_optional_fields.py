"""Forms mark their optional fields if other fields must be filled in."""

from django import forms
from django.template.loader import render_to_string

from core.templatetags.fields import is_marked_optional
from profiles.forms.sections import SkillsForm
from profiles.models import BuilderProfile, Project
from profiles.portfolio.forms import NewProjectForm
from profiles.reports.forms import ReportForm


def new_project_form() -> NewProjectForm:
    return NewProjectForm(instance=Project(builder=BuilderProfile()))


def marked(form: forms.BaseForm) -> set[str]:
    return {field.name for field in form.visible_fields() if is_marked_optional(field)}


def test_optional_fields_are_marked_next_to_required_fields() -> None:
    assert {"image", "description", "technologies", "url"} <= marked(new_project_form())
    assert not {"title", "status"} & marked(new_project_form())


def test_forms_without_required_fields_have_no_marks() -> None:
    assert marked(SkillsForm(instance=BuilderProfile())) == set()


def test_fields_that_other_values_require_are_not_marked() -> None:
    assert "image_alt" not in marked(new_project_form())
    assert marked(ReportForm()) == set()


def test_mark_comes_before_the_help_text() -> None:
    form = new_project_form()
    assert ">Optional. Separate with commas.</p>" in render_to_string("_field.html", {"field": form["technologies"]})
    url = render_to_string("_field.html", {"field": form["url"]})
    assert 'id="id_project_new_url_helptext">Optional.</p>' in url
    assert 'aria-describedby="id_project_new_url_helptext ' in url
    assert render_to_string("_field.html", {"field": form["url"]}).count("Optional.") == 1
    assert "Optional." not in render_to_string("_field.html", {"field": form["title"]})
