"""`python -m local.clerk`: bring the stand-in's own database up to date, serve it on 127.0.0.1, and deliver."""

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
    """Run until SIGTERM or SIGINT; return the exit code."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "local.clerk.settings"
    try:
        django.setup()
    except ImproperlyConfigured as error:
        sys.stderr.write(f"local.clerk: {error}\n")
        return 1
    from local.clerk import deliveries  # its models need the settings

    try:
        server = make_server()
    except (OSError, OverflowError, DatabaseError) as error:
        sys.stderr.write(f"local.clerk: cannot start on port {settings.PORT} with {settings.DATA_DIR}: {error}\n")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the loop that this very thread runs, so another one has to call it.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    deliveries.start()
    server.serve_forever(poll_interval=0.1)
    deliveries.stop()
    server.server_close()
    # Attempts under way may have to wait 15 s for their answer; they are repeated after the next start.
    sys.stdout.flush()
    os._exit(0)


def make_server() -> ThreadedWSGIServer:
    """Migrate, and return a server that listens. Django's own is enough for one person on one machine."""
    call_command("migrate", verbosity=0, interactive=False)
    server = ThreadedWSGIServer(("127.0.0.1", settings.PORT), WSGIRequestHandler)
    server.daemon_threads, server.block_on_close = True, False
    server.set_app(get_wsgi_application())
    return server


if __name__ == "__main__":
    sys.exit(main())
