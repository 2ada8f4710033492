"""The root URLconf."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from config import views

handler400 = views.bad_request
handler403 = views.permission_denied
#: Adds a header for search engines.
handler404 = views.not_found
#: Returns 503 while the database is unavailable.
handler500 = views.server_error

#: config.probes handles /healthz, /readyz and /metrics before the host check. They are included here for reverse().
urlpatterns = [
    path("", include("webhooks.urls")),
    path("", include("accounts.urls")),
    path("", include("profiles.urls")),
    path("admin/", admin.site.urls),
    path("language/", views.set_language, name="set_language"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
]
if settings.LOCAL_MODE:
    # The package `local` is not part of the container image, and config must not import it.
    urlpatterns.append(path("local/components/", include("local.components.urls")))
