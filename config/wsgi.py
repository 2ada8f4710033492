"""The WSGI application that gunicorn serves."""

import os

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

try:
    application = get_wsgi_application()
except ImproperlyConfigured as error:
    raise SystemExit(f"Not started: {error}") from None

from config.startup import check_settings  # Must be imported after the settings are loaded.

check_settings()
