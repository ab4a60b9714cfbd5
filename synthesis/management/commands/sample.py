"""Generated scans into the archive, here and now, without a worker."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from tqdm import tqdm

from readerstudy.imaging.models import Batch
from synthesis import checkpoint_store, generation, quota
from synthesis.models import Generator
from synthesis.pggan import conditions
from synthesis.pggan.config import NetworkConfig


class Command(BaseCommand):
    help = (
        "Sample a generator into the archive. Run again with the same seed it makes only what is "
        "missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("generator", help="its name, or the beginning of its digest")
        parser.add_argument("--count", type=int, default=50)
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--start", type=int, default=0, help="first latent index")
        parser.add_argument("--truncation", type=float, default=1.0)
        parser.add_argument("--bits", type=int, default=12)
        parser.add_argument(
            "--label", action="append", default=[], metavar="[GROUP=]LABEL",
            help="of a conditional generator; drawn for each scan by default",
        )  # fmt: skip
        parser.add_argument("--device", default="cpu", choices=generation.DEVICES)

    def handle(self, *args: Any, **options: Any) -> None:
        generator = self._generator(options["generator"])
        names = ("count", "seed", "start", "truncation", "bits", "device")
        try:
            config = NetworkConfig.from_json(generator.config)
            labels = conditions.named(config, generator.card, options["label"])
            wish = generation.Wish(**{name: options[name] for name in names}, labels=labels)
            quota.check(generator, wish.count)
        except ValueError as error:
            raise CommandError(str(error)) from None
        made = there = alike = 0
        batch: Batch | None = Batch.objects.create(
            source=f"Generator {generator.name}",
            options={"generator": str(generator.public_id), **{n: options[n] for n in names}}
            | ({"labels": wish.labels} if wish.labels else {}),
        )
        try:
            for one in tqdm(
                generation.generate(generator, wish, batch=batch),
                total=wish.count, desc="sampling", unit="scan", disable=None,
            ):  # fmt: skip
                made += one.created
                there += one.scan is None
                alike += one.scan is not None and not one.created
        except (generation.DeviceMissing, checkpoint_store.CheckpointMissing) as error:
            raise CommandError(str(error)) from None
        finally:
            if not made and batch is not None:
                batch.delete()
        self.stdout.write(
            f"{made} scans from {generator.name} are new in the archive"
            + (f", {there} were there already" if there else "")
            + (f", {alike} showed a picture that was there already" if alike else "")
        )

    def _generator(self, word: str) -> Generator:
        found = list(Generator.objects.filter(Q(name=word) | Q(digest__startswith=word)))
        if len(found) == 1:
            return found[0]
        known = ", ".join(Generator.objects.values_list("name", flat=True)) or "none yet"
        raise CommandError(
            f"No generator is named {word!r}. Known: {known}."
            if not found
            else f"{word!r} fits {len(found)} generators: give more of the digest."
        )
