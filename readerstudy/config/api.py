"""The JSON interface. Each room brings its own router."""

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.security import django_auth

from readerstudy import __version__
from readerstudy.config.parsing import StorableParser
from readerstudy.imaging.access import researchers_only
from readerstudy.reading.api import router as reading_router
from readerstudy.reading.refusal import Refused

api = NinjaAPI(
    title="Reader Study",
    version=__version__,
    auth=django_auth,
    parser=StorableParser(),
    # The interactive pages of the API load their scripts from elsewhere: the schema is enough.
    docs_url=None,
    openapi_url="/openapi.json",
    # It names what later phases ask: not for readers.
    docs_decorator=researchers_only,
    urls_namespace="api",
)
api.add_router("/reading", reading_router)


@api.exception_handler(Refused)
def refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
    """What the reading room does not do, in one form for the page."""
    content = {"code": refusal.code, "reason": refusal.reason, **refusal.more}
    return api.create_response(request, content, status=refusal.status)
