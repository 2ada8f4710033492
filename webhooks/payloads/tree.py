"""A payload as a tree for the page of an event: a flat list of what opens, stands and closes, so that nothing recurses.

What is in it is bounded, and it says where it was cut: a payload may have half a megabyte, and be nested as deep as it likes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from accounts.clerk.fields import parse_time_or_none
from webhooks.inbox.retry_policy import storable
from webhooks.payloads import masking
from webhooks.payloads.masking import Path

#: Values and containers in all, values in one container, containers in each other, and characters of one text.
MOST_NODES, MOST_CHILDREN, MOST_DEPTH, MOST_CHARACTERS = 1000, 100, 16, 500
#: Of what is no JSON.
MOST_TEXT = 20_000
#: What is open when the page comes.
OPEN_DEPTH, OPEN_CHILDREN = 2, 50


@dataclass(slots=True)
class Node:
    """One line of the tree.

    Attributes:
        role: opens or closes a container, is a value, or says that there is more.
        key: its name; None in lists, and where the name may be personal itself.
        text: a value as JSON; None if it is hidden.
        size: of a container: how many are in it; of what is left out: how many.
        length: of a text that was cut: how many characters it has.
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
    def is_nameless(self) -> bool:
        """Return whether it has a name that is not shown."""
        return self.key is None and bool(self.path) and not self.is_in_list


@dataclass(frozen=True, slots=True)
class Payload:
    """What is shown of a payload: a tree, or a text if it is no JSON. Both are None if it is hidden."""

    nodes: list[Node] | None = None
    text: str | None = None
    length: int = 0
    is_cut: bool = False


CLOSE = Node("close")
#: Names of JSON's types.
TYPES = {dict: "object", list: "list", str: "text", bool: "yes or no", int: "number", float: "number"}
type Item = tuple[Path, bool, Any]


def read(body: str, *, revealed: bool) -> Payload:
    """Return what to show of a stored payload.

    Args:
        revealed: show personal values, too.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        text = storable(body[:MOST_TEXT]) if revealed else None
        return Payload(text=text, length=len(body), is_cut=len(body) > MOST_TEXT)
    nodes, is_cut = _walk(value, revealed=revealed)
    return Payload(nodes, length=len(body), is_cut=is_cut)


def _walk(value: Any, *, revealed: bool) -> tuple[list[Node], bool]:
    """Return the nodes, and whether they ended before the payload did."""
    nodes: list[Node] = []
    stack: list[Iterator[Item | int]] = [iter([((), False, value)])]
    while stack and len(nodes) < MOST_NODES:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
            nodes.append(CLOSE)
        elif isinstance(item, int):
            nodes.append(Node("more", size=item))
        elif isinstance(item[2], dict | list) and item[2]:
            nodes.append(_container(item, len(stack), revealed=revealed))
            stack.append(_children(item) if len(stack) < MOST_DEPTH else iter([len(item[2])]))
        else:
            nodes.append(_value(item, revealed=revealed))
    if not stack:
        return nodes[:-1], False  # the last one closed what holds the whole
    return nodes + [CLOSE] * (len(stack) - 1), True


def _children(item: Item) -> Iterator[Item | int]:
    """Yield what is in a container, and then how many were left out."""
    path, _is_in_list, value = item
    if isinstance(value, dict):
        yield from (((*path, key), False, child) for key, child in islice(value.items(), MOST_CHILDREN))
    else:
        yield from ((path, True, child) for child in value[:MOST_CHILDREN])
    if len(value) > MOST_CHILDREN:
        yield len(value) - MOST_CHILDREN


def _container(item: Item, depth: int, *, revealed: bool) -> Node:
    node = _node("open", item, revealed=revealed)
    node.size = len(item[2])
    node.is_open = depth <= OPEN_DEPTH and node.size <= OPEN_CHILDREN
    return node


def _value(item: Item, *, revealed: bool) -> Node:
    path, _is_in_list, value = item
    node = _node("value", item, revealed=revealed)
    if revealed or value in ({}, []) or masking.is_impersonal(path, value):
        text = storable(json.dumps(value, ensure_ascii=False))
        node.length = len(text) if len(text) > MOST_CHARACTERS else 0
        node.text = text[:MOST_CHARACTERS]
        node.time = parse_time_or_none(value) if masking.is_time(path) else None
    return node


def _node(role: str, item: Item, *, revealed: bool) -> Node:
    path, is_in_list, value = item
    node = Node(role, path, is_in_list=is_in_list, type=TYPES.get(type(value), "nothing"))
    if path and not is_in_list and (revealed or masking.is_impersonal_key(path)):
        node.key = storable(path[-1])[:MOST_CHARACTERS]
    return node
