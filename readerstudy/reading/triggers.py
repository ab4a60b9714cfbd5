"""The database's own refusal to change or remove what a reader said, on SQLite and PostgreSQL.

A later answer is a later revision, so nothing here is ever updated or deleted. SQLite's ``REPLACE``
removes the rows in its way without firing DELETE triggers; an insert that would push one out is
refused too. SQLite drops a table's triggers when a migration rebuilds it; they are put back after
every ``migrate`` (see :mod:`readerstudy.audit.database_rules`).
"""

from __future__ import annotations

from typing import Any

# Table -> what makes a row unique beside its id.
TABLES = {
    "reading_reading": (("client_id",), ("presentation_id", "revision")),
    "reading_finding": (),
    "reading_cue": (),
    "reading_setaside": (("client_id",),),
    "reading_technicalfailure": (("client_id",),),
}
REFUSAL = "readings are append-only: a later answer is a later revision"

_FUNCTION = "reading_refuse"
_BODY = f" BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END "


def _sqlite() -> dict[str, str]:
    """Name of each trigger and its statement."""
    statements = {}
    refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    for table, keys in TABLES.items():
        same = " OR ".join(
            "(" + " AND ".join(f"o.{column} = NEW.{column}" for column in key) + ")"
            for key in (("id",), *keys)
        )
        for event, when in (
            ("UPDATE", ""),
            ("DELETE", ""),
            ("INSERT", f"WHEN EXISTS (SELECT 1 FROM {table} o WHERE {same}) "),
        ):
            name = f"{table}_no_{'replace' if event == 'INSERT' else event.lower()}"
            statements[name] = f"CREATE TRIGGER {name} BEFORE {event} ON {table} {when}{refuse}"
    return statements


def _postgresql() -> dict[tuple[str, str], str]:
    """(name, table) of each trigger and when it fires."""
    events = {"no_change": "UPDATE OR DELETE", "no_truncate": "TRUNCATE"}
    each = {"no_change": "ROW", "no_truncate": "STATEMENT"}
    return {
        (f"{table}_{name}", table): f"BEFORE {event} ON {table} FOR EACH {each[name]}"
        for table in TABLES
        for name, event in events.items()
    }


def install(connection: Any) -> None:
    """Create the triggers anew; harmless when they are there."""
    remove(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for statement in _sqlite().values():
                cursor.execute(statement)
        elif connection.vendor == "postgresql":
            cursor.execute(
                f"CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql "
                f"AS $${_BODY}$$"
            )
            for (name, _), when in _postgresql().items():
                cursor.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {_FUNCTION}()")


def remove(connection: Any) -> None:
    """Drop the triggers, as a migration that rebuilds one of the tables must."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in _sqlite():
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        elif connection.vendor == "postgresql":
            for name, table in _postgresql():
                cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
            cursor.execute(f"DROP FUNCTION IF EXISTS {_FUNCTION}()")
