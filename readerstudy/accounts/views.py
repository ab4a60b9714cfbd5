"""A person's own page, and the way to the hospital's sign-in."""

from __future__ import annotations

from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from readerstudy.accounts.forms import ProfileForm


@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """Name and address; links to password, second factor and passkeys."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("accounts:profile")
    has_provider = bool(settings.SOCIALACCOUNT_PROVIDERS)
    return render(request, "accounts/profile.html", {"form": form, "has_provider": has_provider})


def to_provider(request: HttpRequest, provider_id: str) -> HttpResponse:
    """allauth's view, whose redirect to the provider becomes a page that goes on by itself.

    Browsers hold a redirect that answers a form to the page's ``form-action``, which names this
    server alone; a posted form must not be the way to another one.
    """
    response: HttpResponse = openid_connect.login(request, provider_id)
    if request.method == "POST" and response.status_code == 302:
        return render(request, "accounts/leaving.html", {"address": response["Location"]})
    return response
