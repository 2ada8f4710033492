"""How gunicorn serves `config.wsgi`: gunicorn -c config/gunicorn.py config.wsgi"""

import os
import sys
from pathlib import Path

# gunicorn reads this file before it looks where it is.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from config.environment import log_format

_local = os.environ.get("LOCAL_MODE", "").lower() in {"1", "true", "yes", "on"}

# Local mode never leaves this machine, whatever BIND says.
bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}" if _local else os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
#: Per worker. Never more than DATABASE_POOL_SIZE, or threads queue for connections.
threads = 8
# Heavy imports happen once and their memory is shared.
preload_app = True

#: Seconds without a sign of life after which a worker is replaced; requests end earlier by the database's timeouts.
timeout = 60
#: Seconds that requests under way may take when the server stops. Svix gives up after 15.
graceful_timeout = 15
#: Longer than the 60 s for which load balancers keep idle connections, so that never a request meets a closing one.
keepalive = 75
# Kept in memory where there is such a folder: on a busy disk the sign of life can come late.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # gunicorn makes a file of its own

#: Bytes. Clerk's handshake brings a token in the query, and its cookies can be several in one header.
limit_request_line = 8190
limit_request_field_size = 16380
limit_request_fields = 100
# Who may say that a request came by HTTPS is decided once, by TRUSTED_PROXY_SSL_HEADER.
forwarded_allow_ips = ""
# Its socket lies in the home folder, where two copies would meet.
control_socket_disable = True

proc_name = "buildappswith"
errorlog = "-"
accesslog = None
if log_format() == "json":
    # Lines of JSON, and one for each request with its id; a proxy's log knows nothing of people and deliveries.
    logger_class, accesslog = "config.access_log.JsonLogger", "-"


def post_worker_init(worker: object) -> None:
    """Watch over the queue's workers from here, too: when they are gone, nothing else would notice."""
    from webhooks.monitoring import worker_watchdog

    worker_watchdog.start()


def worker_exit(server: object, worker: object) -> None:
    """Write what is counted in memory, and close the connection pool, or the worker would not end until it is killed."""
    from config.database import close_pools
    from webhooks.inbox.rejections import rejection_counter

    rejection_counter.flush()
    close_pools()
