"""Copy uploaded images between the folder and the object store: `manage.py copy_media --to bucket`."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage, Storage
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from core.english import counted
from core.object_store import ObjectStore
from profiles.media import copying


class Command(BaseCommand):
    help = (
        "Copy all uploaded images from MEDIA_ROOT to S3_BUCKET or back, and compare size and checksum of each copy. Files that "
        "are already there and equal are skipped, so the command can be repeated. Exits with 1 if a file differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--to", choices=("bucket", "folder"), required=True, help="the destination")
        parser.add_argument("--verify", action="store_true", help="only compare, without writing")

    def handle(self, *, to: str, verify: bool, **options: Any) -> None:
        folder, bucket = FileSystemStorage(settings.MEDIA_ROOT), _bucket()
        source, target = (folder, bucket) if to == "bucket" else (bucket, folder)
        report = copying.Report()
        names = list(copying.list_files(source))
        for name in tqdm(names, unit="file", disable=None):
            self._copy(report, source, target, name, verify=verify)
        self.stdout.write(
            f"{report.copied} copied, {report.equal} already equal, {report.size:,} {'byte' if report.size == 1 else 'bytes'}."
        )
        if report.problems:
            verb = "is missing or differs" if len(report.problems) == 1 else "are missing or differ"
            raise CommandError(f"{len(report.problems)} of {counted(len(names), 'file')} {verb}.")

    def _copy(self, report: copying.Report, source: Storage, target: Storage, name: str, *, verify: bool) -> None:
        problems = len(report.problems)
        copying.copy(report, source, target, name, verify_only=verify)
        for line in report.problems[problems:]:
            self.stderr.write(line)


def _bucket() -> ObjectStore:
    options = settings.STORAGES["default"].get("OPTIONS")
    if not options:
        raise CommandError("S3_BUCKET is not set. Set the S3_ settings, and run the command again.")
    return ObjectStore(**options)
