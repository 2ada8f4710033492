"""The JSON API below /api/profiles/. profiles/api/openapi.py describes it."""

from profiles.api.views import BuilderListView, BuilderView, ClientView, MeView, UnknownView, docs, openapi

__all__ = ["BuilderListView", "BuilderView", "ClientView", "MeView", "UnknownView", "docs", "openapi"]
