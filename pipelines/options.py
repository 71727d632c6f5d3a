"""Beam's own options: the `beam` section of a job file, and the flags behind it, which win."""

import argparse
import importlib
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)
from apache_beam.runners.portability.flink_runner import MAGIC_HOST_NAMES

from embed_pipeline.errors import ConfigError
from embed_pipeline.settings import suggestion

DEFAULT_RUNNER = "FnApiRunner"  # DirectRunner would fetch another runner from the network
LOCAL_RUNNERS = {"FnApiRunner", "DirectRunner", "BundleBasedDirectRunner", "PrismRunner"}
DATAFLOW = "DataflowRunner"
LOOPBACK = "LOOPBACK"  # workers are threads of the launcher, whatever the engine


def beam_options(section: dict[str, Any], flags: Sequence[str]) -> PipelineOptions:
    """Return Beam's options.

    Args:
        section: Keys are Beam's option names, verbatim.
        flags: As on Beam's own command lines, `--name=value`.

    Raises:
        ConfigError: An option or a runner Beam does not know, with the nearest it knows; a wrong
            value.
    """
    parser = _parser()
    known = parser.known()
    every = [flag for name, value in section.items() for flag in _flags(name, value, known)]
    every += flags
    _, unknown = parser.parse_known_args(every)
    if unknown:
        name = unknown[0].lstrip("-").partition("=")[0]
        raise ConfigError(f"Beam has no option {unknown[0]}{_nearest(name, known)}")
    given = {flag.partition("=")[0] for flag in every}
    if "--runner" not in given:
        every.append(f"--runner={DEFAULT_RUNNER}")
        if "--default_sdk_harness_log_level" not in given:
            every.append("--default_sdk_harness_log_level=CRITICAL")  # the launcher tells of errors
    options = PipelineOptions(every)
    _check_runner(str(options.view_as(StandardOptions).runner or DEFAULT_RUNNER))
    return options


def split_known(flags: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the flags that are Beam's, and the others."""
    known = _parser().known()
    ours = [flag for flag in flags if flag.removeprefix("--").partition("=")[0] in known]
    return ours, [flag for flag in flags if flag not in ours]


def known_flags() -> list[str]:
    """Return every flag of Beam's."""
    return [f"--{name}" for name in _parser().known()]


def new_pipeline(options: PipelineOptions) -> beam.Pipeline:
    """Return an empty pipeline with these options.

    Raises:
        ConfigError: The runner's packages are missing, or options do not go together.
    """
    if runner_name(options) == DATAFLOW:
        try:
            importlib.import_module("apache_beam.runners.dataflow.internal.apiclient")
        except ImportError as error:
            raise ConfigError(
                f"beam.runner: {DATAFLOW} needs more packages: "
                f"pip install 'embed_pipeline[gcp]' ({error})"
            ) from error
    try:
        return beam.Pipeline(options=options)
    except ValueError as error:
        wrong = " ".join(line.strip() for line in str(error).splitlines()[1:]) or str(error)
        raise ConfigError(f"Beam's options: {wrong.strip()}") from error


def _check_runner(name: str) -> None:
    """Refuse a runner's name Beam does not know; a qualified one may be anybody's."""
    known = StandardOptions.KNOWN_RUNNER_NAMES
    if "." not in name and _short(name) not in {_short(one) for one in known}:
        raise ConfigError(f"beam.runner: Beam has no runner '{name}'{suggestion(name, known)}")


def runner_name(options: PipelineOptions) -> str:
    """Return the runner's class name, of which Beam takes `flink` and `FlinkRunner` alike."""
    name = str(options.get_all_options().get("runner") or DEFAULT_RUNNER).rpartition(".")[2]
    known = {_short(one): one for one in StandardOptions.KNOWN_RUNNER_NAMES}
    return str(known.get(_short(name), name))


def works_here(options: PipelineOptions) -> bool:
    """Tell whether the work is done on this machine by what the launcher starts."""
    if runner_name(options) in LOCAL_RUNNERS:
        return True
    portable = options.view_as(PortableOptions)
    flink = options.view_as(FlinkRunnerOptions)
    if portable.environment_type:
        return bool(portable.environment_type == LOOPBACK)
    return runner_name(options) == "FlinkRunner" and flink.flink_master in MAGIC_HOST_NAMES


def is_alone(options: PipelineOptions) -> bool:
    """Tell whether no worker process writes its own log on the launcher's standard error."""
    return bool(options.view_as(DirectOptions).direct_running_mode != "multi_processing")


def _short(name: str) -> str:
    return name.lower().removesuffix("runner")


class _Parser(argparse.ArgumentParser):
    """Parse Beam's options, and raise where argparse would exit."""

    def error(self, message: str) -> Any:
        raise ConfigError(f"Beam's options: {message}")

    def known(self) -> dict[str, argparse.Action]:
        """Return each option by its name without dashes."""
        return {
            flag.removeprefix("--"): action
            for action in self._actions
            for flag in action.option_strings
            if flag.startswith("--")
        }


def _parser() -> _Parser:
    parser = _Parser(allow_abbrev=False, add_help=False, conflict_handler="resolve")
    pending = list(PipelineOptions.__subclasses__())
    while pending:
        group = pending.pop()
        group._add_argparse_args(parser)  # noqa: SLF001 (Beam's documented hook)
        pending += group.__subclasses__()
    return parser


def _flags(name: str, value: Any, known: dict[str, argparse.Action]) -> list[str]:
    """Return one option of the section as flags."""
    if name not in known:
        raise ConfigError(f"beam.{name}: Beam has no such option{_nearest(name, known)}")
    switch = known[name].nargs == 0
    if value is True and switch:
        return [f"--{name}"]
    if value is False and switch:
        return [f"--no_{name}"] if f"no_{name}" in known else []
    if isinstance(value, list):
        return [f"--{name}={one}" for one in value]
    return [] if value is None else [f"--{name}={value}"]


def _nearest(name: str, known: dict[str, argparse.Action]) -> str:
    found = suggestion(name, known)
    return found if "did you mean" in found else ""
