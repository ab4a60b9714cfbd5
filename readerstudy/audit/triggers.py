"""The database's own refusal to edit or remove audit entries, on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

TABLE = "audit_entry"
_REFUSAL = "audit entries are append-only: they are never edited and never removed"

SQLITE = {
    "audit_entry_no_update": (
        f"CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON {TABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    ),
    "audit_entry_no_delete": (
        f"CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON {TABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    ),
}

POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION audit_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation';
END $$
"""
POSTGRESQL = {
    "audit_entry_no_change": (
        f"CREATE TRIGGER audit_entry_no_change BEFORE UPDATE OR DELETE ON {TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION audit_entry_refuse()"
    ),
    "audit_entry_no_truncate": (
        f"CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON {TABLE} "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_refuse()"
    ),
}


def install(connection: Any) -> None:
    """Create the triggers anew; harmless when they are there."""
    remove(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for statement in SQLITE.values():
                cursor.execute(statement)
        elif connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL_FUNCTION)
            for statement in POSTGRESQL.values():
                cursor.execute(statement)


def remove(connection: Any) -> None:
    """Drop the triggers, as a migration that rebuilds the table must."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in SQLITE:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        elif connection.vendor == "postgresql":
            for name in POSTGRESQL:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {TABLE}")
            cursor.execute("DROP FUNCTION IF EXISTS audit_entry_refuse()")


def installed(connection: Any) -> bool:
    """Whether every trigger is in place."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            wanted = set(SQLITE)
        else:
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
            )
            wanted = set(POSTGRESQL)
        return wanted <= {row[0] for row in cursor.fetchall()}
