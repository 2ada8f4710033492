"""Each diagnostic check detects its problem."""

import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from threading import Event, Thread
from typing import Any, NoReturn

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.clerk import diagnostics
from accounts.clerk.diagnostics import Finding
from local.stack import server_user
from local.stack.postgres import EmbeddedPostgres
from tests.helpers.servers.pgbouncer import pgbouncer
from tests.helpers.servers.processes import wait_until
from tests.helpers.webhooks import WebhookClient, person
from webhooks.doctor import runner, state, surroundings
from webhooks.doctor.catalogue import CHECKS
from webhooks.models import CheckResult, WebhookEvent
from webhooks.monitoring import health, rules

State = CheckResult.State


def certificate(folder: Path, expires_at: datetime) -> Path:
    """Write a self-signed certificate for 127.0.0.1 and its key to one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    built = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(expires_at - timedelta(days=90))
        .not_valid_after(expires_at)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(built.public_bytes(Encoding.PEM) + private)
    return path


@contextmanager
def tls_server(path: Path) -> Iterator[str]:
    """Run a server that only completes TLS handshakes, and yield its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _address = listener.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(plain, server_side=True).close()
                except OSError:
                    plain.close()

        Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def smtp_server(*answers: bytes) -> Iterator[int]:
    """Run a mail server that sends a greeting and then one response per command, and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _address = listener.accept()
            with client, client.makefile("rb") as commands:
                client.sendall(b"220 mail.example.com\r\n")
                for answer in answers:
                    if not commands.readline():
                        return
                    client.sendall(answer + b"\r\n")

        Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


class TestCertificate:
    def test_expiry_of_valid_certificate_is_reported(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=60)
        path = certificate(tmp_path, expires_at)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with tls_server(path) as url:
            assert diagnostics.certificate_expires_at("127.0.0.1", int(url.rpartition(":")[2])) == expires_at
            found = diagnostics.check_certificate(url, "Renew it.")
        assert found.problem == ""
        assert found.facts["expires_at"] == expires_at.isoformat()

    def test_certificate_expiring_soon_is_reported(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = certificate(tmp_path, datetime.now(UTC) + timedelta(days=5, hours=1))
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with tls_server(path) as url:
            found = diagnostics.check_certificate(url, "Renew it.")
        assert "in 5 days" in found.problem
        assert found.advice == "Renew it."

    def test_expired_and_untrusted_certificates_are_reported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = certificate(tmp_path, datetime.now(UTC) - timedelta(days=1))
        with tls_server(path) as url:
            assert "self-signed certificate" in diagnostics.check_certificate(url, "").problem
            monkeypatch.setenv("SSL_CERT_FILE", str(path))
            assert "certificate has expired" in diagnostics.check_certificate(url, "").problem

    def test_server_that_is_down_is_reported(self) -> None:
        assert (
            "There was no TLS connection to 127.0.0.1"
            in diagnostics.check_certificate("https://127.0.0.1:1", "").problem
        )

    def test_plain_http_url_is_skipped(self) -> None:
        assert diagnostics.check_certificate("http://127.0.0.1:8000", "").is_skipped


def test_unknown_host_is_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CLERK_FRONTEND_API_URL = "https://clerk.example.invalid"

    def fail(*args: Any, **options: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", fail)
    found = diagnostics.check_frontend_dns()
    assert found.problem == "clerk.example.invalid has no address: Name or service not known."
    assert "CNAME record" in found.advice


class TestMail:
    @staticmethod
    def use(settings: Settings, port: int) -> None:
        options = {"host": "127.0.0.1", "port": port, "username": "olive", "password": "very-secret"}
        settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}}

    def test_accepted_login_passes(self, settings: Settings) -> None:
        with smtp_server(b"250-mail\r\n250 AUTH PLAIN", b"235 welcome", b"250 fine", b"221 bye") as port:
            self.use(settings, port)
            assert surroundings.check_mail().note == f"The login of olive was accepted by 127.0.0.1:{port}."

    def test_rejected_login_is_reported_without_password(self, settings: Settings) -> None:
        with smtp_server(b"250-mail\r\n250 AUTH PLAIN", b"535 no", b"221 bye") as port:
            self.use(settings, port)
            found = surroundings.check_mail()
        assert found.problem == f"127.0.0.1:{port} rejected the login (535)."
        assert "secret" not in found.problem + found.advice

    def test_server_that_is_down_is_reported(self, settings: Settings) -> None:
        self.use(settings, 1)
        assert "Connection refused" in surroundings.check_mail().problem

    def test_other_backend_is_skipped(self) -> None:
        assert surroundings.check_mail().is_skipped


class TestMedia:
    def test_file_is_written_read_and_deleted(self, media: Path) -> None:
        assert surroundings.check_media() == Finding(note="A file was written, read and deleted.")
        assert [path for path in media.rglob("*") if path.is_file()] == []

    def test_unwritable_storage_is_reported(self, media: Path) -> None:
        media.write_text("a file instead of a folder")
        found = surroundings.check_media()
        assert "cannot be used" in found.problem
        assert "MEDIA_ROOT" in found.advice

    def test_full_disk_is_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(surroundings, "MIN_FREE_BYTES", 2**62)
        assert "A disk is nearly full" in surroundings.check_disk().problem


@pytest.mark.django_db
class TestDeliveryClock:
    @pytest.mark.parametrize("off_s", (-120, 200))
    def test_wrong_clock_is_measured_from_deliveries(self, webhook: WebhookClient, off_s: int) -> None:
        for delay in (0, 3, 9):
            sent = timezone.now() - timedelta(seconds=off_s)
            webhook.created(person(), at=sent - timedelta(seconds=delay))
        found = state.check_delivery_clock()
        assert abs(found.facts["offset_s"] - off_s) <= 1.5
        assert found.problem
        assert "NTP" in found.advice

    def test_slow_delivery_is_not_reported_as_wrong_clock(self, webhook: WebhookClient) -> None:
        webhook.created(person(), at=timezone.now() - timedelta(seconds=200))
        webhook.created(person())
        assert state.check_delivery_clock().problem == ""

    def test_check_without_recent_deliveries_is_skipped(self, webhook: WebhookClient) -> None:
        webhook.created(person())
        WebhookEvent.objects.update(received_at=timezone.now() - timedelta(hours=2))
        assert state.check_delivery_clock().is_skipped


def test_failed_archiving_is_reported_until_the_next_success(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="archiving-") as name:
        folder, archive = Path(name), Path(name, "archive")
        folder.chmod(0o755)
        server = EmbeddedPostgres(folder, archive_mode="on", archive_command=f"cp %p {archive}/%f")
        with server, psycopg.connect(server.url, autocommit=True) as session:
            monkeypatch.setattr(state, "connection", session)
            assert state.check_archiving().note == "No segment is complete yet."
            session.execute("SELECT pg_switch_wal()")
            wait_until(lambda: state.check_archiving().problem, "the failure was not noticed")
            assert "has failed to archive its log since" in state.check_archiving().problem
            archive.mkdir()
            shutil.chown(archive, server_user.server_uid())
            session.execute("SELECT pg_reload_conf()")
            wait_until(lambda: not state.check_archiving().problem, "the success was not noticed", timeout_s=90)
            assert state.check_archiving().note == "The latest segment of PostgreSQL's log was archived."


@pytest.mark.django_db
def test_check_of_the_archive_is_skipped_without_an_archive() -> None:
    assert state.check_archiving().is_skipped


@pytest.mark.django_db(transaction=True)
class TestPooler:
    def test_direct_connection_passes(self) -> None:
        assert state.check_pooler().note == "The connection is direct."

    def test_undeclared_pooler_is_reported(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with pgbouncer(database_url, ignore_startup_parameters="options") as url:
            pooled = connection.copy()
            host, _slash, _name = url.rpartition("@")[2].partition("/")
            pooled.settings_dict |= {
                "HOST": host.partition(":")[0],
                "PORT": host.partition(":")[2],
                "USER": "pgbouncer",
            }
            pooled.settings_dict["OPTIONS"] = {}
            monkeypatch.setattr(state, "connection", pooled)
            try:
                with pooled.cursor():
                    monkeypatch.setattr("django.db.transaction.atomic", pooled.cursor)
                    assert "DATABASE_POOLER is not set" in state.check_pooler().problem
            finally:
                pooled.close()


@pytest.mark.django_db
class TestRunner:
    def test_hanging_check_times_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second run does not start another thread."""
        monkeypatch.setattr(runner, "TIMEOUT_S", 0.2)
        end, runs = Event(), []

        def hang() -> Finding:
            runs.append(1)
            end.wait(10)
            return Finding()

        started = time.monotonic()
        for text in ("did not end within 0.2 seconds", "has not ended yet"):
            [result] = runner.run(["media"], {"media": hang})
            assert result.state == State.FAILED
            assert text in result.summary
        assert result.advice == "The next run will show the result."
        assert time.monotonic() - started < 5
        assert len(runs) == 1
        end.set()
        runner._running["media"].join()  # Otherwise, the next test may find the thread alive.

    def test_check_with_a_bug_is_reported(self) -> None:
        def fail() -> Finding:
            raise LookupError("whsec_c2VjcmV0")

        [result] = runner.run(["media"], {"media": fail})
        assert (result.state, result.summary) == (State.FAILED, "The check itself failed: LookupError.")

    def test_results_are_stored_and_overwritten(self) -> None:
        runner.run(["disk"], {"disk": lambda: Finding("Full.", "Delete files.", facts={"free": 1})})
        assert CheckResult.objects.get().advice == "Delete files."
        runner.run(["disk"], {"disk": lambda: Finding(note="Enough.", facts={"free": 9})})
        stored = CheckResult.objects.get()
        assert (stored.state, stored.summary, stored.advice, stored.facts) == (State.PASSED, "Enough.", "", {"free": 9})

    def test_only_due_checks_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ran: list[str] = []
        monkeypatch.setattr(runner, "run", ran.extend)
        now = timezone.now()
        for name in CHECKS:
            CheckResult.objects.create(name=name, state=State.PASSED, checked_at=now)
        CheckResult.objects.filter(name__in=["disk", "mail"]).update(checked_at=now - timedelta(minutes=2))
        runner.run_due()
        assert ran == ["disk"]  # mail is checked every 15 minutes

    def test_failed_checks_run_again_after_a_minute(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ran: list[str] = []
        monkeypatch.setattr(runner, "run", ran.extend)
        now = timezone.now()
        for name in CHECKS:
            CheckResult.objects.create(name=name, state=State.PASSED, checked_at=now)
        failed_at = {"mail": now - timedelta(minutes=1), "media": now - timedelta(seconds=10)}
        for name, checked_at in failed_at.items():
            CheckResult.objects.filter(name=name).update(state=State.FAILED, checked_at=checked_at)
        runner.run_due()
        assert ran == ["mail"]

    def test_health_signals_use_the_results_of_the_same_run(self) -> None:
        CheckResult.objects.create(name="mail", state=State.PASSED, summary="", checked_at=timezone.now())
        results = runner.run(["signals", "mail"], {"mail": lambda: Finding("The mail server is away.", "Start it.")})
        assert [(result.name, result.state) for result in results] == [("mail", "failed"), ("signals", "failed")]
        assert "The mail server is away." in results[1].summary
        results = runner.run(["signals", "mail"], {"mail": lambda: Finding(note="The mail server answers.")})
        assert "The mail server" not in results[1].summary

    def test_health_signals_do_not_pass_if_a_measurement_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def time_out(now: datetime) -> NoReturn:
            raise OperationalError("canceling statement due to lock timeout")

        monkeypatch.setattr(health, "GROUPS", (*health.GROUPS[:-1], time_out))
        monkeypatch.setattr(state, "measure", lambda: health.measure(transaction.atomic))
        monkeypatch.setattr(rules, "evaluate", lambda measured: {})  # no other signal is broken
        found = state.check_signals()
        assert (
            "The database did not answer in time, so these values are missing: checks, failing_channels, rejections."
            in found.problem
        )
