"""What a path or URL means (`test_files` tests what can be done with it)."""

import pytest

from embed_pipeline import locations
from embed_pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/../b?c=d", ("", "/b?c=d", "")),
        ("file:///a b", ("file://", "/a b", "")),
        ("s3://bucket", ("s3://", "bucket", "")),
        ("S3://bucket/a?/b/", ("s3://", "bucket/a?/b", "")),
        ("s3://bucket/a%20b?region=r&a=b", ("s3://", "bucket/a%20b", "?region=r&a=b")),
        ("gs://anonymous@bucket/a@b", ("gs://anonymous@", "bucket/a@b", "")),
    ],
)
def test_parse(path: str, expected: tuple[str, str, str]) -> None:
    assert locations.parse(path) == expected


def test_a_url_of_a_key_keeps_prefix_and_options() -> None:
    place = locations.parse("gs://anonymous@bucket/a?scheme=http")
    assert place.url("bucket/b") == "gs://anonymous@bucket/b?scheme=http"


def test_google_storage_is_connected_to_by_the_same_code() -> None:
    place = locations.parse("gs://anonymous@bucket/a?endpoint_override=127.0.0.1:1&scheme=http")
    assert place.connect().type_name == "gcs"


def test_a_bucket_is_connected_to_once() -> None:
    options = "?region=us-east-1&endpoint_override=http://127.0.0.1:1"
    one, other = (locations.parse(f"s3://bucket/{key}{options}") for key in "ab")
    assert one.connect() is other.connect()


def test_an_option_of_a_wrong_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="s3://bucket"):
        locations.parse("s3://bucket/a?background_writes=perhaps").connect()


def test_only_urls_have_options() -> None:
    assert locations.split_options("s3://b/x?region=r") == ("s3://b/x", "?region=r")
    assert locations.split_options("/b/x?region=r") == ("/b/x?region=r", "")


def test_an_error_that_names_its_path_is_left_alone() -> None:
    original = OSError(5, "in /a/b: broken")
    with pytest.raises(OSError, match="broken") as caught, locations.naming("/a/b"):
        raise original
    assert caught.value is original


def test_an_error_without_its_path_gets_it_and_keeps_number_and_kind() -> None:
    with (
        pytest.raises(FileNotFoundError, match=r"gone: s3://b/x") as caught,
        locations.naming("s3://b/x"),
    ):
        raise FileNotFoundError(2, "gone")
    assert caught.value.errno == 2
