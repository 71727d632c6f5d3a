"""Refresh a store every night: copy this file into Airflow's DAG folder and set what is below.

`embed-pipeline` must be on the worker's PATH; install it into an environment of its own, apart from
Airflow's. What the exit codes mean is told in docs/configuration.md.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowFailException

FOLDER = os.environ.get("EMBED_FOLDER", "/srv/embed")  # relative paths start here, the job's too
JOB = "configs/nightly.yaml"
SCHEDULE = "0 22 * * *"
MAX_HOURS = 7  # of one try

# What another try cannot mend: 2 usage or job file, 3 published but too many failed, 4 refused,
# 126 and 127 (bash's) no such command. Every other code (1, 5, a signal) is tried again.
FINAL = {2, 3, 4, 126, 127}

# BashOperator tells nobody the exit code and gives back only the last line of stdout and stderr
# together, so bash writes code and summary as one last line and itself exits with 0.
COMMAND = r"""
summary=$(embed-pipeline refresh "$EMBED_JOB" --run-id "$EMBED_RUN_ID" \
    --max-runtime "$EMBED_MAX_RUNTIME" --summary json)
code=$?
printf '%s %s\n' "$code" "${summary//$'\n'/ }"
"""


def judge(last_line: str) -> dict[str, Any]:
    """Return the run's summary, or raise what makes Airflow try again or give up.

    Raises:
        AirflowFailException: The exit code is one of FINAL; Airflow does not try again.
        AirflowException: It is any other than 0; Airflow tries again, up to `retries`.
    """
    code, _, summary = last_line.partition(" ")
    if int(code) in FINAL:
        raise AirflowFailException(f"embed-pipeline exited with {code}: not to be tried again")
    if int(code):
        raise AirflowException(f"embed-pipeline exited with {code}: what it has done is kept")
    return json.loads(summary)


with DAG(
    "embed_refresh",
    schedule=SCHEDULE,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
) as dag:
    BashOperator(
        task_id="refresh",
        bash_command=COMMAND,
        # Values reach the command as variables: none is ever read as shell code.
        env={
            "EMBED_JOB": JOB,
            "EMBED_RUN_ID": "{{ run_id }}",
            "EMBED_MAX_RUNTIME": f"{MAX_HOURS}h",
        },
        append_env=True,
        cwd=FOLDER,
        output_processor=judge,
        skip_on_exit_code=None,
        retries=3,
        # Longer than a try that was killed takes to end its requests and give up the store's lock.
        retry_delay=timedelta(minutes=15),
        # For what follows the last text: the commit. A try that is over its time is tried again.
        execution_timeout=timedelta(hours=MAX_HOURS + 1),
    )
