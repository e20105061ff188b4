"""What a network cannot do, and what is said of it."""

from pplr.errors import SettingError


def check_rows(num_rows: int, num_parts: int) -> None:
    """Raise a SettingError where a feature map has fewer rows than parts.

    Parameters
    ----------
    num_rows
        Rows of the feature map.
    num_parts
        P.
    """
    if num_rows < num_parts:
        raise SettingError(
            what="The feature map has fewer rows than there are parts.",
            where="num_parts, height and backbone in params.yaml",
            value=f"{num_parts} parts, {num_rows} rows",
            allowed=f"at most {num_rows} parts",
            next_step="lower `num_parts`, raise `height`, or take a backbone of smaller stride",
        )
