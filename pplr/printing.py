"""Text of files and of others, for terminals, pictures and pages."""


def printable(text: object) -> str:
    """Return a text without line breaks and what else does not print, each as its escape.

    So no path and no setting moves a terminal's cursor, or colours what comes after it.
    """
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in str(text))


def drawable(text: object) -> str:
    """Return a text for a picture, whose font has ASCII's letters alone: others as their escape."""
    return printable(text).encode("ascii", "backslashreplace").decode()
