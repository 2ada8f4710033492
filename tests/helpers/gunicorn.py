"""gunicorn's configuration for tests: as in production, but without the thread that opens alerts."""

import sys
from pathlib import Path

# gunicorn executes this file before it adds the project to the import path.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from config.gunicorn import *  # noqa: F403

del post_worker_init  # noqa: F821
