"""``manage.py create_person NAME``: an account without an invitation, for the operator."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from readerstudy.accounts.models import User
from readerstudy.audit import trail


class Command(BaseCommand):
    help = "Make an account. The password is asked for, or read from the standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email", default="")
        parser.add_argument("--name", default="", help="for example 'Ada Lovelace'")
        parser.add_argument(
            "--researcher", action="store_true", help="may import scans and create studies"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        if User.objects.filter(username__iexact=name).exists():
            raise CommandError(f"{name!r} exists already")
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        first, _, last = options["name"].partition(" ")
        user = User(
            username=name,
            email=options["email"],
            first_name=first,
            last_name=last,
            is_researcher=options["researcher"],
        )
        try:
            user.full_clean(exclude=["password"])
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        user.set_password(password)
        user.save()
        trail.record("person.created", on=user, username=name, researcher=user.is_researcher)
        self.stdout.write(f"{name} can sign in")
