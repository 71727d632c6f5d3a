"""Load embed_refresh.py with Airflow's own DagBag and run it with every exit code: `make airflow`.

A command that stands in for `embed-pipeline` on PATH writes down how it was called and exits with
the code it is told; Airflow's `dag.test()` runs the DAG, retries included. Everything lives in one
temporary folder, Airflow's home and database too.
"""

import json
import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="embed-airflow-")  # read by the import below
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"
os.environ["EMBED_FOLDER"] = os.environ["AIRFLOW_HOME"]

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.utils.db import initdb

HOME = Path(os.environ["AIRFLOW_HOME"])
CALLS = HOME / "calls.jsonl"
AWKWARD = """it's "one" $(touch owned) `touch owned`; touch owned #"""
STAND_IN = f"""#!{sys.executable}
import json, os, pathlib, sys
with pathlib.Path({str(CALLS)!r}).open("a") as file:
    file.write(json.dumps({{"arguments": sys.argv[1:], "folder": os.getcwd()}}) + "\\n")
print('{{\\n  "code": ' + os.environ["STAND_IN_CODE"] + "\\n}}", flush=True)
print("a last word on stderr", file=sys.stderr)
sys.exit(int(os.environ["STAND_IN_CODE"]))
"""
# Exit code: (how often the command is started if every try ends so, how the night ends).
EXPECTED = {
    0: (1, "success"),
    1: (4, "failed"),
    2: (1, "failed"),
    3: (1, "failed"),
    4: (1, "failed"),
    5: (4, "failed"),
    126: (1, "failed"),
    127: (1, "failed"),
    130: (4, "failed"),
    137: (4, "failed"),
    143: (4, "failed"),
}


def expect(what: str, found: object, wanted: object) -> None:
    """Say what was found, and end the check where it is not what was wanted."""
    if found != wanted:
        sys.exit(f"{what}: found {found!r}, expected {wanted!r}")
    sys.stdout.write(f"ok  {what}: {found}\n")


def load() -> DAG:
    """Return the DAG as Airflow finds it in its DAG folder."""
    folder = HOME / "dags"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("embed_refresh.py"), folder)
    bag = DagBag(dag_folder=folder)
    expect("import errors", bag.import_errors, {})
    expect("DAGs", list(bag.dags), ["embed_refresh"])
    return bag.dags["embed_refresh"]


def check_settings(dag: DAG) -> None:
    """Hold the DAG to one run at a time, no catching up, and a timeout above the run's own."""
    task = dag.get_task("refresh")
    expect("runs at once", dag.max_active_runs, 1)
    expect("catch up", dag.catchup, False)
    budget = timedelta(hours=int(task.env["EMBED_MAX_RUNTIME"].removesuffix("h")))
    expect("time above --max-runtime", task.execution_timeout > budget, True)


class Night(NamedTuple):
    """Hold what one run of the DAG did."""

    run_id: str
    calls: list[dict[str, Any]]
    states: tuple[str, str]  # of the DAG run, of the task
    summary: object


def run(dag: DAG, code: int, minute: int) -> Night:
    """Run the DAG where the command exits with a code."""
    CALLS.write_text("")
    os.environ["STAND_IN_CODE"] = str(code)
    done = dag.test(logical_date=datetime(2026, 1, 1, 0, minute, tzinfo=UTC))
    (task,) = done.get_task_instances()
    return Night(
        run_id=done.run_id,
        calls=[json.loads(line) for line in CALLS.read_text().splitlines()],
        states=(str(done.state), str(task.state)),
        summary=task.xcom_pull(task_ids="refresh"),
    )


def check_exit_codes(dag: DAG) -> None:
    """Count how often the command is started for each exit code, and look at how the run ends."""
    for minute, (code, (tries, state)) in enumerate(EXPECTED.items()):
        night = run(dag, code, minute)
        expect(f"exit code {code}: tries", len(night.calls), tries)
        expect(f"exit code {code}: DAG run and task", night.states, (state, state))
        expect(f"exit code {code}: XCom", night.summary, {"code": 0} if code == 0 else None)
        expect(
            f"exit code {code}: run ids",
            {call["arguments"][3] for call in night.calls},
            {night.run_id},
        )


def check_arguments(dag: DAG) -> None:
    """Hold the command line to what the DAG says, whatever stands in a run id."""
    night = run(dag, 0, 30)
    wanted = ["refresh", "configs/nightly.yaml", "--run-id", night.run_id]
    wanted += ["--max-runtime", "7h", "--summary", "json"]
    expect("arguments", night.calls[0]["arguments"], wanted)
    expect("folder", night.calls[0]["folder"], str(HOME))
    dag.get_task("refresh").env["EMBED_RUN_ID"] = AWKWARD
    expect("an awkward run id", run(dag, 0, 31).calls[0]["arguments"][3], AWKWARD)
    expect("files it has made", list(HOME.glob("**/owned")), [])


def main() -> None:
    """Check the file in a home of its own, which is deleted at the end."""
    try:
        command = HOME / "bin" / "embed-pipeline"
        command.parent.mkdir()
        command.write_text(STAND_IN)
        command.chmod(0o755)
        os.environ["PATH"] = f"{command.parent}:{os.environ['PATH']}"
        initdb()
        dag = load()
        check_settings(dag)
        dag.get_task("refresh").retry_delay = timedelta(0)  # the one thing that is not as it runs
        check_exit_codes(dag)
        check_arguments(dag)
    finally:
        shutil.rmtree(HOME)


if __name__ == "__main__":
    main()
