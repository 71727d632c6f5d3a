"""A request's options: which of them load the model again, and which values are refused."""

from typing import Any

import pytest

from embed_pipeline.embedded.body import Members
from embed_pipeline.embedded.faults import ContractError
from embed_pipeline.embedded.options import Runner, runner_options


def test_without_options_the_defaults_are_in_force() -> None:
    assert runner_options({}) == Runner(
        num_ctx=256, num_batch=512, num_gpu=-1, main_gpu=0, use_mmap=None, num_thread=0
    )


def test_the_options_a_model_is_loaded_with() -> None:
    options = {
        "num_ctx": 512, "num_batch": 64, "num_gpu": 1, "main_gpu": 2, "use_mmap": False,
        "num_thread": 3,
    }  # fmt: skip
    assert runner_options(options) == Runner(
        num_ctx=512, num_batch=64, num_gpu=1, main_gpu=2, use_mmap=False, num_thread=3
    )


@pytest.mark.parametrize(
    ("given", "taken"), [(256.7, 256), (-0.9, 0), (-5, -5), (1e300, int(1e300))]
)
def test_a_number_for_an_integer_loses_its_fraction(given: float, taken: int) -> None:
    assert runner_options({"num_ctx": given}).num_ctx == taken


@pytest.mark.parametrize(
    "options",
    [
        {"num_ctx": None, "use_mmap": None, "temperature": None, "stop": None},
        {"temperature": 1, "top_p": 0.5, "seed": 7, "num_predict": -1, "stop": ["a", "b"]},
        {"unknown": {"num_ctx": "x"}, "NUM_CTX": 5},
        {"stop": []},
    ],
)
def test_null_sampling_and_unknown_options_change_nothing(options: dict[str, Any]) -> None:
    assert runner_options(options) == Runner()


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("num_ctx", "256", "of type integer"),
        ("num_thread", True, "of type integer"),
        ("seed", [], "of type integer"),
        ("top_k", "x", "of type integer"),
        ("temperature", "0", "of type float32"),
        ("top_p", False, "of type float32"),
        ("use_mmap", 1, "of type boolean"),
        ("stop", "a", "of type array"),
        ("stop", Members([("a", "b")]), "of type array"),
        ("stop", ["a", 1], "of an array of strings"),
        ("stop", [None], "of an array of strings"),
    ],
)
def test_a_value_of_the_wrong_type_is_500(name: str, value: object, wanted: str) -> None:
    with pytest.raises(ContractError) as caught:
        runner_options({name: value})
    assert (caught.value.status, caught.value.message) == (
        500,
        f'option "{name}" must be {wanted}',
    )
