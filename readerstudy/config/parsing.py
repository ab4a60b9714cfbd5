"""What a request's body says, without what no database keeps."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser


class StorableParser(Parser):
    """JSON whose texts can be stored as they are."""

    def parse_body(self, request: HttpRequest) -> Any:
        return storable(json.loads(request.body))


def storable(value: Any) -> Any:
    """The same without NUL and without halves of a character that was cut in two.

    A browser counts an emoji as two: a text that is cut at its greatest length may end in one half.
    """
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(key): storable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [storable(each) for each in value]
    return value
