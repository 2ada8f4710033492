"""All URLs. Each app brings its own."""

from django.contrib import admin
from django.urls import include, path

from config import views

#: With a header, too, for search engines that read no further.
handler404 = views.not_found
#: With another answer while the database is away.
handler500 = views.server_error

urlpatterns = [
    path("", include("webhooks.urls")),
    path("", include("accounts.urls")),
    path("", include("profiles.urls")),
    path("admin/", admin.site.urls),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
]
