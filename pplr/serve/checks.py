"""What is said where a run cannot be served."""

import importlib.util
from pathlib import Path

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


def cannot_listen(host: str, port: int, error: Exception | str) -> DataError:
    """Return the error for an address that the system does not give."""
    return DataError(
        what="This address cannot be listened on.",
        where="--host, --port",
        value=f"{host}, port {port}: {getattr(error, 'strerror', None) or error}",
        allowed="an address of this machine, and a port that no other program has",
        next_step="end the other program, or name another port; --port 0 takes any that is free",
    )


def other_gallery(path: Path, *, found: int, images: int) -> DataError:
    """Return the error for a ranking of a gallery that was larger than the one of now."""
    return DataError(
        what="The ranking is of another gallery.",
        where=str(path),
        value=f"gallery image {found}",
        allowed=f"images 0 to {images - 1}",
        next_step="run `dvc repro`, which ranks the gallery anew",
    )


def unexpected(error: Exception) -> DataError:
    """Return the error for what no check has foreseen."""
    return DataError(
        what="This page fails in a way that was not foreseen.",
        where="pplr serve",
        value=f"{type(error).__name__}: {error}",
        allowed="a run as the stages write it",
        next_step="`pplr verify` finds what is damaged; else report what the terminal shows",
    )
