from django.db import models
from django.utils.translation import gettext_lazy as _

from core.choices import label_of


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
        return label_of(cls, value)


class CheckedItem(models.TextChoices):
    """What an admin checked before setting a tier. Pages show the labels in a sentence. Projects are counted separately."""

    IDENTITY = "identity", _("identity")
    REFERENCES = "references", _("references from clients")
    CODE = "code", _("source code")
    QUALIFICATIONS = "qualifications", _("qualifications")
    COMPANY = "company", _("company registration")


class Availability(models.TextChoices):
    AVAILABLE = "available", _("Available")
    LIMITED = "limited", _("Limited")
    UNAVAILABLE = "unavailable", _("Unavailable")
    NOT_STATED = "not_stated", _("Not stated")


class Currency(models.TextChoices):
    """Fifty common currencies for rates (ISO 4217)."""

    AED = "AED", _("AED · UAE dirham")
    ARS = "ARS", _("ARS · Argentine peso")
    AUD = "AUD", _("AUD · Australian dollar")
    BDT = "BDT", _("BDT · Bangladeshi taka")
    BRL = "BRL", _("BRL · Brazilian real")
    CAD = "CAD", _("CAD · Canadian dollar")
    CHF = "CHF", _("CHF · Swiss franc")
    CLP = "CLP", _("CLP · Chilean peso")
    CNY = "CNY", _("CNY · Chinese yuan")
    COP = "COP", _("COP · Colombian peso")
    CZK = "CZK", _("CZK · Czech koruna")
    DKK = "DKK", _("DKK · Danish krone")
    EGP = "EGP", _("EGP · Egyptian pound")
    EUR = "EUR", _("EUR · Euro")
    GBP = "GBP", _("GBP · British pound")
    GHS = "GHS", _("GHS · Ghanaian cedi")
    HKD = "HKD", _("HKD · Hong Kong dollar")
    HUF = "HUF", _("HUF · Hungarian forint")
    IDR = "IDR", _("IDR · Indonesian rupiah")
    ILS = "ILS", _("ILS · Israeli shekel")
    INR = "INR", _("INR · Indian rupee")
    ISK = "ISK", _("ISK · Icelandic króna")
    JPY = "JPY", _("JPY · Japanese yen")
    KES = "KES", _("KES · Kenyan shilling")
    KRW = "KRW", _("KRW · South Korean won")
    KZT = "KZT", _("KZT · Kazakhstani tenge")
    LKR = "LKR", _("LKR · Sri Lankan rupee")
    MAD = "MAD", _("MAD · Moroccan dirham")
    MXN = "MXN", _("MXN · Mexican peso")
    MYR = "MYR", _("MYR · Malaysian ringgit")
    NGN = "NGN", _("NGN · Nigerian naira")
    NOK = "NOK", _("NOK · Norwegian krone")
    NZD = "NZD", _("NZD · New Zealand dollar")
    PEN = "PEN", _("PEN · Peruvian sol")
    PHP = "PHP", _("PHP · Philippine peso")
    PKR = "PKR", _("PKR · Pakistani rupee")
    PLN = "PLN", _("PLN · Polish zloty")
    QAR = "QAR", _("QAR · Qatari riyal")
    RON = "RON", _("RON · Romanian leu")
    RSD = "RSD", _("RSD · Serbian dinar")
    SAR = "SAR", _("SAR · Saudi riyal")
    SEK = "SEK", _("SEK · Swedish krona")
    SGD = "SGD", _("SGD · Singapore dollar")
    THB = "THB", _("THB · Thai baht")
    TRY = "TRY", _("TRY · Turkish lira")
    TWD = "TWD", _("TWD · New Taiwan dollar")
    UAH = "UAH", _("UAH · Ukrainian hryvnia")
    USD = "USD", _("USD · US dollar")
    VND = "VND", _("VND · Vietnamese dong")
    ZAR = "ZAR", _("ZAR · South African rand")
