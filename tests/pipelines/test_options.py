"""Beam's own options: verbatim from the file, flags win, and unknown ones are errors."""

import importlib.util

import pytest
from apache_beam.options.pipeline_options import DirectOptions, GoogleCloudOptions, StandardOptions

from embed_pipeline.errors import ConfigError
from embed_pipeline.pipelines.options import (
    beam_options,
    is_alone,
    new_pipeline,
    runner_name,
    works_here,
)


def test_the_local_runner_is_pinned() -> None:
    assert runner_name(beam_options({}, [])) == "FnApiRunner"


def test_values_of_the_section_arrive() -> None:
    options = beam_options(
        {"direct_num_workers": 2, "direct_running_mode": "multi_processing", "streaming": True}, []
    )
    assert options.view_as(DirectOptions).direct_num_workers == 2
    assert options.view_as(DirectOptions).direct_running_mode == "multi_processing"
    assert options.view_as(StandardOptions).streaming is True


def test_lists_arrive() -> None:
    options = beam_options({"experiments": ["one", "two"]}, [])
    assert options.get_all_options()["experiments"] == ["one", "two"]


def test_flags_win() -> None:
    options = beam_options({"project": "from-file"}, ["--project=from-flag"])
    assert options.view_as(GoogleCloudOptions).project == "from-flag"


def test_a_flag_chooses_the_runner() -> None:
    assert runner_name(beam_options({}, ["--runner=DataflowRunner"])) == "DataflowRunner"


def test_an_unknown_runner_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no runner 'FlinkRuner'; did you mean 'FlinkRunner'"):
        beam_options({"runner": "FlinkRuner"}, [])


@pytest.mark.parametrize("name", ["flink", "DataflowRunner", "my.own.Runner"])
def test_runners_have_short_and_qualified_names_too(name: str) -> None:
    assert beam_options({"runner": name}, []).get_all_options()["runner"] == name


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"beam.direct_num_worker: .*mean 'direct_num_workers'"):
        beam_options({"direct_num_worker": 2}, [])


def test_an_unknown_flag_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"--direct_num_worker=2; did you mean"):
        beam_options({}, ["--direct_num_worker=2"])


def test_a_wrong_value_is_an_error() -> None:
    with pytest.raises(ConfigError, match="direct_num_workers"):
        beam_options({"direct_num_workers": "many"}, [])


@pytest.mark.parametrize("name", ["prism", "PrismRunner"])
def test_a_runner_has_one_name_here(name: str) -> None:
    assert runner_name(beam_options({"runner": name}, [])) == "PrismRunner"


@pytest.mark.parametrize(
    ("section", "here"),
    [
        ({}, True),
        ({"runner": "prism"}, True),
        ({"runner": "FlinkRunner"}, True),
        ({"runner": "FlinkRunner", "flink_master": "cluster:8081"}, False),
        ({"runner": "FlinkRunner", "environment_type": "EXTERNAL"}, False),
        ({"runner": "PortableRunner"}, False),
        ({"runner": "PortableRunner", "environment_type": "LOOPBACK"}, True),
        ({"runner": "DataflowRunner"}, False),
    ],
)
def test_where_the_work_is_done_is_known(section: dict[str, str], here: bool) -> None:
    assert works_here(beam_options(section, [])) is here


def test_options_that_do_not_go_together_are_an_error_of_ours() -> None:
    flags = ["--environment_type=LOOPBACK", "--environment_config=localhost:1"]
    with pytest.raises(ConfigError, match="environment_config is not compatible"):
        new_pipeline(beam_options({"runner": "PortableRunner"}, flags))


@pytest.mark.skipif(
    importlib.util.find_spec("google.cloud") is not None, reason="Google's packages are installed"
)
def test_dataflow_without_its_packages_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match=r"pip install 'embed_pipeline\[gcp\]'"):
        new_pipeline(beam_options({"runner": "DataflowRunner"}, []))


def test_worker_processes_write_on_the_launcher_s_terminal() -> None:
    assert is_alone(beam_options({}, ()))
    assert is_alone(beam_options({"direct_running_mode": "multi_threading"}, ()))
    assert not is_alone(beam_options({"direct_running_mode": "multi_processing"}, ()))
