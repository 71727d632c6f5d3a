"""A request's `options`: their types, and those the model is loaded with (contract, section 1)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from embed_pipeline.embedded.body import Members
from embed_pipeline.embedded.engine import DEFAULT_NUM_CTX
from embed_pipeline.embedded.faults import ContractError

INTEGERS = frozenset(
    {
        "num_ctx",
        "num_batch",
        "num_gpu",
        "main_gpu",
        "num_thread",
        "num_keep",
        "seed",
        "num_predict",
        "top_k",
        "repeat_last_n",
    }
)
FLOATS = frozenset(
    {
        "top_p",
        "min_p",
        "typical_p",
        "temperature",
        "repeat_penalty",
        "presence_penalty",
        "frequency_penalty",
    }
)


@dataclass(frozen=True)
class Runner:
    """Hold the options a model is loaded with: it is loaded again when one of them changes.

    `num_ctx` and `num_thread` have an effect here. The others have none on a CPU, but a change of
    them reloads as it does elsewhere.
    """

    num_ctx: int = DEFAULT_NUM_CTX
    num_batch: int = 512
    num_gpu: int = -1
    main_gpu: int = 0
    use_mmap: bool | None = None
    num_thread: int = 0


def runner_options(options: Mapping[str, Any]) -> Runner:
    """Return the options to load the model with.

    Sampling options are checked and have no effect; null values and unknown names are ignored.

    Raises:
        ContractError: 500, a value of the wrong type.
    """
    known = {field.name for field in fields(Runner)}
    chosen = {}
    for name, value in options.items():
        if value is not None:
            checked = _checked(name, value)
            if name in known:
                chosen[name] = checked
    return Runner(**chosen)


def _checked(name: str, value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in INTEGERS:
        if not number:
            raise _wrong(name, "of type integer")
        return int(value)
    if name in FLOATS and not number:
        raise _wrong(name, "of type float32")
    if name == "use_mmap" and not isinstance(value, bool):
        raise _wrong(name, "of type boolean")
    if name == "stop":
        if not isinstance(value, list) or isinstance(value, Members):
            raise _wrong(name, "of type array")
        if not all(isinstance(item, str) for item in value):
            raise _wrong(name, "of an array of strings")
    return value


def _wrong(name: str, wanted: str) -> ContractError:
    return ContractError(500, f'option "{name}" must be {wanted}')
