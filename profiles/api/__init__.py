"""The JSON API below /api/profiles/. What it is for and what it answers: profiles/api/openapi.py."""

from profiles.api.views import BuilderListView, BuilderView, ClientView, MeView, UnknownView, docs, openapi

__all__ = ["BuilderListView", "BuilderView", "ClientView", "MeView", "UnknownView", "docs", "openapi"]
