"""Beam's own options: verbatim from the file, flags win, and unknown ones are errors."""

import pytest
from apache_beam.options.pipeline_options import DirectOptions, GoogleCloudOptions, StandardOptions

from embed_pipeline.errors import ConfigError
from embed_pipeline.pipelines.options import beam_options, runner_name


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
