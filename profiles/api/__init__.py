"""JSON API under /api/profiles/. See profiles/api/openapi.py for its description."""

from profiles.api.views import BuilderListView, BuilderView, ClientView, MeView, UnknownView, docs, openapi

__all__ = ["BuilderListView", "BuilderView", "ClientView", "MeView", "UnknownView", "docs", "openapi"]
