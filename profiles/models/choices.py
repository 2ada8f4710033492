from django.db import models
from django.utils.translation import gettext_lazy as _


class Domain(models.TextChoices):
    """An app's purpose or technology. The values are used in directory URLs."""

    AI = "ai", _("AI and machine learning")
    WEB = "web", _("Web apps")
    MOBILE = "mobile", _("Mobile apps")
    AUTOMATION = "automation", _("Automation and integrations")
    DATA = "data", _("Data and dashboards")
    COMMERCE = "commerce", _("Online shops")
    DESIGN = "design", _("Product design")
    INTERNAL = "internal", _("Internal tools")
    HEALTH = "health", _("Health")
    EDUCATION = "education", _("Education")
    FINANCE = "finance", _("Finance")
    COMMUNITY = "community", _("Communities and media")

    @classmethod
    def label_for(cls, value: str) -> str:
        """Return the label of `value`, or `value` itself if it is no longer a choice."""
        return str(cls(value).label) if value in cls else value


class Availability(models.TextChoices):
    AVAILABLE = "available", _("Available")
    LIMITED = "limited", _("Limited")
    UNAVAILABLE = "unavailable", _("Unavailable")
    NOT_STATED = "not_stated", _("Not stated")


class Currency(models.TextChoices):
    """ISO 4217 codes for hourly rates."""

    AUD = "AUD", "AUD"
    BRL = "BRL", "BRL"
    CAD = "CAD", "CAD"
    CHF = "CHF", "CHF"
    EUR = "EUR", "EUR"
    GBP = "GBP", "GBP"
    INR = "INR", "INR"
    JPY = "JPY", "JPY"
    NGN = "NGN", "NGN"
    PLN = "PLN", "PLN"
    SEK = "SEK", "SEK"
    USD = "USD", "USD"
