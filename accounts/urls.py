from django.urls import include, path, register_converter

from accounts import views
from accounts.admin.verify_page import verify
from accounts.legal import views as legal_views
from accounts.models import LegalVersion
from accounts.notifications import views as notification_views
from accounts.privacy import views as privacy_views
from accounts.roles import views as role_views
from accounts.security import disclosure
from accounts.sessions import views as session_views


class DocumentConverter:
    """Matches the names of the legal texts."""

    regex = "|".join(LegalVersion.Document.values)

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class VersionConverter:
    """Matches a version's number. Django's <int:> accepts numbers that PostgreSQL cannot store."""

    regex = "[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(DocumentConverter, "document")
register_converter(VersionConverter, "version")

app_name = "accounts"
urlpatterns = [
    path("sign-in/", session_views.sign_in, name="sign_in"),
    path("sign-up/", session_views.sign_up, name="sign_up"),
    path("sign-up/complete/", session_views.sign_up_complete, name="sign_up_complete"),
    path("sign-out/", session_views.sign_out, name="sign_out"),
    path("account/", views.AccountView.as_view(), name="account"),
    path("account/security/", views.SecurityView.as_view(), name="security"),
    path("account/notifications/", views.NotificationsView.as_view(), name="notifications"),
    path("account/notifications/unsubscribe/<str:token>/", notification_views.unsubscribe, name="unsubscribe"),
    path("account/roles/", role_views.RolesView.as_view(), name="roles"),
    path("account/roles/stop/<slug:role>/", role_views.RoleEndView.as_view(), name="role_end"),
    path("account/exports/", privacy_views.ExportView.as_view(), name="export"),
    path("account/exports/<uuid:public_id>/", privacy_views.data_export, name="data_export"),
    path("account/agreement/", views.AgreementView.as_view(), name="agreement"),
    path("<document:document>/", legal_views.legal_text, name="legal"),
    path("<document:document>/<version:version>/", legal_views.legal_text, name="legal_version"),
    path(".well-known/security.txt", disclosure.security_txt, name="security_txt"),
    path("account/delete/", privacy_views.DeletionView.as_view(), name="delete"),
    # Below the admin's prefix. Must be listed before the admin's own URLs.
    path("admin/", include([path("verify/", verify, name="verify")])),
]
