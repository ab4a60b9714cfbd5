"""What the database itself refuses once a study is locked, on SQLite and PostgreSQL.

One list of rules is written out in either dialect. A rule forbids one kind of statement on one
table while a condition over the old and new row holds. Views, the ORM, a shell and a database
client all meet the same refusal.

SQLite's ``REPLACE`` (``INSERT OR REPLACE``, ``UPDATE OR REPLACE``) removes the rows in its way
without firing their DELETE triggers unless ``recursive_triggers`` is on, which every client chooses
for itself. Rules of their own therefore refuse what would push a frozen row out. PostgreSQL's
``TRUNCATE`` fires no row trigger and is refused as a statement.

SQLite rebuilds a table when a migration alters it, and drops the table's triggers with it; the
rules are therefore put back after every ``migrate`` (see :mod:`readerstudy.audit.database_rules`).
"""

from __future__ import annotations

from typing import Any

from readerstudy.studies.frozen_rules import KEYS, RULES, Rule


def sqlite(rule: Rule) -> str:
    """The rule as SQLite's ``CREATE TRIGGER``."""
    # IS NOT is null-safe inequality in every SQLite; IS DISTINCT FROM only since 3.39.
    condition = rule.condition.replace("IS DISTINCT FROM", "IS NOT").replace("TRUE", "1")
    return (
        f"CREATE TRIGGER studies_{rule.name} BEFORE {rule.event} ON {rule.table} "
        f"WHEN {condition} BEGIN SELECT RAISE(ABORT, '{rule.refusal}'); END"
    )


def _body(rule: Rule) -> str:
    row = "OLD" if rule.event == "DELETE" else "NEW"
    return (
        f" BEGIN IF {rule.condition} THEN RAISE EXCEPTION '{rule.refusal}' "
        f"USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN {row}; END "
    )


def postgresql(rule: Rule) -> tuple[str, str]:
    """The rule as a PostgreSQL function and its trigger.

    A trigger's WHEN may not hold subqueries, so the condition lies in the function.
    """
    return _function(rule.name, _body(rule)), (
        f"CREATE TRIGGER studies_{rule.name} BEFORE {rule.event} ON {rule.table} "
        f"FOR EACH ROW EXECUTE FUNCTION studies_{rule.name}()"
    )


def _function(name: str, body: str) -> str:
    head = f"CREATE OR REPLACE FUNCTION studies_{name}() RETURNS trigger LANGUAGE plpgsql"
    return f"{head} AS $${body}$$"


_TRUNCATE = "no_truncate"
_TRUNCATE_BODY = (
    " BEGIN IF EXISTS (SELECT 1 FROM studies_study WHERE status <> 'draft') THEN RAISE EXCEPTION "
    "'there are locked studies: their tables cannot be emptied' "
    "USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NULL; END "
)


def _of(vendor: str) -> list[Rule]:
    return [rule for rule in RULES if vendor == "sqlite" or not rule.sqlite_only]


def install(connection: Any) -> None:
    """Create all rules anew; harmless when they are there."""
    remove(connection)
    with connection.cursor() as cursor:
        for rule in _of(connection.vendor):
            if connection.vendor == "sqlite":
                cursor.execute(sqlite(rule))
            elif connection.vendor == "postgresql":
                for statement in postgresql(rule):
                    cursor.execute(statement)
        if connection.vendor == "postgresql":
            cursor.execute(_function(_TRUNCATE, _TRUNCATE_BODY))
            for table in KEYS:
                cursor.execute(
                    f"CREATE TRIGGER studies_{_TRUNCATE} BEFORE TRUNCATE ON {table} "
                    f"FOR EACH STATEMENT EXECUTE FUNCTION studies_{_TRUNCATE}()"
                )


def remove(connection: Any) -> None:
    """Drop all rules, as a migration that rebuilds one of the tables must."""
    with connection.cursor() as cursor:
        for rule in _of(connection.vendor):
            if connection.vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER IF EXISTS studies_{rule.name}")
            elif connection.vendor == "postgresql":
                cursor.execute(f"DROP TRIGGER IF EXISTS studies_{rule.name} ON {rule.table}")
                cursor.execute(f"DROP FUNCTION IF EXISTS studies_{rule.name}()")
        if connection.vendor == "postgresql":
            for table in KEYS:
                cursor.execute(f"DROP TRIGGER IF EXISTS studies_{_TRUNCATE} ON {table}")
            cursor.execute(f"DROP FUNCTION IF EXISTS studies_{_TRUNCATE}()")


def missing(connection: Any) -> list[str]:
    """The rules that are not in place as they are written here: gone, switched off or altered."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            wanted = {f"studies_{rule.name}": sqlite(rule) for rule in _of("sqlite")}
        else:
            cursor.execute(
                "SELECT t.tgname || ' on ' || c.relname, f.prosrc FROM pg_trigger t "
                "JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid "
                "WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')"
            )
            wanted = {f"studies_{r.name} on {r.table}": _body(r) for r in _of("postgresql")}
            wanted |= {f"studies_{_TRUNCATE} on {table}": _TRUNCATE_BODY for table in KEYS}
        found = dict(cursor.fetchall())
    return sorted(name for name, text in wanted.items() if found.get(name) != text)


def installed(connection: Any) -> bool:
    """Whether every rule is in place, unaltered."""
    return not missing(connection)
