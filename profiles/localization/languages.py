"""Languages that builders speak and write: ISO 639 codes and proficiency levels."""

from django.db import models
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

#: English and native names by ISO 639-1 code, or by ISO 639-3 code for languages without a two-letter code.
LANGUAGES = {
    "af": (gettext_noop("Afrikaans"), "Afrikaans"),
    "am": (gettext_noop("Amharic"), "አማርኛ"),
    "ar": (gettext_noop("Arabic"), "العربية"),
    "as": (gettext_noop("Assamese"), "অসমীয়া"),
    "az": (gettext_noop("Azerbaijani"), "Azərbaycanca"),
    "be": (gettext_noop("Belarusian"), "Беларуская"),
    "bg": (gettext_noop("Bulgarian"), "Български"),
    "bn": (gettext_noop("Bengali"), "বাংলা"),
    "bo": (gettext_noop("Tibetan"), "བོད་སྐད་"),
    "br": (gettext_noop("Breton"), "Brezhoneg"),
    "bs": (gettext_noop("Bosnian"), "Bosanski"),
    "ca": (gettext_noop("Catalan"), "Català"),
    "co": (gettext_noop("Corsican"), "Corsu"),
    "cs": (gettext_noop("Czech"), "Čeština"),
    "cy": (gettext_noop("Welsh"), "Cymraeg"),
    "da": (gettext_noop("Danish"), "Dansk"),
    "de": (gettext_noop("German"), "Deutsch"),
    "dv": (gettext_noop("Divehi"), "ދިވެހި"),
    "dz": (gettext_noop("Dzongkha"), "རྫོང་ཁ"),
    "ee": (gettext_noop("Ewe"), "Eʋegbe"),
    "el": (gettext_noop("Greek"), "Ελληνικά"),
    "en": (gettext_noop("English"), "English"),
    "eo": (gettext_noop("Esperanto"), "Esperanto"),
    "es": (gettext_noop("Spanish"), "Español"),
    "et": (gettext_noop("Estonian"), "Eesti"),
    "eu": (gettext_noop("Basque"), "Euskara"),
    "fa": (gettext_noop("Persian"), "فارسی"),
    "ff": (gettext_noop("Fula"), "Fulfulde"),
    "fi": (gettext_noop("Finnish"), "Suomi"),
    "fj": (gettext_noop("Fijian"), "Vosa Vakaviti"),
    "fo": (gettext_noop("Faroese"), "Føroyskt"),
    "fr": (gettext_noop("French"), "Français"),
    "fy": (gettext_noop("Frisian"), "Frysk"),
    "ga": (gettext_noop("Irish"), "Gaeilge"),
    "gd": (gettext_noop("Scottish Gaelic"), "Gàidhlig"),
    "gl": (gettext_noop("Galician"), "Galego"),
    "gn": (gettext_noop("Guarani"), "Avañe’ẽ"),
    "gu": (gettext_noop("Gujarati"), "ગુજરાતી"),
    "ha": (gettext_noop("Hausa"), "Hausa"),
    "he": (gettext_noop("Hebrew"), "עברית"),
    "hi": (gettext_noop("Hindi"), "हिन्दी"),
    "hr": (gettext_noop("Croatian"), "Hrvatski"),
    "ht": (gettext_noop("Haitian Creole"), "Kreyòl ayisyen"),
    "hu": (gettext_noop("Hungarian"), "Magyar"),
    "hy": (gettext_noop("Armenian"), "Հայերեն"),
    "id": (gettext_noop("Indonesian"), "Bahasa Indonesia"),
    "ig": (gettext_noop("Igbo"), "Igbo"),
    "is": (gettext_noop("Icelandic"), "Íslenska"),
    "it": (gettext_noop("Italian"), "Italiano"),
    "ja": (gettext_noop("Japanese"), "日本語"),
    "jv": (gettext_noop("Javanese"), "Basa Jawa"),
    "ka": (gettext_noop("Georgian"), "ქართული"),
    "kk": (gettext_noop("Kazakh"), "Қазақша"),
    "kl": (gettext_noop("Greenlandic"), "Kalaallisut"),
    "km": (gettext_noop("Khmer"), "ខ្មែរ"),
    "kn": (gettext_noop("Kannada"), "ಕನ್ನಡ"),
    "ko": (gettext_noop("Korean"), "한국어"),
    "ku": (gettext_noop("Kurdish"), "Kurdî"),
    "ky": (gettext_noop("Kyrgyz"), "Кыргызча"),
    "la": (gettext_noop("Latin"), "Latina"),
    "lb": (gettext_noop("Luxembourgish"), "Lëtzebuergesch"),
    "lg": (gettext_noop("Ganda"), "Luganda"),
    "ln": (gettext_noop("Lingala"), "Lingála"),
    "lo": (gettext_noop("Lao"), "ລາວ"),
    "lt": (gettext_noop("Lithuanian"), "Lietuvių"),
    "lv": (gettext_noop("Latvian"), "Latviešu"),
    "mg": (gettext_noop("Malagasy"), "Malagasy"),
    "mi": (gettext_noop("Māori"), "Te reo Māori"),
    "mk": (gettext_noop("Macedonian"), "Македонски"),
    "ml": (gettext_noop("Malayalam"), "മലയാളം"),
    "mn": (gettext_noop("Mongolian"), "Монгол"),
    "mr": (gettext_noop("Marathi"), "मराठी"),
    "ms": (gettext_noop("Malay"), "Bahasa Melayu"),
    "mt": (gettext_noop("Maltese"), "Malti"),
    "my": (gettext_noop("Burmese"), "မြန်မာဘာသာ"),
    "nb": (gettext_noop("Norwegian Bokmål"), "Norsk bokmål"),
    "ne": (gettext_noop("Nepali"), "नेपाली"),
    "nl": (gettext_noop("Dutch"), "Nederlands"),
    "nn": (gettext_noop("Norwegian Nynorsk"), "Norsk nynorsk"),
    "ny": (gettext_noop("Chichewa"), "Chichewa"),
    "oc": (gettext_noop("Occitan"), "Occitan"),
    "om": (gettext_noop("Oromo"), "Afaan Oromoo"),
    "or": (gettext_noop("Odia"), "ଓଡ଼ିଆ"),
    "pa": (gettext_noop("Punjabi"), "ਪੰਜਾਬੀ"),
    "pl": (gettext_noop("Polish"), "Polski"),
    "ps": (gettext_noop("Pashto"), "پښتو"),
    "pt": (gettext_noop("Portuguese"), "Português"),
    "qu": (gettext_noop("Quechua"), "Runa simi"),
    "rm": (gettext_noop("Romansh"), "Rumantsch"),
    "rn": (gettext_noop("Kirundi"), "Ikirundi"),
    "ro": (gettext_noop("Romanian"), "Română"),
    "ru": (gettext_noop("Russian"), "Русский"),
    "rw": (gettext_noop("Kinyarwanda"), "Ikinyarwanda"),
    "sd": (gettext_noop("Sindhi"), "سنڌي"),
    "se": (gettext_noop("Northern Sami"), "Davvisámegiella"),
    "si": (gettext_noop("Sinhala"), "සිංහල"),
    "sk": (gettext_noop("Slovak"), "Slovenčina"),
    "sl": (gettext_noop("Slovenian"), "Slovenščina"),
    "sm": (gettext_noop("Samoan"), "Gagana Samoa"),
    "sn": (gettext_noop("Shona"), "chiShona"),
    "so": (gettext_noop("Somali"), "Soomaali"),
    "sq": (gettext_noop("Albanian"), "Shqip"),
    "sr": (gettext_noop("Serbian"), "Српски"),
    "st": (gettext_noop("Southern Sotho"), "Sesotho"),
    "su": (gettext_noop("Sundanese"), "Basa Sunda"),
    "sv": (gettext_noop("Swedish"), "Svenska"),
    "sw": (gettext_noop("Swahili"), "Kiswahili"),
    "ta": (gettext_noop("Tamil"), "தமிழ்"),
    "te": (gettext_noop("Telugu"), "తెలుగు"),
    "tg": (gettext_noop("Tajik"), "Тоҷикӣ"),
    "th": (gettext_noop("Thai"), "ไทย"),
    "ti": (gettext_noop("Tigrinya"), "ትግርኛ"),
    "tk": (gettext_noop("Turkmen"), "Türkmençe"),
    "tl": (gettext_noop("Tagalog"), "Tagalog"),
    "tn": (gettext_noop("Tswana"), "Setswana"),
    "to": (gettext_noop("Tongan"), "Lea fakatonga"),
    "tr": (gettext_noop("Turkish"), "Türkçe"),
    "tt": (gettext_noop("Tatar"), "Татарча"),
    "ug": (gettext_noop("Uyghur"), "ئۇيغۇرچە"),
    "uk": (gettext_noop("Ukrainian"), "Українська"),
    "ur": (gettext_noop("Urdu"), "اردو"),
    "uz": (gettext_noop("Uzbek"), "Oʻzbekcha"),
    "vi": (gettext_noop("Vietnamese"), "Tiếng Việt"),
    "wo": (gettext_noop("Wolof"), "Wolof"),
    "xh": (gettext_noop("Xhosa"), "isiXhosa"),
    "yi": (gettext_noop("Yiddish"), "ייִדיש"),
    "yo": (gettext_noop("Yoruba"), "Yorùbá"),
    "yue": (gettext_noop("Cantonese"), "廣東話"),
    "zh": (gettext_noop("Chinese"), "中文"),
    "zu": (gettext_noop("Zulu"), "isiZulu"),
    "ase": (gettext_noop("American Sign Language"), "American Sign Language"),
    "bfi": (gettext_noop("British Sign Language"), "British Sign Language"),
}


class Level(models.TextChoices):
    # Translators: levels also follow a language's name in lower case, as in "Polish (native)", so use adjectives.
    NATIVE = "native", _("Native")
    FLUENT = "fluent", _("Fluent")
    CONVERSATIONAL = "conversational", _("Conversational")
    BASIC = "basic", _("Basic")


def split(entry: str) -> tuple[str, str]:
    """Split an entry such as "pl:native" into code and level. The level can be ""."""
    code, _separator, level = entry.partition(":")
    return code, level


def is_valid(entry: str) -> bool:
    code, level = split(entry)
    return code in LANGUAGES and (level in Level if level else ":" not in entry)


def name(code: str) -> str:
    """Return the language's name in the active language."""
    return gettext(LANGUAGES[code][0]) if code in LANGUAGES else code


def described(entry: str) -> str:
    """Format an entry as text, for example "Polish (native)"."""
    code, level = split(entry)
    label = str(Level(level).label).lower() if level in Level else ""
    return gettext("%(language)s (%(level)s)") % {"language": name(code), "level": label} if label else name(code)


def from_header(header: str) -> str:
    """Return the first known language of an Accept-Language header, or ""."""
    codes = (part.partition(";")[0].strip().partition("-")[0].lower() for part in header[:200].split(","))
    return next((_SAME.get(code, code) for code in codes if _SAME.get(code, code) in LANGUAGES), "")


#: Alternative language codes that browsers send.
_SAME = {"no": "nb", "iw": "he", "in": "id", "fil": "tl"}
