from django.urls import path

from accounts import views
from accounts.admin.verify_page import verify
from accounts.privacy import views as privacy_views
from accounts.roles import views as role_views
from accounts.security import disclosure
from accounts.sessions import views as session_views

app_name = "accounts"
urlpatterns = [
    path("sign-in/", session_views.sign_in, name="sign_in"),
    path("sign-up/", session_views.sign_up, name="sign_up"),
    path("sign-out/", session_views.sign_out, name="sign_out"),
    path("account/", views.AccountView.as_view(), name="account"),
    path("account/security/", views.SecurityView.as_view(), name="security"),
    path("account/roles/", role_views.RolesView.as_view(), name="roles"),
    path("account/roles/stop/<slug:role>/", role_views.RoleEndView.as_view(), name="role_end"),
    path("account/exports/", privacy_views.ExportView.as_view(), name="export"),
    path("account/exports/<uuid:public_id>/", privacy_views.data_export, name="data_export"),
    path(".well-known/security.txt", disclosure.security_txt, name="security_txt"),
    path("admin/verify/", verify, name="verify"),
    path("account/delete/", privacy_views.DeletionView.as_view(), name="delete"),
]
