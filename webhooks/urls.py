from django.urls import include, path, re_path

from webhooks import views
from webhooks.admin.dashboard import dashboard
from webhooks.admin.diagnostics import diagnostics
from webhooks.admin.rejections import rejections
from webhooks.admin.repairs.deliveries import recovery_page, test_delivery_page
from webhooks.admin.repairs.overview import repairs
from webhooks.admin.repairs.secrets import secrets
from webhooks.admin.running_work import running_work
from webhooks.admin.timeline import user_timeline

app_name = "webhooks"
#: URLs below the admin's prefix. They must be listed before the admin's own URLs.
operators = [
    path("webhooks/dashboard/", dashboard, name="dashboard"),
    path("webhooks/diagnostics/", diagnostics, name="diagnostics"),
    path("webhooks/running/", running_work, name="running_work"),
    path("webhooks/rejections/", rejections, name="rejections"),
    path("webhooks/repairs/", repairs, name="repairs"),
    path("webhooks/repairs/recovery/", recovery_page, name="recovery"),
    path("webhooks/repairs/secrets/", secrets, name="secrets"),
    path("webhooks/repairs/test-delivery/", test_delivery_page, name="test_delivery"),
    path("accounts/user/<int:user_id>/timeline/", user_timeline, name="timeline"),
]
urlpatterns = [
    # With and without the trailing slash, because Svix treats a redirect as a failed delivery.
    re_path(r"^api/webhooks/clerk/?$", views.receive, name="receive"),
    path("admin/", include(operators)),
]
