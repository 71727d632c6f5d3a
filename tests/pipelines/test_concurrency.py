"""How many requests a job can have at one address, by runner, before it runs."""

import os

import pytest

from embed_pipeline.endpoint import Batching, Endpoint
from embed_pipeline.errors import ConfigError
from embed_pipeline.pipelines.concurrency import everywhere, on_one_machine, told, vcpus
from embed_pipeline.pipelines.options import beam_options

DATAFLOW, FLINK, SPARK, PORTABLE = (
    f"--runner={name}Runner" for name in ("Dataflow", "Flink", "Spark", "Portable")
)
ONE_A_WORKER = "--experiments=no_use_multiple_sdk_containers"
CLUSTER = "--flink_master=flink:8081"
EXTERNAL = "--environment_type=EXTERNAL"
TWO_EACH = "--sdk_worker_parallelism=2"
ENDPOINT = Endpoint(url="http://127.0.0.1:1", model="all-minilm")

# Flags, processes of one worker, processes of all of them.
TABLE = [
    # On this machine: threads share their process's embedder.
    ([], 1, 1),
    (["--direct_num_workers=3"], 1, 1),
    (["--direct_running_mode=multi_threading", "--direct_num_workers=3"], 1, 1),
    (["--direct_running_mode=multi_processing", "--direct_num_workers=3"], 3, 3),
    (["--direct_running_mode=multi_processing"], 1, 1),
    (["--direct_running_mode=multi_processing", "--direct_num_workers=0"], -1, -1),  # one a core
    (["--runner=PrismRunner"], 1, 1),
    (["--runner=PrismRunner", EXTERNAL, TWO_EACH], 1, 1),
    # Dataflow: a process a vCPU, unless it is told otherwise.
    ([DATAFLOW, "--max_num_workers=4", ONE_A_WORKER], 1, 4),
    ([DATAFLOW, "--max_num_workers=4", "--machine_type=n1-standard-2"], 2, 8),
    ([DATAFLOW, "--max_num_workers=4", "--machine_type=n1-standard-8", ONE_A_WORKER], 1, 4),
    ([DATAFLOW, "--max_num_workers=4", "--machine_type=n1-standard-1"], 1, 4),
    ([DATAFLOW, "--max_num_workers=4"], None, None),
    ([DATAFLOW, "--max_num_workers=4", "--machine_type=a2-highgpu-1g"], None, None),
    ([DATAFLOW, "--num_workers=4", ONE_A_WORKER], 1, None),
    ([DATAFLOW, "--num_workers=4", "--autoscaling_algorithm=NONE", ONE_A_WORKER], 1, 4),
    ([DATAFLOW, "--autoscaling_algorithm=NONE", ONE_A_WORKER], 1, None),
    ([DATAFLOW, "--max_num_workers=2", "--parallelism=1", ONE_A_WORKER], 1, 2),
    # Flink: so many bundles at once as its parallelism, each in one process.
    ([FLINK], 1, 1),
    ([FLINK, "--flink_master=[local]", "--parallelism=4"], 1, 1),
    ([FLINK, EXTERNAL, TWO_EACH], 2, 2),
    ([FLINK, "--job_endpoint=localhost:8099", EXTERNAL], 1, None),
    ([FLINK, CLUSTER], 1, None),
    ([FLINK, CLUSTER, "--parallelism=8"], 1, 8),
    ([FLINK, CLUSTER, "--parallelism=8", TWO_EACH], 2, 8),
    ([FLINK, CLUSTER, "--max_num_workers=3", TWO_EACH], 2, 6),
    ([FLINK, CLUSTER, "--max_num_workers=3", "--parallelism=16"], 1, 3),
    ([FLINK, CLUSTER, "--parallelism=8", "--environment_type=LOOPBACK"], 1, 1),
    ([FLINK, CLUSTER, "--parallelism=8", "--sdk_worker_parallelism=0"], None, 8),
    ([FLINK, CLUSTER, "--max_num_workers=3", "--sdk_worker_parallelism=0"], None, None),
    # Spark.
    ([SPARK], 1, 1),
    ([SPARK, "--spark_master_url=local", EXTERNAL, TWO_EACH], 2, 2),
    ([SPARK, "--spark_master_url=spark://host:7077"], 1, None),
    ([SPARK, "--spark_master_url=spark://host:7077", "--max_num_workers=4", TWO_EACH], 2, 8),
    # Any job service.
    ([PORTABLE, "--job_endpoint=localhost:8099"], 1, None),
    ([PORTABLE, "--job_endpoint=localhost:8099", "--environment_type=LOOPBACK"], 1, 1),
    ([PORTABLE, "--job_endpoint=localhost:8099", EXTERNAL, "--parallelism=2"], 1, 2),
    ([PORTABLE, "--job_endpoint=localhost:8099", "--max_num_workers=5"], 1, 5),
    (["--runner=my.own.Runner", "--max_num_workers=5"], 1, 5),
]


@pytest.mark.parametrize(("flags", "each", "every"), TABLE, ids=[" ".join(t[0]) for t in TABLE])
def test_processes_are_counted(flags: list[str], each: int | None, every: int | None) -> None:
    options = beam_options({}, flags)
    found = on_one_machine(options).number, everywhere(options).number
    assert found == tuple(os.cpu_count() if one == -1 else one for one in (each, every))


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("n1-standard-1", 1),
        ("n2-highmem-8", 8),
        ("c3-standard-8-lssd", 8),
        ("m1-ultramem-40", 40),
        ("custom-4-16384", 4),
        ("n2-custom-6-2048", 6),
        ("n1-custom-2-4096-ext", 2),
        ("e2-medium", 2),
        ("f1-micro", 1),
        ("a2-highgpu-1g", None),
        ("one-of-my-own", None),
    ],
)
def test_a_machine_type_tells_its_vcpus(name: str, number: int | None) -> None:
    assert vcpus(name) == number


def test_the_arithmetic_is_told() -> None:
    options = beam_options({}, [DATAFLOW, "--max_num_workers=4", "--machine_type=n1-standard-2"])
    assert told(options, ENDPOINT, Batching(in_flight=2)) == (
        "up to 16 requests at once at one address: 4 workers (max_num_workers) x "
        "2 processes (vCPUs of n1-standard-2) x in_flight 2"
    )


@pytest.mark.parametrize("in_flight", [1, 16])
def test_one_process_is_nothing_to_tell(in_flight: int) -> None:
    assert told(beam_options({}, []), ENDPOINT, Batching(in_flight=in_flight)) == ""


def test_with_several_addresses_each_gets_as_many() -> None:
    several = ENDPOINT.model_copy(update={"url": ["http://127.0.0.1:1", "http://127.0.0.1:2"]})
    options = beam_options({}, [FLINK, CLUSTER, "--parallelism=8"])
    assert told(options, several, Batching()).startswith("up to 16 requests at once at one address")


def test_where_each_machine_has_an_endpoint_workers_do_not_count() -> None:
    own = ENDPOINT.model_copy(update={"url": "worker"})
    options = beam_options({}, [DATAFLOW, "--machine_type=n1-standard-4"])
    assert told(options, own, Batching(in_flight=2)) == (
        "up to 8 requests at once at each address: 4 processes (vCPUs of n1-standard-4) "
        "x in_flight 2"
    )


def test_more_than_sixteen_are_refused_with_the_arithmetic_and_the_cures() -> None:
    options = beam_options({}, [DATAFLOW, "--max_num_workers=9", ONE_A_WORKER])
    with pytest.raises(ConfigError) as refused:
        told(options, ENDPOINT, Batching())
    assert str(refused.value) == (
        "18 requests could be under way at once at one address (9 workers (max_num_workers) x "
        "in_flight 2), and more than 16 are refused: take fewer workers or processes, a lower "
        "batching.in_flight, or, where the server works on so many at once, "
        "batching.max_at_address 18"
    )
    assert told(options, ENDPOINT, Batching(max_at_address=18)).startswith("up to 18 requests")


def test_one_process_can_be_too_many() -> None:
    with pytest.raises(ConfigError, match=r"^17 requests .* \(in_flight 17\)"):
        told(beam_options({}, []), ENDPOINT, Batching(in_flight=17))


@pytest.mark.parametrize(
    ("flags", "cure"),
    [
        ([DATAFLOW, ONE_A_WORKER], "set beam.max_num_workers"),
        ([DATAFLOW, ONE_A_WORKER, "--autoscaling_algorithm=NONE"], "set beam.num_workers"),
        ([DATAFLOW, "--max_num_workers=2"], "set beam.experiments to [no_use_multiple_sdk_cont"),
        ([DATAFLOW, "--max_num_workers=2", "--machine_type=a2-highgpu-1g"], "name a2-highgpu-1g"),
        ([DATAFLOW], "of workers; and Dataflow starts a process for each vCPU"),
        ([FLINK, CLUSTER], "set beam.parallelism or beam.max_num_workers"),
        ([SPARK, "--spark_master_url=spark://host:7077"], "set beam.max_num_workers"),
        ([PORTABLE], "set beam.parallelism or beam.max_num_workers"),
        (
            [FLINK, CLUSTER, "--max_num_workers=3", "--sdk_worker_parallelism=0"],
            "set beam.sdk_worker_parallelism",
        ),
    ],
)
def test_what_cannot_be_known_is_refused_with_what_to_set(flags: list[str], cure: str) -> None:
    with pytest.raises(ConfigError, match="at one address is not known") as refused:
        told(beam_options({}, flags), ENDPOINT, Batching(max_at_address=1000))
    assert cure in str(refused.value)
