"""``python -m synthesis.phantom``: write a set of phantoms."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from synthesis.phantom.dataset import FORMATS, write_manifest, write_set
from synthesis.phantom.findings import known_labels


def main(arguments: list[str] | None = None) -> int:
    """Parse, write with a progress bar, and say where the files are."""
    parser = argparse.ArgumentParser(prog="python -m synthesis.phantom", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--count", type=int, default=10, help="how many phantoms")
    parser.add_argument("--size", type=int, default=512, help="pixels a side, 16 to 2500")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first; the next add one")
    parser.add_argument("--format", choices=FORMATS, default="dicom")
    labels = ", ".join(known_labels())
    parser.add_argument("--pathology", action="append", help=f"finding to draw (repeat): {labels}")
    parser.add_argument(
        "--supersample", type=int, default=1, help="render larger by this, average down"
    )
    parser.add_argument("--masks", action="store_true", help="write the finding masks beside")
    parser.add_argument("--manifest", action="store_true", help="write manifest.csv")
    wish = parser.parse_args(arguments)
    try:
        writing = write_set(
            wish.out,
            count=wish.count,
            size=wish.size,
            seed=wish.seed,
            file_format=wish.format,
            pathology=wish.pathology,
            masks=wish.masks,
            supersample=wish.supersample,
        )
        entries = list(tqdm(writing, total=wish.count, unit="phantom", desc="phantoms"))
    except (ValueError, OSError) as problem:
        print(f"phantoms: {problem}", file=sys.stderr)
        return 2
    if wish.manifest:
        write_manifest(wish.out / "manifest.csv", entries)
    print(f"{len(entries)} phantoms of {wish.size} x {wish.size} in {wish.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
