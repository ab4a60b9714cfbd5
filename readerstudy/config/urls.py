"""Every address of the house."""

from django.urls import include, path

from readerstudy.accounts import views as accounts
from readerstudy.config import health, pages
from readerstudy.config.api import api

urlpatterns = [
    path("", pages.home, name="home"),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("api/", api.urls),
    # Before allauth's own view of this address and name, which it wraps.
    path(
        "accounts/oidc/<str:provider_id>/login/",
        accounts.to_provider,
        name="openid_connect_login",
    ),
    path("accounts/", include("allauth.urls")),
    path("people/", include("readerstudy.accounts.urls")),
    path("audit/", include("readerstudy.audit.urls")),
    path("jobs/", include("readerstudy.jobs.urls")),
    path("archive/", include("readerstudy.imaging.urls")),
    path("studies/", include("readerstudy.studies.urls")),
    path("read/", include("readerstudy.reading.urls")),
    path("studies/", include("readerstudy.reports.urls")),
    path("generators/", include("synthesis.urls")),
]

handler400 = "readerstudy.config.pages.bad_request"
handler403 = "readerstudy.config.pages.forbidden"
handler404 = "readerstudy.config.pages.not_found"
handler500 = "readerstudy.config.pages.server_error"
