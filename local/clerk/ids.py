"""Random ids in Clerk's format."""

import secrets

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_id(prefix: str) -> str:
    """Return an id such as user_2bXQ…: the prefix and 27 letters and digits."""
    return f"{prefix}_2{''.join(secrets.choice(ALPHABET) for _ in range(26))}"


def new_user_id() -> str:
    return new_id("user")


def new_message_id() -> str:
    return new_id("msg")


def new_client_id() -> str:
    return new_id("client")


def new_invitation_id() -> str:
    return new_id("inv")


def new_waitlist_entry_id() -> str:
    return new_id("wle")


def new_mail_id() -> str:
    return new_id("ema")


def new_session_id() -> str:
    return new_id("sess")


def new_dev_browser() -> str:
    return new_id("dvb")


def new_organization_id() -> str:
    return new_id("org")


def new_membership_id() -> str:
    return new_id("orgmem")


def new_organization_invitation_id() -> str:
    return new_id("orginv")
