from django.urls import re_path

from webhooks import views

app_name = "webhooks"
urlpatterns = [
    # With and without the slash, because Svix counts a redirect as a failed delivery.
    re_path(r"^api/webhooks/clerk/?$", views.receive, name="receive"),
]
