"""Languages that builders speak and write: ISO 639 codes and proficiency levels."""

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

#: English and native names by ISO 639-1 code, or by ISO 639-3 code for languages without a two-letter code.
LANGUAGES = {
    "af": ("Afrikaans", "Afrikaans"),
    "am": ("Amharic", "አማርኛ"),
    "ar": ("Arabic", "العربية"),
    "as": ("Assamese", "অসমীয়া"),
    "az": ("Azerbaijani", "Azərbaycanca"),
    "be": ("Belarusian", "Беларуская"),
    "bg": ("Bulgarian", "Български"),
    "bn": ("Bengali", "বাংলা"),
    "bo": ("Tibetan", "བོད་སྐད་"),
    "br": ("Breton", "Brezhoneg"),
    "bs": ("Bosnian", "Bosanski"),
    "ca": ("Catalan", "Català"),
    "co": ("Corsican", "Corsu"),
    "cs": ("Czech", "Čeština"),
    "cy": ("Welsh", "Cymraeg"),
    "da": ("Danish", "Dansk"),
    "de": ("German", "Deutsch"),
    "dv": ("Divehi", "ދިވެހި"),
    "dz": ("Dzongkha", "རྫོང་ཁ"),
    "ee": ("Ewe", "Eʋegbe"),
    "el": ("Greek", "Ελληνικά"),
    "en": ("English", "English"),
    "eo": ("Esperanto", "Esperanto"),
    "es": ("Spanish", "Español"),
    "et": ("Estonian", "Eesti"),
    "eu": ("Basque", "Euskara"),
    "fa": ("Persian", "فارسی"),
    "ff": ("Fula", "Fulfulde"),
    "fi": ("Finnish", "Suomi"),
    "fj": ("Fijian", "Vosa Vakaviti"),
    "fo": ("Faroese", "Føroyskt"),
    "fr": ("French", "Français"),
    "fy": ("Frisian", "Frysk"),
    "ga": ("Irish", "Gaeilge"),
    "gd": ("Scottish Gaelic", "Gàidhlig"),
    "gl": ("Galician", "Galego"),
    "gn": ("Guarani", "Avañe’ẽ"),
    "gu": ("Gujarati", "ગુજરાતી"),
    "ha": ("Hausa", "Hausa"),
    "he": ("Hebrew", "עברית"),
    "hi": ("Hindi", "हिन्दी"),
    "hr": ("Croatian", "Hrvatski"),
    "ht": ("Haitian Creole", "Kreyòl ayisyen"),
    "hu": ("Hungarian", "Magyar"),
    "hy": ("Armenian", "Հայերեն"),
    "id": ("Indonesian", "Bahasa Indonesia"),
    "ig": ("Igbo", "Igbo"),
    "is": ("Icelandic", "Íslenska"),
    "it": ("Italian", "Italiano"),
    "ja": ("Japanese", "日本語"),
    "jv": ("Javanese", "Basa Jawa"),
    "ka": ("Georgian", "ქართული"),
    "kk": ("Kazakh", "Қазақша"),
    "kl": ("Greenlandic", "Kalaallisut"),
    "km": ("Khmer", "ខ្មែរ"),
    "kn": ("Kannada", "ಕನ್ನಡ"),
    "ko": ("Korean", "한국어"),
    "ku": ("Kurdish", "Kurdî"),
    "ky": ("Kyrgyz", "Кыргызча"),
    "la": ("Latin", "Latina"),
    "lb": ("Luxembourgish", "Lëtzebuergesch"),
    "lg": ("Ganda", "Luganda"),
    "ln": ("Lingala", "Lingála"),
    "lo": ("Lao", "ລາວ"),
    "lt": ("Lithuanian", "Lietuvių"),
    "lv": ("Latvian", "Latviešu"),
    "mg": ("Malagasy", "Malagasy"),
    "mi": ("Māori", "Te reo Māori"),
    "mk": ("Macedonian", "Македонски"),
    "ml": ("Malayalam", "മലയാളം"),
    "mn": ("Mongolian", "Монгол"),
    "mr": ("Marathi", "मराठी"),
    "ms": ("Malay", "Bahasa Melayu"),
    "mt": ("Maltese", "Malti"),
    "my": ("Burmese", "မြန်မာဘာသာ"),
    "nb": ("Norwegian Bokmål", "Norsk bokmål"),
    "ne": ("Nepali", "नेपाली"),
    "nl": ("Dutch", "Nederlands"),
    "nn": ("Norwegian Nynorsk", "Norsk nynorsk"),
    "ny": ("Chichewa", "Chichewa"),
    "oc": ("Occitan", "Occitan"),
    "om": ("Oromo", "Afaan Oromoo"),
    "or": ("Odia", "ଓଡ଼ିଆ"),
    "pa": ("Punjabi", "ਪੰਜਾਬੀ"),
    "pl": ("Polish", "Polski"),
    "ps": ("Pashto", "پښتو"),
    "pt": ("Portuguese", "Português"),
    "qu": ("Quechua", "Runa simi"),
    "rm": ("Romansh", "Rumantsch"),
    "rn": ("Kirundi", "Ikirundi"),
    "ro": ("Romanian", "Română"),
    "ru": ("Russian", "Русский"),
    "rw": ("Kinyarwanda", "Ikinyarwanda"),
    "sd": ("Sindhi", "سنڌي"),
    "se": ("Northern Sami", "Davvisámegiella"),
    "si": ("Sinhala", "සිංහල"),
    "sk": ("Slovak", "Slovenčina"),
    "sl": ("Slovenian", "Slovenščina"),
    "sm": ("Samoan", "Gagana Samoa"),
    "sn": ("Shona", "chiShona"),
    "so": ("Somali", "Soomaali"),
    "sq": ("Albanian", "Shqip"),
    "sr": ("Serbian", "Српски"),
    "st": ("Southern Sotho", "Sesotho"),
    "su": ("Sundanese", "Basa Sunda"),
    "sv": ("Swedish", "Svenska"),
    "sw": ("Swahili", "Kiswahili"),
    "ta": ("Tamil", "தமிழ்"),
    "te": ("Telugu", "తెలుగు"),
    "tg": ("Tajik", "Тоҷикӣ"),
    "th": ("Thai", "ไทย"),
    "ti": ("Tigrinya", "ትግርኛ"),
    "tk": ("Turkmen", "Türkmençe"),
    "tl": ("Tagalog", "Tagalog"),
    "tn": ("Tswana", "Setswana"),
    "to": ("Tongan", "Lea fakatonga"),
    "tr": ("Turkish", "Türkçe"),
    "tt": ("Tatar", "Татарча"),
    "ug": ("Uyghur", "ئۇيغۇرچە"),
    "uk": ("Ukrainian", "Українська"),
    "ur": ("Urdu", "اردو"),
    "uz": ("Uzbek", "Oʻzbekcha"),
    "vi": ("Vietnamese", "Tiếng Việt"),
    "wo": ("Wolof", "Wolof"),
    "xh": ("Xhosa", "isiXhosa"),
    "yi": ("Yiddish", "ייִדיש"),
    "yo": ("Yoruba", "Yorùbá"),
    "yue": ("Cantonese", "廣東話"),
    "zh": ("Chinese", "中文"),
    "zu": ("Zulu", "isiZulu"),
    "ase": ("American Sign Language", "American Sign Language"),
    "bfi": ("British Sign Language", "British Sign Language"),
}


class Level(models.TextChoices):
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
    """Return the language's name, translated if Django has a translation, otherwise in English."""
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
