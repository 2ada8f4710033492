"""Constants that every part of local mode shares."""

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
#: Host names of the application and of the stand-in for Clerk. Browsers resolve *.localhost to this machine.
APP_HOST, CLERK_HOST = "bw.localhost", "clerk.bw.localhost"
