"""`python -m local.clerk`: migrate the stand-in's database, serve it on 127.0.0.1, and deliver webhooks."""

import os
import signal
import sys
import threading

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import DatabaseError


def main() -> int:
    """Run until SIGTERM or SIGINT, and return the exit code."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "local.clerk.settings"
    try:
        django.setup()
    except ImproperlyConfigured as error:
        sys.stderr.write(f"local.clerk: {error}\n")
        return 1
    from local.clerk.events import deliveries  # its models need the settings

    try:
        server = make_server()
    except (OSError, OverflowError, DatabaseError) as error:
        sys.stderr.write(f"local.clerk: cannot start on port {settings.PORT} with {settings.DATA_DIR}: {error}\n")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits until serve_forever() returns, so another thread must call it.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    deliveries.start()
    server.serve_forever(poll_interval=0.1)
    deliveries.stop()
    server.server_close()
    # Running attempts can take up to 15 s. Do not wait for them, because they are repeated after the next start.
    sys.stdout.flush()
    os._exit(0)


def make_server() -> ThreadedWSGIServer:
    """Migrate, and return a listening server. Django's development server is sufficient for one user on one machine."""
    call_command("migrate", verbosity=0, interactive=False)
    server = ThreadedWSGIServer(("127.0.0.1", settings.PORT), WSGIRequestHandler)
    server.daemon_threads, server.block_on_close = True, False
    server.set_app(get_wsgi_application())
    return server


if __name__ == "__main__":
    sys.exit(main())
