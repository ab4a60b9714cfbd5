"""What is retained beyond the Basic Profile, and what else is done."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

CLEAN_PIXELS = "Clean Pixel Data Option"


@dataclass(frozen=True, slots=True)
class Options:
    """What is retained beyond the Basic Profile, and what else is done.

    ``dates``: "shift" moves all dates of a patient by the same keyed number of days (Retain
    Longitudinal Temporal Information With Modified Dates), "remove" follows the Basic Profile.
    ``safe_private``: private attributes to keep, as "gggg,ee,creator" (hexadecimal group, last
    two digits of the element, private creator).
    """

    retain_device: bool = False
    retain_characteristics: bool = True
    clean_pixels: bool = True
    dates: Literal["shift", "remove"] = "shift"
    safe_private: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Options:
        """Options out of a JSON object; keys of others are passed over."""
        known = {one.name for one in fields(cls)}
        chosen = {name: value for name, value in values.items() if name in known}
        if "safe_private" in chosen:
            chosen["safe_private"] = tuple(chosen["safe_private"])
        return cls(**chosen)

    def codes(self) -> list[tuple[str, str]]:
        """Codes of CID 7050 for De-identification Method Code Sequence (0012,0064)."""
        codes = [("113100", "Basic Application Confidentiality Profile")]
        if self.clean_pixels:
            codes.append(("113101", CLEAN_PIXELS))
        if self.dates == "shift":
            codes.append(
                ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
            )
        if self.retain_characteristics:
            codes.append(("113108", "Retain Patient Characteristics Option"))
        if self.retain_device:
            codes.append(("113109", "Retain Device Identity Option"))
        if self.safe_private:
            codes.append(("113111", "Retain Safe Private Option"))
        return codes
