"""Date and time formats with a 24-hour clock, for the admin and page titles."""

DATETIME_FORMAT = "j M Y H:i"
#: With seconds, for operators.
SHORT_DATETIME_FORMAT = "j M Y H:i:s"
