"""Numbers of things, in words."""


def counted(count: int, what: str) -> str:
    """Return a number and what there is of it, such as "1 row" and "1,200 rows"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
