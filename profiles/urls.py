from django.urls import path, register_converter

from profiles import api
from profiles.contact import views as contact_views
from profiles.directory import views as directory_views
from profiles.editing import views as section_views
from profiles.media import views as media
from profiles.moderation import views as moderation_views
from profiles.onboarding import views as onboarding_views
from profiles.pages import views as pages
from profiles.portfolio import views as portfolio


class BigIntConverter:
    """An id that fits PostgreSQL's bigint; Django's own <int:> lets any number of digits through."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        """Return the id in the address."""
        return int(value)

    def to_url(self, value: int) -> str:
        """Return the id as it stands in the address."""
        return str(value)


class PictureConverter:
    """The name of a picture in the storage, as profiles.media.images makes them, and nothing else that might lie there."""

    regex = r"[a-z]+/[0-9a-f]{32}\.webp"

    def to_python(self, value: str) -> str:
        """Return the name in the address."""
        return value

    def to_url(self, value: str) -> str:
        """Return the name as it stands in the address."""
        return value


register_converter(BigIntConverter, "bigint")
register_converter(PictureConverter, "picture")

app_name = "profiles"
urlpatterns = [
    path("", directory_views.home, name="home"),
    path("builders/", directory_views.builder_list, name="builder_list"),
    # Names in every script make slugs, so this is not Django's ASCII <slug:>.
    path("builders/<str:slug>/publish/", moderation_views.PublishView.as_view(), name="publish"),
    path("builders/<str:slug>/delete/", moderation_views.DeleteView.as_view(), name="profile_delete"),
    path("builders/<str:slug>/verify/", moderation_views.TierView.as_view(), name="tier_update"),
    path("builders/<str:slug>/badges/", moderation_views.BadgesView.as_view(), name="badge_list"),
    path("builders/<str:slug>/badges/<slug:kind>/", moderation_views.WithdrawView.as_view(), name="badge_withdraw"),
    path("builders/<str:slug>/record/", moderation_views.RecordView.as_view(), name="record_update"),
    path("builders/<str:slug>/feature/", moderation_views.FeatureView.as_view(), name="feature"),
    path("builders/<str:slug>/hide/", moderation_views.HideView.as_view(), name="hide"),
    path("welcome/", onboarding_views.GoalView.as_view(), name="welcome"),
    path("welcome/builder/", onboarding_views.BuilderQuestionsView.as_view(), name="welcome_builder"),
    path("welcome/client/", onboarding_views.ClientQuestionsView.as_view(), name="welcome_client"),
    path("welcome/preview/", onboarding_views.PreviewView.as_view(), name="welcome_preview"),
    path("builders/<str:slug>/", pages.BuilderDetailView.as_view(), name="builder_detail"),
    path("builders/<str:slug>/card.png", pages.builder_card, name="builder_card"),
    path("builders/<str:slug>/contact/", contact_views.ContactView.as_view(), name="contact"),
    path("builders/<str:slug>/picture/", portfolio.PortraitView.as_view(), name="portrait"),
    path("builders/<str:slug>/portfolio/new/", portfolio.ProjectCreateView.as_view(), name="project_new"),
    path("builders/<str:slug>/portfolio/order/", portfolio.ProjectOrderView.as_view(), name="project_order"),
    path(
        "builders/<str:slug>/portfolio/<bigint:pk>/edit/", portfolio.ProjectUpdateView.as_view(), name="project_update"
    ),
    path(
        "builders/<str:slug>/portfolio/<bigint:pk>/delete/",
        portfolio.ProjectDeleteView.as_view(),
        name="project_delete",
    ),
    path("media/<picture:name>", media.picture, name="picture"),
    path("builders/<str:slug>/edit/<slug:section>/", section_views.SectionUpdateView.as_view(), name="section_update"),
    path("builders/<str:slug>/availability/", section_views.AvailabilityView.as_view(), name="availability"),
    path("account/client/", section_views.ClientUpdateView.as_view(), name="own_client"),
    path("clients/<bigint:pk>/edit/", section_views.ClientUpdateView.as_view(), name="client_update"),
    path("api/profiles/me", api.MeView.as_view(), name="api_me"),
    path("api/profiles/builders", api.BuilderListView.as_view(), name="api_builders"),
    path("api/profiles/builders/<bigint:pk>", api.BuilderView.as_view(), name="api_builder"),
    path("api/profiles/clients/<bigint:pk>", api.ClientView.as_view(), name="api_client"),
    path("api/openapi.json", api.openapi, name="openapi"),
    path("api/docs/", api.docs, name="api_docs"),
    path("api/<path:rest>", api.UnknownView.as_view(), name="api_unknown"),
]
