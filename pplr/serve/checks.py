"""What is said where a run cannot be served."""

import importlib.util

from pplr.errors import DataError, SettingError

_LIBRARIES = ("starlette", "uvicorn", "jinja2")


def check_extra() -> None:
    """Raise a SettingError unless the libraries of the extra `serve` are there."""
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingError(
            what="The page needs libraries that are not installed.",
            where="pplr serve",
            value=f"no {' and no '.join(missing)}",
            allowed=", ".join(_LIBRARIES),
            next_step="pip install -e '.[serve]'",
        )


def cannot_listen(host: str, port: int, error: OSError) -> DataError:
    """Return the error for an address that the system does not give."""
    return DataError(
        what="This address cannot be listened on.",
        where="--host, --port",
        value=f"{host}, port {port}: {error.strerror or error}",
        allowed="an address of this machine, and a port that no other program has",
        next_step="end the other program, or name another port; --port 0 takes any that is free",
    )
