"""Settings of a single step, from flat arguments and groups as they stand in a job file."""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError, create_model

from embed_pipeline import locate
from embed_pipeline.corpus import Corpus
from embed_pipeline.endpoint import AUTO, EMBEDDED
from embed_pipeline.errors import ConfigError
from embed_pipeline.job import Job
from embed_pipeline.output import Output
from embed_pipeline.settings import Settings, explain

Arguments = Mapping[str, Any]
_Model = TypeVar("_Model", bound=BaseModel)


def groups(step: str, given: Mapping[str, Arguments | None], **flat: Any) -> dict[str, Any]:
    """Check groups of a step's settings by what a job file's are checked by.

    Args:
        step: What the step is called, for errors.
        given: The groups by their names in a job file; None where one is not given.
        flat: Settings that stand outside their group, as GROUP__KEY; None where not given.

    Returns:
        Each group's settings, by its name.

    Raises:
        ConfigError: A setting is unknown, wrong, missing, or given twice.
    """
    found: dict[str, Any] = {name: group for name, group in given.items() if group is not None}
    for place, value in flat.items():
        if value is None:
            continue
        name, _, key = place.partition("__")
        group = found.setdefault(name, {})
        if isinstance(group, Mapping):
            if key in group:
                raise ConfigError(f"{step}: {key} and {name}.{key} are the same: give one of them")
            found[name] = {**group, key: value}
    checked = _checked(_model_of(tuple(given)), found, step)
    return {name: getattr(checked, name) for name in given}


def asking(step: str, given: Mapping[str, Arguments | None], **flat: Any) -> dict[str, Any]:
    """Check what the steps that ask an endpoint have in common, as `groups` does.

    Raises:
        ConfigError: Also where the endpoint has no address that a worker can use as it is.
    """
    found = groups(step, given, **flat)
    if found["endpoint"].url in (AUTO, EMBEDDED):
        raise ConfigError(
            f"{step}: url is '{found['endpoint'].url}', which workers cannot resolve: give an "
            "address, such as http://localhost:11434; `embed-pipeline serve` starts one there"
        )
    locate.check_address(found["endpoint"])
    return found


def corpus(step: str, given: Arguments) -> Corpus:
    """Check a corpus' settings, as `groups` does; None stands for the default."""
    return _checked(Corpus, {name: v for name, v in given.items() if v is not None}, step)


def output(step: str, group: Arguments | None, **flat: Any) -> Output:
    """Check an output's settings, as `groups` does."""
    found: Output = groups(step, {"output": group}, **flat)["output"]
    return found


@cache
def _model_of(names: tuple[str, ...]) -> type[BaseModel]:
    """Return a model of some groups of a job file."""
    fields = {name: Job.model_fields[name] for name in names}
    kinds: dict[str, Any] = {name: (field.annotation, field) for name, field in fields.items()}
    return create_model("Step", __base__=Settings, **kinds)


def _checked(model: type[_Model], values: Arguments, step: str) -> _Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise explain(error, model, step) from error
