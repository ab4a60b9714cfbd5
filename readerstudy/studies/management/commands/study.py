"""Studies from the command line: create, export, check, lock, open, close, status, verify."""

from __future__ import annotations

import hashlib
import json
import sys
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from readerstudy.studies import (
    blinding,
    checks,
    digest,
    enrolment,
    frames_at_lock,
    lifecycle,
    locking,
    permissions,
    preregistration,
    progress,
    protocol_file,
    triggers,
)
from readerstudy.studies.errors import CannotLock, StudyError
from readerstudy.studies.models import Study
from readerstudy.studies.protocol_file import FileNotValid


class Command(BaseCommand):
    help = "Create, export, lock, open, close and look at studies."

    def add_arguments(self, parser: ArgumentParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        create = deeds.add_parser("create", help="a draft from a protocol file")
        create.add_argument("file", help="a YAML file, or - for the standard input")
        create.add_argument("--owner", required=True, help="user name or e-mail address")
        create.add_argument("--reader", action="append", default=[], help="enrol this person")
        check = deeds.add_parser("check", help="whether a protocol file is valid")
        check.add_argument("file")
        deeds.add_parser("schema", help="write the JSON Schema of protocol files")
        deeds.add_parser("list", help="all studies")
        verify_file = deeds.add_parser(
            "verify-file", help="check a preregistration file, a lock record, or one by the other"
        )
        verify_file.add_argument("files", nargs="+", metavar="FILE")
        for name, text in (
            ("export", "the protocol as YAML"),
            ("status", "where the study stands"),
            ("lock", "draw, render, audit the blinding and freeze"),
            ("sign", "lock for a reason although the blinding audit found a cue"),
            ("take-back", "back to the draft instead of signing"),
            ("open", "let readers begin"),
            ("close", "end the reading"),
            ("verify", "compare the study with its digest, its frames and the database's rules"),
            ("record", "the lock record: the bytes whose SHA-256 is the digest, truth included"),
            ("preregister", "the signed file of a locked study"),
        ):
            deed = deeds.add_parser(name, help=text)
            deed.add_argument("study", help="public id, its first characters, or the title")
            if name in ("lock", "sign", "take-back", "open", "close"):
                deed.add_argument("--by", required=True, help="who does it, for the audit trail")
            if name == "sign":
                deed.add_argument("--finding", required=True, help="the fingerprint that lock told")
                deed.add_argument("--reason", required=True, help="kept and reported")
            if name in ("export", "preregister", "record"):
                deed.add_argument("--output", "-o", default="-")
            if name == "status":
                deed.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"do_{options['deed'].replace('-', '_')}")(**options)
        except FileNotValid as error:
            for fault in error.faults:
                self.stderr.write(f"{options['file']}: {fault}")
            sys.exit(1)
        except CannotLock as error:
            for problem in error.problems:
                self.stderr.write(problem)
            sys.exit(1)
        except StudyError as error:
            raise CommandError(str(error)) from error

    def do_create(self, *, file: str, owner: str, reader: list[str], **_: Any) -> None:
        given = protocol_file.parse(_read(file))
        by = enrolment.find_user(owner)
        study = lifecycle.create(
            title=given.title,
            question=given.question,
            protocol=given.protocol(),
            seed=given.seed,
            by=by,
        )
        for name in reader:
            enrolment.enrol(study, enrolment.find_user(name), by=by)
        self.stdout.write(str(study.public_id))

    def do_check(self, *, file: str, **_: Any) -> None:
        given = protocol_file.parse(_read(file))
        self.stdout.write(f"{file}: valid, “{given.title}”")

    def do_schema(self, **_: Any) -> None:
        self.stdout.write(protocol_file.schema(), ending="")

    def do_list(self, **_: Any) -> None:
        for study in Study.objects.with_counts():
            counted = vars(study)
            self.stdout.write(
                f"{study.public_id}  {study.status:6}  {counted['case_count']:5} cases  "
                f"{counted['reader_count']:3} readers  {study.title}"
            )

    def do_export(self, *, study: str, output: str, **_: Any) -> None:
        self._write(protocol_file.export(_find(study)), output)

    def do_preregister(self, *, study: str, output: str, **_: Any) -> None:
        signed = preregistration.document(_find(study))
        self._write(json.dumps(signed, indent=2, ensure_ascii=False) + "\n", output)

    def do_record(self, *, study: str, output: str, **_: Any) -> None:
        found = _find(study)
        if not found.lock_digest:
            raise CommandError(f"The study is {found.status}: nothing is locked yet.")
        self._write(digest.record(found).decode(), output)

    def do_verify_file(self, *, files: list[str], **_: Any) -> None:
        digests: dict[str, str] = {}
        for file in files:
            raw = _bytes(file)
            try:
                held = json.loads(raw)
            except ValueError as error:
                raise CommandError(f"{file} is no JSON: {error}") from error
            if isinstance(held, dict) and "signature" in held:
                preregistration.verify(held)
                whose = (
                    "this installation"
                    if preregistration.is_ours(held)
                    else (f"the key {held['signature']['public_key']}")
                )
                digests[file] = held["content"]["digest_sha256"]
                signed_at = held["content"]["signed_at"]
                self.stdout.write(f"{file}: signed by {whose} at {signed_at}, {digests[file]}")
            elif isinstance(held, dict) and {"study", "cases", "lists"} <= held.keys():
                digests[file] = hashlib.sha256(raw).hexdigest()
                self.stdout.write(f"{file}: a lock record of “{held['title']}”, {digests[file]}")
            else:
                raise CommandError(f"{file} is neither a preregistration file nor a lock record.")
        if len(set(digests.values())) > 1:
            raise CommandError("The files speak of different locks: their digests differ.")
        if len(digests) > 1:
            self.stdout.write("The files agree.")

    def do_lock(self, *, study: str, by: str, **_: Any) -> None:
        found, user = _permitted(study, by, "lock")
        found = locking.lock(found, by=user, wait=True)
        if found.awaits_signature:
            name, finding = found.public_id, found.blinding["fingerprint"]
            self.stderr.write(f"Not locked yet. {found.blinding['summary']}")
            for cue in found.blinding["to_sign"]:
                self.stderr.write(f"  {blinding.said(cue)}")
            self.stderr.write(
                f"Sign for it: manage.py study sign {name} --by {by} --finding {finding} --reason "
                f"WHY\nor go back to the draft: manage.py study take-back {name} --by {by}"
            )
            sys.exit(1)
        self.stdout.write(f"locked, digest {found.lock_digest}")

    def do_sign(self, *, study: str, by: str, finding: str, reason: str, **_: Any) -> None:
        found, user = _permitted(study, by, "sign")
        found = locking.sign(found, by=user, finding=finding, reason=reason)
        self.stdout.write(f"locked, digest {found.lock_digest}")

    def do_take_back(self, *, study: str, by: str, **_: Any) -> None:
        found, user = _permitted(study, by, "sign")
        locking.take_back(found, by=user)
        self.stdout.write("a draft again")

    def do_open(self, *, study: str, by: str, **_: Any) -> None:
        found, user = _permitted(study, by, "open")
        lifecycle.open_study(found, by=user)
        self.stdout.write("open")

    def do_close(self, *, study: str, by: str, **_: Any) -> None:
        found, user = _permitted(study, by, "close")
        lifecycle.close_study(found, by=user)
        self.stdout.write("closed")

    def do_verify(self, *, study: str, **_: Any) -> None:
        found = _find(study)
        if not found.lock_digest:
            raise CommandError(f"The study is {found.status}: it has no digest yet.")
        if not digest.holds(found):
            self.stderr.write(
                f"“{found.title}” is not what was locked: expected {found.lock_digest}, "
                f"found {digest.compute(found)}"
            )
            sys.exit(1)
        frames_at_lock.check(found)
        if missing := triggers.missing(connection):
            self.stderr.write(
                f"The database's own rules are not all in place ({', '.join(missing)}); run "
                "manage.py migrate and look at who removed them."
            )
            sys.exit(1)
        self.stdout.write(f"“{found.title}” is what was locked: {found.lock_digest}")

    def do_status(self, *, study: str, json: bool, **_: Any) -> None:
        found = _find(study)
        said = _status(found)
        if json:
            self.stdout.write(_as_json(said))
            return
        self.stdout.write(f"{found.title}\n{found.public_id}\n{said['status']}")
        if found.status == Study.Status.DRAFT:
            for check in said["checks"]:
                self.stdout.write(f"  [{check['state']:7}] {check['title']}: {check['message']}")
            return
        self.stdout.write(f"digest {found.lock_digest}")
        self.stdout.write(f"{said['done']} of {said['total']} readings done")
        for reader in said["readers"]:
            self.stdout.write(
                f"  {reader['reader']}  {reader['state']:9} {reader['done']:5} of "
                f"{reader['total']}  {reader['note']}"
            )

    def _write(self, text: str, output: str) -> None:
        if output == "-":
            self.stdout.write(text, ending="")
        else:
            Path(output).write_text(text, encoding="utf-8")
            self.stderr.write(f"written to {output}")


def _read(file: str) -> str:
    if file == "-":
        return protocol_file.decoded(sys.stdin.buffer.read())
    return protocol_file.decoded(_bytes(file))


def _bytes(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror or error}") from error


def _permitted(study: str, by: str, deed: str) -> tuple[Study, Any]:
    """The study and the person, who must be an owner here as on the pages."""
    found, user = _find(study), enrolment.find_user(by)
    role = permissions.role_of(user, found)
    if role not in permissions.DEEDS[deed]:
        raise CommandError(
            f"{user} is {role or 'nobody'} in this study; to {deed} it is an owner's to decide."
        )
    return found, user


def _find(name: str) -> Study:
    try:
        found = list(Study.objects.filter(public_id=uuid.UUID(name)))
    except ValueError:
        found = list(Study.objects.filter(title=name)) or [
            study for study in Study.objects.all() if str(study.public_id).startswith(name.lower())
        ]
    if len(found) != 1:
        raise CommandError(
            f"{'No study' if not found else 'More than one study'} is called {name!r}; "
            "“manage.py study list” shows all."
        )
    return found[0]


def _status(study: Study) -> dict[str, Any]:
    said: dict[str, Any] = {
        "study": str(study.public_id),
        "title": study.title,
        "status": study.status,
        "locking": study.is_locking,
        "digest": study.lock_digest,
    }
    if study.status == Study.Status.DRAFT:
        said["checks"] = [
            {"title": c.title, "state": c.state, "message": c.message} for c in checks.run(study)
        ]
        return said
    standing = progress.standing(study)
    said.update(
        done=standing.done,
        total=standing.total,
        readers=[
            {
                "reader": one.reader.code,
                "state": one.reader.state,
                "done": one.done,
                "total": one.total,
                "note": one.waiting,
            }
            for one in standing.readers
        ],
    )
    return said


def _as_json(said: dict[str, Any]) -> str:
    return json.dumps(said, indent=2, ensure_ascii=False)
