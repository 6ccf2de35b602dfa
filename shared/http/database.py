"""Responses while Postgres is down: 503 with Retry-After."""

import asyncpg
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from shared.db.transient import is_transient
from shared.errors import Transient
from shared.http.problems import install_problems


def install_problems_of_a_database(app: FastAPI) -> None:
    """Like `install_problems`, for an API that reads Postgres."""
    driver = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    errors = (SQLAlchemyError, *driver, OSError, Transient)
    install_problems(app, transient=is_transient, dependency_errors=errors)
