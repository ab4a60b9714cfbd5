"""The database's own refusal to edit or remove audit entries, on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

TABLE = "audit_entry"
_REFUSAL = "audit entries are append-only: they are never edited and never removed"

_BROKEN = "an audit entry is written at the end of the chain and nowhere else"

# A new entry follows from the last one and takes no other's place. SQLite's REPLACE would remove
# an old entry without firing its DELETE trigger.
_OFF_CHAIN = (
    f"NEW.sequence <> COALESCE((SELECT MAX(sequence) FROM {TABLE}), 0) + 1 "
    f"OR NEW.previous_hash <> COALESCE((SELECT hash FROM {TABLE} ORDER BY sequence DESC LIMIT 1), "
    f"'{'0' * 64}') OR EXISTS (SELECT 1 FROM {TABLE} o WHERE o.id = NEW.id OR o.hash = NEW.hash)"
)

SQLITE = {
    "audit_entry_no_update": (
        f"CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON {TABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    ),
    "audit_entry_no_delete": (
        f"CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON {TABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    ),
    "audit_entry_in_order": (
        f"CREATE TRIGGER audit_entry_in_order BEFORE INSERT ON {TABLE} "
        f"WHEN {_OFF_CHAIN} BEGIN SELECT RAISE(ABORT, '{_BROKEN}'); END"
    ),
}

_BODIES = {
    "audit_entry_refuse": (
        f" BEGIN RAISE EXCEPTION '{_REFUSAL}' "
        "USING ERRCODE = 'integrity_constraint_violation'; END "
    ),
    "audit_entry_follow": (
        f" BEGIN IF {_OFF_CHAIN} THEN RAISE EXCEPTION '{_BROKEN}' "
        "USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END "
    ),
}
# Name -> (event, for each, function).
POSTGRESQL = {
    "audit_entry_no_change": ("UPDATE OR DELETE", "ROW", "audit_entry_refuse"),
    "audit_entry_no_truncate": ("TRUNCATE", "STATEMENT", "audit_entry_refuse"),
    "audit_entry_in_order": ("INSERT", "ROW", "audit_entry_follow"),
}


def install(connection: Any) -> None:
    """Create the triggers anew; harmless when they are there."""
    remove(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for statement in SQLITE.values():
                cursor.execute(statement)
        elif connection.vendor == "postgresql":
            for name, body in _BODIES.items():
                cursor.execute(
                    f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql "
                    f"AS $${body}$$"
                )
            for name, (event, each, function) in POSTGRESQL.items():
                cursor.execute(
                    f"CREATE TRIGGER {name} BEFORE {event} ON {TABLE} "
                    f"FOR EACH {each} EXECUTE FUNCTION {function}()"
                )


def remove(connection: Any) -> None:
    """Drop the triggers, as a migration that rebuilds the table must."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in SQLITE:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        elif connection.vendor == "postgresql":
            for name in POSTGRESQL:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {TABLE}")
            for name in _BODIES:
                cursor.execute(f"DROP FUNCTION IF EXISTS {name}()")


def installed(connection: Any) -> bool:
    """Whether every trigger is in place as it is written here: there, switched on, unaltered."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            return dict(cursor.fetchall()).items() >= SQLITE.items()
        cursor.execute(
            "SELECT t.tgname, f.prosrc FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "JOIN pg_proc f ON f.oid = t.tgfoid WHERE c.relname = %s AND t.tgenabled IN ('O', 'A')",
            [TABLE],
        )
        wanted = {name: _BODIES[function] for name, (_, _, function) in POSTGRESQL.items()}
        return dict(cursor.fetchall()).items() >= wanted.items()
