"""What profiles hold about a person; see audit.personal_data."""

from accounts.models import User
from audit.personal_data import Held, rows
from profiles import search
from profiles.models import BuilderProfile, ClientProfile


def export(user: User) -> Held:
    """Return both profiles, those that are archived or hidden too."""
    return Held(
        {
            "builder_profile": rows(BuilderProfile.objects.filter(user=user), without=frozenset(search.COLUMNS)),
            "client_profile": rows(ClientProfile.objects.filter(user=user)),
        }
    )


def erase(user: User) -> None:
    """Empty what was written on the profiles; the address goes too, because it is made of the name."""
    BuilderProfile.objects.filter(user=user).update(
        slug=None,
        search=None,
        display_name="",
        headline="",
        hourly_rate=None,
        validation_tier=BuilderProfile.Tier.ENTRY,
    )
    ClientProfile.objects.filter(user=user).update(company_name="")
