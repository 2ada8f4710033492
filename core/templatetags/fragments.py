"""Cache rendered parts of a page in this process's memory.

    {% fragment "card" profile.card_version position %}…{% endfragment %}

The name identifies the fragment among all templates. The active language is part of every key. The first value after
the name is the version of the displayed data. While the version is blank, the fragment is rendered each time. All
other values on which the fragment depends must follow. A fragment without values depends only on the language.

With DEBUG, every fragment is rendered each time, because templates change.
"""

import hashlib

from django import template
from django.conf import settings
from django.core.cache import caches
from django.template.base import FilterExpression, NodeList, Parser, Token
from django.template.context import Context
from django.template.loader_tags import BlockNode
from django.utils.safestring import SafeString
from django.utils.translation import get_language

register = template.Library()

#: Longer fragments are not stored, so that the cache's memory use is limited.
MAX_LENGTH = 32_000
#: Text that is specific to one response, and therefore must never be stored.
PERSONAL = ("csrfmiddlewaretoken", 'nonce="')


class FragmentNode(template.Node):
    def __init__(self, name: str, values: list[FilterExpression], nodelist: NodeList) -> None:
        self.name, self.values, self.nodelist = name, values, nodelist

    def render(self, context: Context) -> SafeString:
        values = [value.resolve(context) for value in self.values]
        if settings.DEBUG or (values and values[0] in ("", None)):
            return self.nodelist.render(context)
        key = hashlib.sha256(repr((self.name, get_language(), *values)).encode()).hexdigest()
        fragments = caches["fragments"]
        stored: SafeString | None = fragments.get(key)
        if stored is not None:
            return stored
        text = self.nodelist.render(context)
        if len(text) <= MAX_LENGTH and not any(each in text for each in PERSONAL):
            fragments.set(key, text)
        return text


@register.tag
def fragment(parser: Parser, token: Token) -> FragmentNode:
    """Render the content once for each version and language, and use the stored text afterwards."""
    tag, *bits = token.split_contents()
    if not bits or bits[0][0] not in "\"'":
        raise template.TemplateSyntaxError(f"{tag!r} needs a quoted name.")
    nodelist = parser.parse(("endfragment",))
    parser.delete_first_token()
    if nodelist.get_nodes_by_type(BlockNode):
        raise template.TemplateSyntaxError(f"{tag!r} must not contain a block, because other templates can replace it.")
    return FragmentNode(bits[0][1:-1], [parser.compile_filter(bit) for bit in bits[1:]], nodelist)
