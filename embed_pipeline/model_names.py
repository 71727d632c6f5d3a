"""Names of models, as endpoints and users write them."""


def same_model(listed: object, asked: str) -> bool:
    """Tell whether an endpoint's name for a model is the one asked for.

    The tag defaults to `latest`, the origin to the endpoint's own library; case does not matter.
    """
    return isinstance(listed, str) and _full_name(listed) == _full_name(asked)


def _full_name(name: str) -> str:
    name = name.strip().lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
