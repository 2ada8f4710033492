"""Copy files between storages, and verify each copy by size and checksum."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from django.core.files.base import ContentFile
from django.core.files.storage import Storage

#: The folder of the diagnostics, whose files exist for a moment only.
IGNORED = ("diagnostics",)


@dataclass(slots=True)
class Report:
    copied: int = 0
    equal: int = 0
    size: int = 0
    problems: list[str] = field(default_factory=list)


def list_files(storage: Storage, folder: str = "") -> Iterator[str]:
    """Yield the names of all files, sorted within each folder."""
    try:
        folders, names = storage.listdir(folder)
    except FileNotFoundError:  # no file has been stored yet
        return
    prefix = f"{folder}/" if folder else ""
    yield from (f"{prefix}{name}" for name in sorted(names) if name)
    for child in sorted(name for name in folders if name not in IGNORED):
        yield from list_files(storage, f"{prefix}{child}")


def copy(report: Report, source: Storage, target: Storage, name: str, *, verify_only: bool = False) -> None:
    """Copy a file unless the target has an equal one. Problems are added to the report, and do not stop the run."""
    try:
        content = _read(source, name)
        if _digest(target, name) == sha256(content).digest():
            report.equal += 1
        elif verify_only:
            report.problems.append(f"{name} is missing or differs.")
        else:
            _write(target, name, content)
            report.copied += 1
        report.size += len(content)
    except OSError as error:
        report.problems.append(f"{name}: {error}")


def _write(target: Storage, name: str, content: bytes) -> None:
    if target.exists(name):  # a different file, such as one that was cut off
        target.delete(name)
    stored = target.save(name, ContentFile(content))
    if stored != name or _digest(target, name) != sha256(content).digest():
        raise OSError("the copy differs from the original. Run the command again.")


def _read(storage: Storage, name: str) -> bytes:
    with storage.open(name) as file:
        content: bytes = file.read()
    return content


def _digest(storage: Storage, name: str) -> bytes:
    """Return the SHA-256 of a stored file, or b"" if there is none."""
    try:
        return sha256(_read(storage, name)).digest()
    except FileNotFoundError:
        return b""
