from django.urls import path

from local.components import views

app_name = "components"
urlpatterns = [
    path("", views.index, name="index"),
    path("<slug:group>/", views.group, name="group"),
]
