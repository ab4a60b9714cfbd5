"""How django-allauth may let people in: by invitation, never by open sign-up."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.http import HttpRequest


class InvitationOnlyAdapter(DefaultAccountAdapter):
    """Accounts are made by accepting an invitation or by ``manage.py createsuperuser``."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class KnownPeopleSocialAdapter(DefaultSocialAccountAdapter):
    """The hospital's sign-in serves people who have an account here; it makes none."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False
