"""Problems of settings, one line each: where, what, and what was probably meant."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from embed_pipeline.endpoint import Auth
from embed_pipeline.errors import ConfigError
from embed_pipeline.settings import Settings, explain, suggestion


class Inner(Settings):
    width: int = 1
    height: int = 1


class Numbers(Settings):
    whole: int = 1
    share: float = 0.5
    bound: Annotated[float, Field(gt=0)] = 1
    perhaps: Annotated[int, Field(ge=1)] | None = None
    duration: int | float | str = 1
    either: bool | int = 1
    flag: bool = False


class Outer(Settings):
    inner: Inner
    other: Inner | None = None
    several: tuple[Inner, ...] = ()
    auth: Auth | None = None
    names: str | list[str] | None = None
    types: dict[str, Literal["int", "bool"]] | list[str] | None = None
    both: Inner | str = ""


def explained(values: dict[str, object]) -> list[str]:
    try:
        Outer.model_validate(values)
    except ValidationError as error:
        found = explain(error, Outer, "job.yaml")
        assert isinstance(found, ConfigError)
        return str(found).splitlines()
    return []


def test_a_near_name_is_suggested() -> None:
    assert suggestion("widht", ["width", "height"]) == "; did you mean 'width'?"


def test_without_a_near_name_all_are_listed() -> None:
    assert suggestion("zzz", ["width", "height"]) == "; known here: height, width"


def test_every_problem_has_a_line_with_file_and_path() -> None:
    found = explained({"inner": {"width": "wide"}, "other": {"height": None}})
    assert [line.partition(": Input")[0] for line in found] == [
        "job.yaml: inner.width",
        "job.yaml: other.height",
    ]


def test_an_unknown_key_at_the_top_is_named_with_the_nearest() -> None:
    assert explained({"inner": {}, "iner": {}}) == [
        "job.yaml: iner: unknown key; did you mean 'inner'?"
    ]


def test_an_unknown_key_in_a_group_is_named_with_the_nearest() -> None:
    assert explained({"inner": {"heigth": 1}}) == [
        "job.yaml: inner.heigth: unknown key; did you mean 'height'?"
    ]


def test_an_unknown_key_in_an_optional_group_is_named_with_the_nearest() -> None:
    assert explained({"inner": {}, "other": {"heigth": 1}}) == [
        "job.yaml: other.heigth: unknown key; did you mean 'height'?"
    ]


def test_an_unknown_key_in_a_list_of_groups_is_named_with_the_nearest() -> None:
    assert explained({"inner": {}, "several": [{}, {"heigth": 1}]}) == [
        "job.yaml: several.1.heigth: unknown key; did you mean 'height'?"
    ]


def test_a_missing_group_is_named() -> None:
    assert explained({}) == ["job.yaml: inner: Field required"]


def test_our_own_messages_stand_as_they_are() -> None:
    assert explained({"inner": {}, "auth": {}}) == [
        "job.yaml: auth: name one of env, file, google_id_token and secret_manager"
    ]


def test_values_are_not_shown() -> None:
    (line,) = explained({"inner": {"width": "secret"}})
    assert "secret" not in line


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"inner": 3}, "inner: must be a group of settings"),
        ({"names": 3}, "names: Input should be a valid string or a list"),
        ({"names": ["a", 3]}, "names.1: Input should be a valid string"),
        ({"types": {"year": "x"}}, "types.year: Input should be 'int' or 'bool'"),
        ({"types": {3: "int"}}, "types.3: a name must be a string; put it in quotes"),
        ({"types": 3}, "types: Input should be a mapping of names to values or a list"),
        (
            {"both": {"heigth": 1}},
            "both.heigth: unknown key; did you mean 'height'?",
        ),
        (
            {"inner": {"": 1}},
            "inner.'': unknown key; known here: height, width",
        ),
    ],
)
def test_only_what_the_user_wrote_is_shown(values: dict[str, object], line: str) -> None:
    assert explained({"inner": {}, **values}) == [f"job.yaml: {line}"]


@pytest.mark.parametrize("name", ["whole", "share", "bound", "perhaps", "duration"])
@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_no_number(name: str, value: bool) -> None:
    with pytest.raises(ValidationError) as caught:
        Numbers.model_validate({name: value})

    told = str(explain(caught.value, Numbers, "job.yaml"))
    assert told == f"job.yaml: {name}: must be a number, not true or false"


@pytest.mark.parametrize("name", ["whole", "share", "bound", "perhaps", "duration"])
@pytest.mark.parametrize("value", [2**53, 10**30, 1e30])
def test_a_huge_number_is_refused_with_the_highest_that_is_taken(name: str, value: float) -> None:
    with pytest.raises(ValidationError) as caught:
        Numbers.model_validate({name: value})
    told = str(explain(caught.value, Numbers, "job.yaml"))
    assert told == f"job.yaml: {name}: must be at most 9007199254740991"


@pytest.mark.parametrize("name", ["either", "flag"])
def test_a_boolean_is_taken_where_one_is_meant(name: str) -> None:
    assert getattr(Numbers.model_validate({name: True}), name) is True


def test_a_number_is_taken_as_it_was() -> None:
    found = Numbers.model_validate({"whole": "3", "share": 1, "duration": "5m"})
    assert (found.whole, found.share, found.duration) == (3, 1.0, "5m")
