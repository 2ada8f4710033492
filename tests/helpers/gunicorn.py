"""How gunicorn serves tests: as in production, but no thread opens alerts in the database of whichever test runs then."""

import sys
from pathlib import Path

# gunicorn reads this file before it looks where it is.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from config.gunicorn import *  # noqa: F403

del post_worker_init  # noqa: F821
