"""The formats of config.formats.en in German."""

DATETIME_FORMAT = "j. M Y H:i"
SHORT_DATETIME_FORMAT = "j. M Y H:i:s"
