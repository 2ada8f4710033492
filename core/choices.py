from django.db.models import TextChoices


def label_of(choices: type[TextChoices], value: str) -> str:
    """Return the label of `value`, or `value` itself if it is no longer a choice.

    `get_FOO_display` is much slower, because it hashes and translates the labels of all choices.
    """
    return str(choices(value).label) if value in choices else value
