"""Small results as JSON files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pplr.storage.checks import damaged
from pplr.storage.replacing import replacing


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file, replacing it as a whole."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file that `write_json` wrote."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise damaged(path.name, path, error) from None
    return content
