"""The users and profiles that requests refer to."""

from dataclasses import dataclass
from typing import Self

from django.conf import settings

from accounts.models import DataExport, User
from profiles.models import BuilderProfile, ClientProfile, Project, ProjectImage
from tests.helpers.admin import one_of_each
from tests.helpers.clients import with_password
from tests.helpers.factories import (
    SINCE,
    BuilderProfileFactory,
    ClientProfileFactory,
    ProjectFactory,
    ProjectImageFactory,
    UserFactory,
)
from tests.helpers.tokens import mint

TOKEN_LIFETIME_S = 24 * 3600
CSRF_TOKEN = "f" * 32
LISTED_BUILDERS = 30
#: Age of expired tokens. Forms are preserved for an hour after the token was issued, which is longer than a default run.
EXPIRED_S = 300


@dataclass(frozen=True, slots=True)
class World:
    """The usual test users: Olive owns the page, Vera is a visitor, and Adam is an admin."""

    olive: User
    page: BuilderProfile
    client: ClientProfile
    project: Project
    image: ProjectImage
    export: DataExport
    #: Cookie headers by name: olive, vera, adam, operator and anonymous.
    cookies: dict[str, str]
    #: Session tokens by name.
    tokens: dict[str, str]
    #: Expired session tokens by name. Posted forms are preserved until the user has signed in again.
    expired_tokens: dict[str, str]
    #: The primary key of one row of every model in the admin.
    row_pk: int

    @classmethod
    def create(cls) -> Self:
        olive = UserFactory.create(builder=True, client=True, confirmed=True, name="Olive Owner")
        page = BuilderProfileFactory.create(user=olive, introduced=True, skills=["Django", "SQL"], hourly_rate=90)
        people = {"olive": olive, "vera": UserFactory.create(confirmed=True), "adam": UserFactory.create(admin=True)}
        tokens = {name: mint(str(user.clerk_id), lifetime_s=TOKEN_LIFETIME_S) for name, user in people.items()}
        project = ProjectFactory.create(builder=page)
        image = ProjectImageFactory.create(project=project)
        BuilderProfileFactory.create_batch(LISTED_BUILDERS, introduced=True, skills=["Python"])
        return cls(
            olive=olive,
            page=page,
            client=ClientProfileFactory.create(user=olive),
            project=project,
            image=image,
            export=DataExport.objects.create(
                user=olive, ready_at=SINCE, expires_at="2100-01-01T00:00Z", archive=b"zip"
            ),
            cookies={name: _clerk_cookies(token) for name, token in tokens.items()}
            | {"anonymous": "__clerk_db_jwt=dvb_any", "operator": _password_cookies()},
            tokens=tokens,
            expired_tokens={name: mint(str(user.clerk_id), age_s=EXPIRED_S) for name, user in people.items()},
            row_pk=one_of_each(),
        )

    def fill_in(self, url: str) -> str:
        """Return a URL with the objects of this world filled in."""
        names = {"slug": self.page.slug, "builder": self.page.pk, "client": self.client.pk, "project": self.project.pk}
        return url.format(**names, image=self.image.pk, export=self.export.public_id)


def _clerk_cookies(token: str) -> str:
    return f"__session={token}; __client_uat=1; __clerk_db_jwt=dvb_any"


def _password_cookies() -> str:
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={with_password().cookies[name].value}; __clerk_db_jwt=dvb_any"
