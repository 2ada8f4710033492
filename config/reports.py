"""Hide secrets in debug pages and error reports."""

import re

from django.views.debug import SafeExceptionReporterFilter


class SettingsFilter(SafeExceptionReporterFilter):
    #: URLs of mail servers, channels, databases and Sentry contain passwords and tokens.
    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + r"|_URLS?$|DSN|ENVIRON", re.IGNORECASE
    )
