from django.urls import path, register_converter

from profiles import api, directory_views, views


class BigIntConverter:
    """An id that fits PostgreSQL's bigint; Django's own <int:> lets any number of digits through."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        """Return the id in the address."""
        return int(value)

    def to_url(self, value: int) -> str:
        """Return the id as it stands in the address."""
        return str(value)


register_converter(BigIntConverter, "bigint")

app_name = "profiles"
urlpatterns = [
    path("", directory_views.home, name="home"),
    path("builders/", directory_views.builder_list, name="builder_list"),
    # Names in every script make slugs, so this is not Django's ASCII <slug:>.
    path("builders/<str:slug>/", views.BuilderDetailView.as_view(), name="builder_detail"),
    path("builders/<str:slug>/edit/<slug:section>/", views.SectionUpdateView.as_view(), name="section_update"),
    path("api/profiles/me", api.MeView.as_view(), name="api_me"),
    path("api/profiles/builders", api.BuilderListView.as_view(), name="api_builders"),
    path("api/profiles/builders/<bigint:pk>", api.BuilderView.as_view(), name="api_builder"),
    path("api/profiles/clients/<bigint:pk>", api.ClientView.as_view(), name="api_client"),
    path("api/openapi.json", api.openapi, name="openapi"),
    path("api/docs/", api.docs, name="api_docs"),
    path("api/<path:rest>", api.UnknownView.as_view(), name="api_unknown"),
]
