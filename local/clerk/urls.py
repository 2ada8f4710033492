from django.urls import path, re_path

from local.clerk import control_api
from local.clerk.backend_api import views as backend_api
from local.clerk.frontend_api import views as frontend_api
from local.clerk.pages import sessions, views

urlpatterns = [
    path("", views.user_list, name="users"),
    path("users/new", views.user_create, name="user_create"),
    path("users/<str:user_id>", views.user, name="user"),
    path("users/<str:user_id>/delete", views.user_delete, name="user_delete"),
    path("deliveries", views.delivery_list, name="deliveries"),
    path("deliveries/release", views.release, name="release"),
    path("deliveries/<str:message_id>/send", views.delivery_send, name="delivery_send"),
    path("faults", views.fault_injection, name="fault_injection"),
    path("sign-in", sessions.sign_in, name="sign_in"),
    path("sessions", sessions.session_list, name="sessions"),
    path("sessions/<str:session_id>/revoke", sessions.session_revoke, name="session_revoke"),
    path("sessions/<str:session_id>/verify", sessions.session_verify, name="session_verify"),
    path("npm/@clerk/clerk-js@<str:version>/dist/clerk.browser.js", sessions.clerk_script),
    path("npm/@clerk/ui@<str:version>/dist/ui.browser.js", sessions.ui_script),
    path(".well-known/jwks.json", frontend_api.jwks),
    path("v1/client", frontend_api.client),
    path("v1/client/handshake", frontend_api.handshake),
    path("v1/client/sign_ins", frontend_api.sign_ins),
    path("v1/client/sign_ups", frontend_api.sign_ups),
    path("v1/client/sessions/<str:session_id>/tokens", frontend_api.session_token),
    path("v1/client/sessions/<str:session_id>/verify/attempt_first_factor", frontend_api.session_verify),
    re_path(r"^v1/client/sessions/(?P<session_id>\w+)/(?P<verb>end|remove)$", frontend_api.session_end),
    path("v1/jwks", backend_api.jwks),
    path("v1/users", backend_api.users),
    path("v1/users/count", backend_api.user_count),
    path("v1/users/<str:user_id>", backend_api.user),
    path("v1/users/<str:user_id>/metadata", backend_api.user_metadata),
    re_path(r"^v1/users/(?P<user_id>[^/]+)/(?P<verb>ban|unban)$", backend_api.user_ban),
    re_path(r"^v1/users/(?P<user_id>[^/]+)/(?P<verb>lock|unlock)$", backend_api.user_lock),
    path("v1/sessions", backend_api.session_list),
    path("v1/sessions/<str:session_id>", backend_api.session),
    path("v1/sessions/<str:session_id>/revoke", backend_api.session_revoke),
    path("local/users", control_api.users),
    path("local/users/crowd", control_api.bulk_create),
    path("local/users/<str:user_id>", control_api.user),
    path("local/deliveries", control_api.deliveries),
    path("local/settings", control_api.settings),
    path("local/<path:rest>", control_api.not_found),
    path("healthz", control_api.healthz),
]
