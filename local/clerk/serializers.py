"""Clerk's wire format. Sources: Clerk's webhooks/2025-04-15.yml, and real deliveries of 2025."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from local.clerk.models import (
    Invitation,
    Mail,
    Membership,
    Organization,
    OrganizationInvitation,
    Session,
    User,
    WaitlistEntry,
    now_ms,
)

#: Fields that are the same for every user of the stand-in.
CONSTANT_FIELDS: dict[str, Any] = {
    "object": "user",
    "external_id": None,
    "passkeys": [],
    "web3_wallets": [],
    "external_accounts": [],
    "enterprise_accounts": [],
    "saml_accounts": [],
    "primary_web3_wallet_id": None,
    "has_image": False,
    "profile_image_url": "https://www.gravatar.com/avatar?d=mp",
    "password_enabled": True,
    "totp_enabled": False,
    "two_factor_enabled": False,
    "backup_code_enabled": False,
    "create_organization_enabled": True,
    "delete_self_enabled": True,
    "verification_attempts_remaining": 100,
    "last_sign_in_at": None,
    "legal_accepted_at": None,
    "mfa_enabled_at": None,
    "mfa_disabled_at": None,
}


@dataclass(frozen=True, slots=True)
class Actor:
    """The IP address and user agent of a browser that made a change."""

    client_ip: str
    user_agent: str


def user(user: User) -> dict[str, Any]:
    """Return a user in the format of webhooks and the Backend API."""
    return CONSTANT_FIELDS | {
        "id": user.id,
        "first_name": user.first_name or None,
        "last_name": user.last_name or None,
        "username": user.username or None,
        "email_addresses": [_email_address(user, email) for email in user.emails],
        "primary_email_address_id": user.primary_email_id or None,
        "phone_numbers": [_phone_number(user)] if user.phone else [],
        "primary_phone_number_id": _phone_id(user) if user.phone else None,
        "image_url": f"https://img.clerk.com/{user.id[5:]}",
        "public_metadata": user.public_metadata,
        "private_metadata": user.private_metadata,
        "unsafe_metadata": user.unsafe_metadata,
        "banned": user.banned,
        "locked": user.locked,
        "lockout_expires_in_seconds": 3600 if user.locked else None,
        "created_at": user.created_ms,
        "updated_at": user.updated_ms,
        "last_active_at": user.updated_ms,
    }


def deleted(user_id: str) -> dict[str, Any]:
    return {"object": "user", "id": user_id, "deleted": True}


def session(session: Session) -> dict[str, Any]:
    """Return a session in the format of the Frontend API and the Backend API."""
    day_ms = 24 * 3600 * 1000
    return {
        "object": "session",
        "id": session.id,
        "user_id": session.user_id,
        "client_id": session.client_id,
        "actor": None,
        "status": session.status,
        "last_active_organization_id": None,
        "last_active_at": session.updated_ms,
        "expire_at": session.created_ms + 7 * day_ms,
        "abandon_at": session.created_ms + 30 * day_ms,
        "created_at": session.created_ms,
        "updated_at": session.updated_ms,
    }


def organization(organization: Organization) -> dict[str, Any]:
    """Return an organization in the format of webhooks and the Backend API."""
    return {
        "object": "organization",
        "id": organization.id,
        "name": organization.name,
        "slug": organization.slug,
        "has_image": False,
        "image_url": f"https://img.clerk.com/{organization.id[4:]}",
        "members_count": organization.memberships.count(),
        "pending_invitations_count": organization.invitations.filter(status="pending").count(),
        "max_allowed_memberships": 5,
        "admin_delete_enabled": True,
        "public_metadata": {},
        "private_metadata": {},
        "created_at": organization.created_ms,
        "updated_at": organization.updated_ms,
    }


def deleted_organization(organization: Organization) -> dict[str, Any]:
    return {"object": "organization", "id": organization.id, "slug": organization.slug, "deleted": True}


def membership(membership: Membership) -> dict[str, Any]:
    """Return a membership with its organization and the member's public data."""
    member = membership.user
    return {
        "object": "organization_membership",
        "id": membership.id,
        "role": membership.role,
        "role_name": membership.role.removeprefix("org:").replace("_", " ").capitalize(),
        "permissions": [],
        "public_metadata": {},
        "private_metadata": {},
        "organization": organization(membership.organization),
        "public_user_data": {
            "user_id": member.id,
            "first_name": member.first_name or None,
            "last_name": member.last_name or None,
            "has_image": False,
            "image_url": f"https://img.clerk.com/{member.id[5:]}",
            "profile_image_url": "https://www.gravatar.com/avatar?d=mp",
            "identifier": member.email or member.username,
        },
        "created_at": membership.created_ms,
        "updated_at": membership.updated_ms,
    }


def organization_invitation(invitation: OrganizationInvitation) -> dict[str, Any]:
    return {
        "object": "organization_invitation",
        "id": invitation.id,
        "email_address": invitation.address,
        "role": invitation.role,
        "role_name": invitation.role.removeprefix("org:").replace("_", " ").capitalize(),
        "organization_id": invitation.organization_id,
        "status": invitation.status,
        "user_id": invitation.user_id or None,
        "public_metadata": {},
        "private_metadata": {},
        "url": None,
        "expires_at": invitation.created_ms + 30 * 24 * 3600 * 1000,
        "created_at": invitation.created_ms,
        "updated_at": invitation.updated_ms,
    }


def session_activity(session: Session, actor: Actor) -> dict[str, Any]:
    """Return the device of a session. Browsers other than the four most common ones have no name."""
    names = {"Edg/": "Edge", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
    is_mobile = "Mobile" in actor.user_agent
    return {
        "object": "session_activity",
        "id": f"activity_{session.id.removeprefix('sess_')}",
        "device_type": "mobile" if is_mobile else "desktop",
        "is_mobile": is_mobile,
        "browser_name": next((name for word, name in names.items() if word in actor.user_agent), None),
        "browser_version": None,
        "ip_address": actor.client_ip,
        "city": None,
        "country": None,
    }


def mail(mail: Mail, actor: Actor) -> dict[str, Any]:
    """Return an email in the format of `email.created`, which contains the code."""
    requested_at = f"{mail.created_at:%d %B %Y, %H:%M} UTC"
    body = (
        f"{mail.code} is your OTP code for Buildappswith.\n\nDo not share this with anyone.\n\n"
        f"It was requested at {requested_at}. If you did not request this, please ignore this email.\n"
    )
    return {
        "object": "email",
        "id": mail.id,
        "user_id": mail.user_id,
        "email_address_id": mail.email_id,
        "to_email_address": mail.address,
        "from_email_name": "notifications",
        "slug": "verification_code",
        "status": "queued",
        "delivered_by_clerk": True,
        "subject": str(mail),
        "body": f"<!DOCTYPE html><html><body><p>{mail.code} is your OTP code for Buildappswith.</p></body></html>",
        "body_plain": body,
        "data": {
            "app": {"name": "Buildappswith", "url": settings.FRONTEND_API_URL},
            "otp_code": mail.code,
            "requested_at": requested_at,
            "requested_by": actor.user_agent,
            "user": {"public_metadata": {}, "public_metadata_fallback": ""},
        },
    }


def invitation(invitation: Invitation) -> dict[str, Any]:
    return {
        "object": "invitation",
        "id": invitation.pk,
        "email_address": invitation.address,
        "public_metadata": invitation.public_metadata,
        "revoked": invitation.status == Invitation.Status.REVOKED,
        "status": invitation.status,
        "expires_at": invitation.created_ms + 30 * 24 * 3600 * 1000,
        "created_at": invitation.created_ms,
        "updated_at": invitation.updated_ms,
    }


def waitlist_entry(entry: WaitlistEntry) -> dict[str, Any]:
    return {
        "object": "waitlist_entry",
        "id": entry.pk,
        "email_address": entry.address,
        "status": entry.status,
        "is_locked": False,
        "invitation": invitation(entry.invitation) if entry.invitation else None,
        "created_at": entry.created_ms,
        "updated_at": entry.updated_ms,
    }


def event(event_type: str, data: dict[str, Any], actor: Actor) -> str:
    """Return the JSON body of a delivery."""
    envelope = {
        "data": data,
        "object": "event",
        "type": event_type,
        "timestamp": now_ms(),
        "instance_id": settings.INSTANCE_ID,
        "event_attributes": {"http_request": {"client_ip": actor.client_ip, "user_agent": actor.user_agent}},
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))


def _email_address(user: User, email: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": email["id"],
        "object": "email_address",
        "email_address": email["address"],
        "reserved": False,
        "verification": {
            "status": "verified" if email["verified"] else "unverified",
            "strategy": "email_code",
            "attempts": 1 if email["verified"] else 0,
            "expire_at": None,
        },
        "linked_to": [],
        "matches_sso_connection": False,
        "created_at": user.created_ms,
        "updated_at": user.created_ms,
    }


def _phone_id(user: User) -> str:
    return f"idn_{hashlib.sha256(user.id.encode()).hexdigest()[:27]}"


def _phone_number(user: User) -> dict[str, Any]:
    return {
        "id": _phone_id(user),
        "object": "phone_number",
        "phone_number": user.phone,
        "reserved_for_second_factor": False,
        "default_second_factor": False,
        "reserved": False,
        "verification": {"status": "verified", "strategy": "phone_code", "attempts": 1, "expire_at": None},
        "linked_to": [],
        "backup_codes": None,
        "created_at": user.created_ms,
        "updated_at": user.created_ms,
    }
