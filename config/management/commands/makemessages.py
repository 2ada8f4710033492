"""Django's command, with output that depends only on the strings in the code, so that it can be compared in CI."""

import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.commands import makemessages

from config import model_labels

#: The catalogues name this file for labels that are not in the source code.
LABELS = "locale/model_labels.py"
#: Folders whose strings are not part of the site's interface.
IGNORED = ["docs", "local", "node_modules", "static", "staticfiles", "tests"]
#: Header lines with times, and with placeholders that nobody fills in.
NOISE = re.compile(
    r'^(#( .*)?|#, fuzzy|"(Project-Id-Version|Report-Msgid-Bugs-To|POT-Creation-Date|PO-Revision-Date|Last-Translator|'
    r'Language-Team): .*")\n',
    re.MULTILINE,
)


class Command(makemessages.Command):
    # A translation of a similar string would only be a guess, so a changed string has to be translated again.
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching"]

    def handle(self, *args: Any, **options: Any) -> None:
        options["locale"] = options["locale"] or [
            code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE
        ]
        options["ignore_patterns"] = [*options["ignore_patterns"], *IGNORED]
        try:
            super().handle(*args, **(options | {"add_location": "file", "no_obsolete": True}))
        finally:
            Path(LABELS).unlink(missing_ok=True)

    def find_files(self, root: str) -> list[makemessages.TranslatableFile]:
        """Return all source files, and a temporary one that lists the labels of models."""
        files: list[makemessages.TranslatableFile] = super().find_files(root)
        Path(LABELS).write_text("".join(f"gettext_noop({text!r})\n" for text in model_labels.texts), encoding="utf-8")
        folder, name = LABELS.split("/")
        return sorted([*files, self.translatable_file_class(folder, name, self.default_locale_path)])

    def write_po_file(self, potfile: str, locale: str) -> None:
        super().write_po_file(potfile, locale)
        catalogue = Path(potfile).parent / locale / "LC_MESSAGES" / f"{self.domain}.po"
        header, messages = catalogue.read_text(encoding="utf-8").split("\n\n", maxsplit=1)
        header = NOISE.sub("", header).replace('"Language: \\n"', f'"Language: {locale}\\n"')
        catalogue.write_text(f"{header}\n\n{messages}", encoding="utf-8")
