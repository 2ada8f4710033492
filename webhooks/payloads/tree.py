"""Build the tree of a payload for an event's page.

The tree is a flat list of nodes, so that no recursion is needed. Payloads can be half a megabyte in size and
arbitrarily deep, so the size of the tree is limited, and omitted values are marked.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from accounts.clerk.fields import parse_time_or_none
from core.text import postgres_safe
from webhooks.payloads import masking
from webhooks.payloads.masking import Path

#: Limits: nodes in total, children of one container, nesting depth, and characters of one value.
MAX_NODES, MAX_CHILDREN, MAX_DEPTH, MAX_TEXT_LENGTH = 1000, 100, 16, 500
#: Maximum number of characters to show if a payload is not JSON.
MAX_RAW_LENGTH = 20_000
#: Containers up to this depth and size are initially expanded.
OPEN_DEPTH, OPEN_CHILDREN = 2, 50


@dataclass(slots=True)
class Node:
    """One line of the tree.

    Attributes:
        role: "open" or "close" for a container, "value", or "more" for omitted children.
        key: None in lists, and if the key may be personal data.
        text: the value as JSON, or None if it is hidden.
        size: the number of children of a container, or of omitted children.
        length: the original number of characters of a truncated value, or 0.
    """

    role: str
    path: Path = ()
    key: str | None = None
    is_in_list: bool = False
    type: str = ""
    text: str | None = None
    size: int = 0
    length: int = 0
    is_open: bool = False
    time: datetime | None = None

    @property
    def has_hidden_key(self) -> bool:
        return self.key is None and bool(self.path) and not self.is_in_list


@dataclass(frozen=True, slots=True)
class PayloadView:
    """A payload as a tree, or as text if it is not JSON. Both are None if it is hidden."""

    nodes: list[Node] | None = None
    text: str | None = None
    length: int = 0
    is_cut: bool = False


CLOSE = Node("close")
#: Display names of JSON types.
TYPES = {dict: "object", list: "list", str: "text", bool: "yes or no", int: "number", float: "number"}
type Item = tuple[Path, bool, Any]


def build(body: str, *, revealed: bool) -> PayloadView:
    """Build the view of a stored payload.

    Args:
        revealed: include personal data.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        text = postgres_safe(body[:MAX_RAW_LENGTH]) if revealed else None
        return PayloadView(text=text, length=len(body), is_cut=len(body) > MAX_RAW_LENGTH)
    nodes, is_cut = _walk(value, revealed=revealed)
    return PayloadView(nodes, length=len(body), is_cut=is_cut)


def _walk(value: Any, *, revealed: bool) -> tuple[list[Node], bool]:
    """Return the nodes, and whether the payload was truncated."""
    nodes: list[Node] = []
    stack: list[Iterator[Item | int]] = [iter([((), False, value)])]
    while stack and len(nodes) < MAX_NODES:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
            nodes.append(CLOSE)
        elif isinstance(item, int):
            nodes.append(Node("more", size=item))
        elif isinstance(item[2], dict | list) and item[2]:
            nodes.append(_container(item, len(stack), revealed=revealed))
            stack.append(_children(item) if len(stack) < MAX_DEPTH else iter([len(item[2])]))
        else:
            nodes.append(_value(item, revealed=revealed))
    if not stack:
        return nodes[:-1], False  # without the last "close", which is for the root
    return nodes + [CLOSE] * (len(stack) - 1), True


def _children(item: Item) -> Iterator[Item | int]:
    """Yield the children of a container, then the number of omitted children."""
    path, _is_in_list, value = item
    if isinstance(value, dict):
        yield from (((*path, key), False, child) for key, child in islice(value.items(), MAX_CHILDREN))
    else:
        yield from ((path, True, child) for child in value[:MAX_CHILDREN])
    if len(value) > MAX_CHILDREN:
        yield len(value) - MAX_CHILDREN


def _container(item: Item, depth: int, *, revealed: bool) -> Node:
    node = _node("open", item, revealed=revealed)
    node.size = len(item[2])
    node.is_open = depth <= OPEN_DEPTH and node.size <= OPEN_CHILDREN
    return node


def _value(item: Item, *, revealed: bool) -> Node:
    path, _is_in_list, value = item
    node = _node("value", item, revealed=revealed)
    if revealed or value in ({}, []) or masking.is_safe_value(path, value):
        text = postgres_safe(json.dumps(value, ensure_ascii=False))
        node.length = len(text) if len(text) > MAX_TEXT_LENGTH else 0
        node.text = text[:MAX_TEXT_LENGTH]
        node.time = parse_time_or_none(value) if masking.is_time(path) else None
    return node


def _node(role: str, item: Item, *, revealed: bool) -> Node:
    path, is_in_list, value = item
    node = Node(role, path, is_in_list=is_in_list, type=TYPES.get(type(value), "nothing"))
    if path and not is_in_list and (revealed or masking.is_safe_key(path)):
        node.key = postgres_safe(path[-1])[:MAX_TEXT_LENGTH]
    return node
