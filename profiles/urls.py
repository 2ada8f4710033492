from django.urls import path

from profiles import views

app_name = "profiles"
urlpatterns = [
    path("", views.home, name="home"),
    path("builders/", views.builder_list, name="builder_list"),
    # Names in every script make slugs, so this is not Django's ASCII <slug:>.
    path("builders/<str:slug>/", views.builder_detail, name="builder_detail"),
]
