"""People who sign in. What they may do in a study is a Membership (readerstudy.studies)."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person. Researchers may build studies; everybody else reads what they are enrolled in."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    is_researcher = models.BooleanField(
        default=False, help_text="May import scans, run generators and create studies."
    )

    def __str__(self) -> str:
        return self.get_full_name() or self.username
