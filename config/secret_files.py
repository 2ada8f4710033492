"""Read settings from files: the file named by NAME_FILE contains the value of NAME.

Orchestrators mount secrets as files. A file is not visible in the list of processes or in a container's description.
"""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import FileAwareEnv
from environ.fileaware_mapping import FileAwareMapping


class SecretFiles(FileAwareMapping):
    """The environment, including values in files, without white space around them.

    Raises:
        ImproperlyConfigured: NAME and NAME_FILE are both set, or the file cannot be read or is empty.
    """

    def __getitem__(self, name: str) -> Any:
        path = self.env.get(f"{name}_FILE", "").strip()
        if not path:
            return self.env[name]
        if self.env.get(name, "").strip():
            raise ImproperlyConfigured(f"{name} and {name}_FILE are both set. Remove one of them.")
        return _read(name, path)


class SecretFilesEnv(FileAwareEnv):
    ENVIRON = SecretFiles()


def _read(name: str, path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ImproperlyConfigured(f"{name}_FILE names the file {path}, which cannot be read: {reason}.") from None
    if not text:
        raise ImproperlyConfigured(f"{name}_FILE names the file {path}, which is empty. Write the value into the file.")
    return text
