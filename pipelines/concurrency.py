"""How many requests a job can have under way at once at one address, known before it runs.

That is workers x processes of a worker x `batching.in_flight`: the threads of a process share one
embedder. Where each machine has an endpoint of its own, the machine's processes count.
"""

import os
import re
from typing import NamedTuple

from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
    WorkerOptions,
)

from embed_pipeline.endpoint import WORKER, Batching, Endpoint
from embed_pipeline.errors import ConfigError
from embed_pipeline.pipelines.options import LOCAL_RUNNERS, runner_name

_SHARED_CORE = {"f1-micro": 1, "g1-small": 1, "e2-micro": 2, "e2-small": 2, "e2-medium": 2}
_VCPUS = re.compile(r"(?:\w+-)?custom-(\d+)-|\w+-(?:standard|(?:high|mega|ultra|hyper)\w+)-(\d+)\b")
_LOCAL_SPARK = re.compile(r"local(\[.*\])?$")


class Processes(NamedTuple):
    """Hold how many processes send requests.

    Attributes:
        number: So many at most; None where that cannot be known.
        how: How that comes about, or what to set so that it can be known.
    """

    number: int | None
    how: str


ONE = Processes(1, "")


def on_one_machine(options: PipelineOptions) -> Processes:
    """Return how many processes of a worker send requests."""
    name = runner_name(options)
    if name in LOCAL_RUNNERS:
        return _here(options)
    if name == "DataflowRunner":
        return _dataflow_processes(options)
    if _environment(options) == "LOOPBACK":
        return ONE
    parallelism = int(options.view_as(PortableOptions).sdk_worker_parallelism)
    if parallelism < 1:
        return Processes(None, "set beam.sdk_worker_parallelism")
    bundles = options.view_as(FlinkRunnerOptions).parallelism
    if name != "SparkRunner" and 0 < bundles < parallelism:
        return _counted(bundles, "process", "parallelism")
    return _counted(parallelism, "process", "sdk_worker_parallelism") if parallelism > 1 else ONE


def everywhere(options: PipelineOptions) -> Processes:
    """Return how many processes of all workers together send requests."""
    name = runner_name(options)
    each = on_one_machine(options)
    if name in LOCAL_RUNNERS or _environment(options) == "LOOPBACK":
        return each
    if _is_local(options) and not options.view_as(PortableOptions).job_endpoint:
        return each
    bounds = [_times(_workers(options), each)]
    parallelism = options.view_as(FlinkRunnerOptions).parallelism
    if parallelism > 0 and name not in ("DataflowRunner", "SparkRunner"):
        bounds.append(_counted(parallelism, "process", "parallelism"))  # so many bundles at once
    known = [one for one in bounds if one.number is not None]
    return min(known, key=lambda one: one.number or 0) if known else bounds[0]


def told(options: PipelineOptions, endpoint: Endpoint, batching: Batching) -> str:
    """Return the most requests at once at one address, with the arithmetic, fit to be told.

    Returns:
        One line; "" where it is no more than `in_flight`.

    Raises:
        ConfigError: They are more than `batching.max_at_address`, or it cannot be known.
    """
    own = endpoint.url == WORKER
    processes = on_one_machine(options) if own else everywhere(options)
    if processes.number is None:
        raise ConfigError(
            "how many requests can be under way at once at one address is not known: "
            f"{processes.how}"
        )
    number = processes.number * batching.in_flight
    how = " x ".join(filter(None, [processes.how, f"in_flight {batching.in_flight}"]))
    if number > batching.max_at_address:
        many = "fewer processes, " if own else "fewer workers or processes, "
        fewer = f"{many if processes.number > 1 else ''}a lower batching.in_flight"
        raise ConfigError(
            f"{number} requests could be under way at once at one address ({how}), and more than "
            f"{batching.max_at_address} are refused: take {fewer}, or, where the server works on "
            f"so many at once, batching.max_at_address {number}"
        )
    if processes.number == 1:
        return ""
    return f"up to {number} requests at once at {'each' if own else 'one'} address: {how}"


def vcpus(machine_type: str) -> int | None:
    """Return how many vCPUs a machine type of Google Cloud has by its name, None where unknown."""
    if machine_type in _SHARED_CORE:
        return _SHARED_CORE[machine_type]
    found = _VCPUS.match(machine_type)
    return int(found[1] or found[2]) if found else None


def _here(options: PipelineOptions) -> Processes:
    """Return the processes of a runner that works on this machine."""
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "multi_processing" or runner_name(options) == "PrismRunner":
        return ONE
    number = direct.direct_num_workers or os.cpu_count() or 1
    return _counted(number, "process", "direct_num_workers") if number > 1 else ONE


def _dataflow_processes(options: PipelineOptions) -> Processes:
    """Return the processes of a worker: one for each vCPU, or one."""
    if "no_use_multiple_sdk_containers" in (options.view_as(DebugOptions).experiments or []):
        return ONE
    machine = options.view_as(WorkerOptions).machine_type
    number = vcpus(machine.rpartition("/")[2]) if machine else None
    if number is None:
        return Processes(
            None,
            "Dataflow starts a process for each vCPU, whose number "
            + (f"the name {machine} does not tell: " if machine else "nobody has said: ")
            + "set beam.experiments to [no_use_multiple_sdk_containers] for one process a worker, "
            "or beam.machine_type, such as n1-standard-2",
        )
    return _counted(number, "process", f"vCPUs of {machine}")


def _workers(options: PipelineOptions) -> Processes:
    """Return how many workers there will be."""
    asked = options.view_as(WorkerOptions)
    name = runner_name(options)
    if name == "DataflowRunner" and asked.autoscaling_algorithm == "NONE":
        if asked.num_workers:
            return _counted(asked.num_workers, "worker", "num_workers")
        return Processes(None, "set beam.num_workers, as autoscaling_algorithm is NONE")
    if asked.max_num_workers:
        return _counted(asked.max_num_workers, "worker", "max_num_workers")
    if name in ("DataflowRunner", "SparkRunner"):
        return Processes(
            None, f"set beam.max_num_workers, since {name} may start any number of workers"
        )
    return Processes(
        None,
        "set beam.parallelism or beam.max_num_workers, since "
        f"{name} may start any number of workers",
    )


def _times(workers: Processes, each: Processes) -> Processes:
    """Return the processes of all workers."""
    if workers.number is None or each.number is None:
        missing = [one.how for one in (workers, each) if one.number is None]
        return Processes(None, "; and ".join(missing))
    how = " x ".join(one.how for one in (workers, each) if one.how)
    return Processes(workers.number * each.number, how)


def _environment(options: PipelineOptions) -> str:
    """Return where Python runs; Flink and Spark on this machine have it in this process."""
    asked = options.view_as(PortableOptions)
    if not asked.environment_type and _is_local(options) and not asked.output_executable_path:
        return "LOOPBACK"
    return str(asked.environment_type or "DOCKER")


def _is_local(options: PipelineOptions) -> bool:
    """Tell whether a Flink or Spark is started on this machine, as one worker."""
    name = runner_name(options)
    if name == "FlinkRunner":
        return options.view_as(FlinkRunnerOptions).flink_master in ("[local]", "[auto]")
    master = options.view_as(SparkRunnerOptions).spark_master_url
    return name == "SparkRunner" and bool(_LOCAL_SPARK.match(master))


def _counted(number: int, what: str, where: str) -> Processes:
    """Return a number of workers or processes with where it comes from."""
    plural = {"process": "processes", "worker": "workers"}[what]
    return Processes(number, f"{number} {what if number == 1 else plural} ({where})")
