"""Small results as JSON files."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pplr.storage.checks import damaged, missing_file
from pplr.storage.replacing import replacing

_CHECKSUM = "checksum"  # the last key: the CRC-32 of the text of the others


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file with a checksum of its values, replacing it as a whole."""
    with replacing(path) as temporary:
        temporary.write_text(_text({**values, _CHECKSUM: _checksum(values)}))


def read_json(path: Path) -> dict[str, Any]:
    """Return the values of a JSON file that `write_json` wrote.

    Raises
    ------
    MissingInputError
        There is no such file.
    DataError
        It holds something else than was written.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        checksum = content.pop(_CHECKSUM)
    except FileNotFoundError:
        raise missing_file(path) from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise damaged(path.name, path, error) from None
    if checksum != _checksum(content):
        raise damaged(path.name, path, "its values are not what was written")
    return content


def _checksum(values: Mapping[str, Any]) -> int:
    return zlib.crc32(_text(values).encode())


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2) + "\n"
