"""A minimal Django site, like the one in Django's tutorial. `tests.bench.pages` compares the product's pages with it.

It has the middleware of `startproject` and reads the same builders with one query. It shows the name, headline, skills and
text on a builder's page, and the name and headline in the directory. This module contains settings, URLs and views.
"""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.environment import BASE_DIR
from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.bare"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "tests" / "bench" / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CARDS = 24


COLUMNS = ("slug", "display_name", "headline", "user__name", "user__username")


def builder(request: HttpRequest, slug: str) -> HttpResponse:
    from django.shortcuts import get_object_or_404, render

    from profiles.models import BuilderProfile  # models cannot be imported while settings are loaded

    profiles = BuilderProfile.objects.select_related("user").only(*COLUMNS, "bio", "skills", "image", "user__image_url")
    return render(request, "bare/builder.html", {"builder": get_object_or_404(profiles, slug=slug)})


def builders(request: HttpRequest) -> HttpResponse:
    from django.shortcuts import render

    from profiles.models import BuilderProfile

    profiles = BuilderProfile.objects.listed().only(*COLUMNS).order_by("-score", "-id")[:CARDS]
    return render(request, "bare/builders.html", {"builders": profiles})


urlpatterns = [path("builders/", builders), path("builders/<str:slug>/", builder)]
