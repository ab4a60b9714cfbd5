"""Private attributes: dropped, but for those that the researcher calls safe."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.tag import BaseTag

from readerstudy.imaging.deidentification.options import Options


def private_creators(dataset: Dataset) -> dict[tuple[int, int], str]:
    creators = {}
    for tag in tuple(dataset.keys()):
        if tag.is_private_creator:
            try:
                creators[tag.group, tag.element] = str(dataset[tag].value).strip()
            except Exception:
                continue
    return creators


def is_safe_listed(tag: BaseTag, creators: dict[tuple[int, int], str], options: Options) -> bool:
    """Whether a private element, or the creator of one, is safe-listed."""
    if not options.safe_private:
        return False
    listed = {_spelled(one) for one in options.safe_private}
    if tag.is_private_creator:
        creator = creators.get((tag.group, tag.element), "")
        return any(group == tag.group and name == creator for group, _, name in listed)
    creator = creators.get((tag.group, tag.element >> 8), "")
    return bool(creator) and (tag.group, tag.element & 0xFF, creator) in listed


def _spelled(text: str) -> tuple[int, int, str]:
    group, element, creator = text.split(",", 2)
    return int(group, 16), int(element, 16) & 0xFF, creator.strip().strip('"')


def may_hold_more(dataset: Dataset, tag: BaseTag) -> bool:
    try:
        return dataset[tag].VR in ("SQ", "UN", "OB", "OW")
    except Exception:
        return True
