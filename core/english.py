"""Numbers with nouns in messages that are not translated: output of commands, logs and diagnostics."""


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return the number with the right form of the noun, such as "1 user" or "1,200 users".

    Args:
        plural: the plural form, if it is not the singular with an "s".
    """
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"
