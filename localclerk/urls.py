from django.urls import path

from localclerk import api, views

urlpatterns = [
    path("", views.user_list, name="users"),
    path("users/new", views.user_create, name="user_create"),
    path("users/<str:user_id>", views.user, name="user"),
    path("users/<str:user_id>/delete", views.user_delete, name="user_delete"),
    path("deliveries", views.delivery_list, name="deliveries"),
    path("deliveries/release", views.release, name="release"),
    path("deliveries/<str:message_id>/send", views.delivery_send, name="delivery_send"),
    path("trouble", views.trouble, name="trouble"),
    path("local/users", api.users),
    path("local/users/<str:user_id>", api.user),
    path("local/deliveries", api.deliveries),
    path("local/settings", api.settings),
    path("local/<path:rest>", api.nothing_here),
    path("healthz", api.healthz),
]
