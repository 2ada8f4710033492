"""gunicorn configuration: gunicorn -c config/gunicorn.py config.wsgi"""

import sys
from pathlib import Path

# gunicorn runs this file before it adds the project folder to the path.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from django.core.exceptions import ImproperlyConfigured

from config.logs.streams import print_json_lines

print_json_lines()

try:
    from config.environment import boolean, integer, log_format
    from config.server.address import bind_address

    # Local mode is never reachable from other machines, so it ignores BIND.
    bind = f"127.0.0.1:{integer('PORT', 8000)}" if boolean("LOCAL_MODE") else bind_address()
    workers = integer("WEB_CONCURRENCY", 2, minimum=1)
    logs_json = log_format() == "json"
except ImproperlyConfigured as error:
    raise SystemExit(f"Not started: {error}") from None

# Like gthread, but threads do not wait for slow clients.
worker_class = "config.server.gunicorn_worker.BufferingWorker"
#: Number of threads per worker. If there were more than DATABASE_POOL_SIZE, threads would wait for connections.
threads = 8
# Import the application once, so that workers share its memory.
preload_app = True

#: Seconds without a heartbeat after which a worker is replaced. Requests end earlier because of the database timeouts.
timeout = 60
#: Maximum time in seconds for running requests to finish when the server stops. Svix times out after 15 s.
graceful_timeout = 15
#: Longer than the 60 s for which load balancers keep idle connections, so that they never use a connection that is
#: closing.
keepalive = 75
# Write heartbeats to memory if possible, because a busy disk can delay them.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # gunicorn creates a unique file

#: In bytes. Clerk's handshake passes a token in the query string, and one header can contain several Clerk cookies.
limit_request_line = 8190
limit_request_field_size = 16380
limit_request_fields = 100
# Only TRUSTED_PROXY_SSL_HEADER decides whether a request used HTTPS.
forwarded_allow_ips = ""
# The socket would be in the home folder, where two servers run by one user would conflict.
control_socket_disable = True

proc_name = "buildappswith"
errorlog = "-"
logger_class, accesslog = "config.logs.access_log.LimitedLogger", None
if logs_json:
    # One line per request, because a proxy's log does not contain user and delivery ids.
    logger_class, accesslog = "config.logs.access_log.JsonLogger", "-"


def post_worker_init(worker: object) -> None:
    """Monitor the queue workers, because a stopped worker cannot report its own failure, and report the settings."""
    from webhooks.models import HostReport
    from webhooks.monitoring import host_reports, worker_watchdog

    worker_watchdog.start()
    host_reports.start(HostReport.Kind.WEB)


def worker_exit(server: object, worker: object) -> None:
    """Save in-memory counters and close the connection pool, whose threads would prevent the process from exiting."""
    from config.database import close_pools
    from config.logs.limits import limiter
    from webhooks.inbox.rejections import rejection_counter
    from webhooks.inbox.secret_counts import secret_counter

    limiter.report()
    rejection_counter.flush()
    secret_counter.flush()
    close_pools()
