"""How django-allauth may let people in: by invitation, never by open sign-up."""

from __future__ import annotations

import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.http import HttpRequest


class InvitationOnlyAdapter(DefaultAccountAdapter):
    """Accounts are made by accepting an invitation or by ``manage.py createsuperuser``."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


# In the session of somebody who holds an invitation link: until when (a Unix time).
INVITED_UNTIL = "invited_until"
_TIME_TO_JOIN = 30 * 60


def note_invitation(request: HttpRequest) -> None:
    """Let the holder of a valid invitation make an account through the hospital's sign-in, soon."""
    request.session[INVITED_UNTIL] = time.time() + _TIME_TO_JOIN


class KnownPeopleSocialAdapter(DefaultSocialAccountAdapter):
    """The hospital's sign-in serves people who have an account here, or who were invited."""

    def is_open_for_signup(self, request: HttpRequest | None, sociallogin: Any) -> bool:
        if request is None:
            return False
        return bool(request.session.get(INVITED_UNTIL, 0) > time.time())
