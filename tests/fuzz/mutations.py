"""Mutations of text, bytes, JSON values and form fields."""

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.texts import TEXTS

NUMBERS: tuple[Any, ...] = (
    0,
    -1,
    1,
    1.5,
    -0.0,
    1e308,
    10**30,
    -(10**30),
    2**31,
    2**63,
    2**63 - 1,
    253402300800000,
    float("nan"),
)
OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"id": None},
    [{}],
    "\x00",
    float("inf"),
)


def text(random: Random, value: str) -> str:
    """Return a mutation of `value`, or an unrelated text."""
    mutate: Callable[[Random, str], str] = random.choice((_replace, _replace, _insert, _cut, _repeat, _change, _swap))
    return mutate(random, value)


def _replace(random: Random, value: str) -> str:
    return random.choice(TEXTS)


def _insert(random: Random, value: str) -> str:
    at = random.randint(0, len(value))
    return value[:at] + random.choice(TEXTS)[:200] + value[at:]


def _cut(random: Random, value: str) -> str:
    start, end = sorted(random.choices(range(len(value) + 1), k=2))
    return value[:start] + value[end:] if random.random() < 0.5 else value[start:end]


def _repeat(random: Random, value: str) -> str:
    return value * random.choice((2, 10, 100)) if len(value) < 500 else value * 2


def _change(random: Random, value: str) -> str:
    if not value:
        return chr(random.randrange(0x3000))
    at = random.randrange(len(value))
    return value[:at] + chr(random.choice((random.randrange(0x80), random.randrange(0x3000)))) + value[at + 1 :]


def _swap(random: Random, value: str) -> str:
    return random.choice((value.upper(), value.lower(), value[::-1], f" {value}\n", value.swapcase()))


def data(random: Random, value: bytes) -> bytes:
    """Return a mutation of bytes: changed, cut, repeated or with other bytes inserted."""
    at = random.randint(0, len(value))
    match random.randrange(5):
        case 0:
            return value[:at]
        case 1:
            return value[:at] + random.randbytes(random.choice((1, 4, 64))) + value[at:]
        case 2:
            return value[:at] + random.randbytes(1) + value[at + 1 :]
        case 3:
            return value[:at] + value[at // 2 :]
    return random.choice(
        (b"", b"\x00", b"\xff\xfe", b"{", b"[" * 100_000, b'"\\ud800"', b"\xf0\x9f", random.randbytes(300))
    )


def json_value(random: Random, value: Any) -> Any:
    """Return a copy of a JSON value in which one to three values at any depth have been replaced, removed or added."""
    changed = [copy.deepcopy(value)]
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        container = _pick_container(random, changed)
        _change_item(random, container)
    return changed[0] if changed else None


def _pick_container(random: Random, root: list[Any]) -> list[Any] | dict[str, Any]:
    """Return a random list or object from the tree, regardless of its depth."""
    found: list[list[Any] | dict[str, Any]] = []
    waiting: list[Any] = [root]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list | dict):
            found.append(each)
            waiting.extend(each.values() if isinstance(each, dict) else each)
    return random.choice(found)


def _change_item(random: Random, container: list[Any] | dict[str, Any]) -> None:
    keys: list[Any] = list(container) if isinstance(container, dict) else list(range(len(container)))
    if not keys:
        if isinstance(container, dict):
            container[random.choice(TEXTS)] = _scalar(random)
        else:
            container.append(_scalar(random))
        return
    key = random.choice(keys)
    if random.random() < 0.2:
        del container[key]
    elif random.random() < 0.1 and isinstance(container, dict):
        container[text(random, str(key))] = container.pop(key)
    else:
        container[key] = _similar(random, container[key])


def _similar(random: Random, value: Any) -> Any:
    match random.randrange(4):
        case 0 if isinstance(value, str):
            return text(random, value)
        case 0 if isinstance(value, int | float):
            return random.choice((value + 1, -value, value * 1000, value / 7, str(value)))
        case 1:
            return random.choice(([value], {"value": value}, str(value), [value] * 50))
    return _scalar(random)


def _scalar(random: Random) -> Any:
    return copy.deepcopy(random.choice(random.choice((TEXTS, NUMBERS, OTHERS))))


def encode(random: Random, value: Any) -> bytes:
    """Return JSON, sometimes with unpaired surrogates as bytes, white space, duplicate keys or deep nesting."""
    encoded = json.dumps(value, ensure_ascii=random.random() < 0.5, indent=random.choice((None, None, 1)))
    if random.random() < 0.02:
        encoded = f'{{"a":{encoded},"a":{encoded}}}'
    if random.random() < 0.01:
        encoded = '{"data":' * 3000 + encoded + "}" * 3000
    return encoded.encode("utf-8", "surrogatepass")


def fields(random: Random, valid: dict[str, str]) -> list[tuple[str, str]]:
    """Return form fields or query parameters in which some values or names are mutated, missing or repeated."""
    pairs = [(name, value) for name, value in valid.items() if random.random() < 0.9]
    for _ in range(random.choice((1, 1, 2, 3))):
        if not pairs:
            return [(random.choice(TEXTS)[:200], random.choice(TEXTS))]
        at = random.randrange(len(pairs))
        name, value = pairs[at]
        match random.randrange(8):
            case 0:
                pairs.append((name, random.choice(TEXTS)))
            case 1:
                pairs[at] = (text(random, name)[:200], value)
            case 2:
                pairs += [(name, f"{value}{number}") for number in range(random.choice((2, 60)))]
            case _:
                pairs[at] = (name, text(random, value))
    return pairs
