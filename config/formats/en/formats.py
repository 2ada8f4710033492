"""How the admin and titles write a moment: short, and with the hours of a clock that has 24."""

DATETIME_FORMAT = "j M Y H:i"
