"""Builder and client profiles, which are created and archived when their user gains or loses a role."""

from profiles.models.badges import Badge
from profiles.models.base import Profile, ProfileQuerySet
from profiles.models.builder import BuilderProfile, BuilderProfileQuerySet
from profiles.models.choices import Availability, CheckedItem, Currency, Domain
from profiles.models.client import ClientProfile
from profiles.models.contact import ContactMessage
from profiles.models.portfolio import MAX_IMAGES, MAX_PROJECTS, MAX_TECHNOLOGIES, Project, ProjectImage
from profiles.models.reports import BlockedSender, Report
from profiles.models.reviews import ReviewFile, ReviewRequest
from profiles.models.search import SearchSynonym, SearchWord
from profiles.models.section_history import SectionVersion
from profiles.models.shortlist import ShortlistEntry
from profiles.models.slug_history import FormerSlug

__all__ = [
    "MAX_IMAGES",
    "MAX_PROJECTS",
    "MAX_TECHNOLOGIES",
    "Availability",
    "Badge",
    "BlockedSender",
    "BuilderProfile",
    "BuilderProfileQuerySet",
    "CheckedItem",
    "ClientProfile",
    "ContactMessage",
    "Currency",
    "Domain",
    "FormerSlug",
    "Profile",
    "ProfileQuerySet",
    "Project",
    "ProjectImage",
    "Report",
    "ReviewFile",
    "ReviewRequest",
    "SearchSynonym",
    "SearchWord",
    "SectionVersion",
    "ShortlistEntry",
]
