"""The JSON interface. Each room brings its own router."""

from ninja import NinjaAPI
from ninja.security import django_auth

from readerstudy import __version__
from readerstudy.reading.api import router as reading_router

api = NinjaAPI(
    title="Reader Study",
    version=__version__,
    auth=django_auth,
    # The interactive pages of the API load their scripts from elsewhere: the schema is enough.
    docs_url=None,
    openapi_url="/openapi.json",
    urls_namespace="api",
)
api.add_router("/reading", reading_router)
