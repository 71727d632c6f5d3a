"""Pipelines in Beam YAML: built here, or run as their users run them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.yaml import yaml_transform

CONFIGS = Path(__file__).parents[2] / "configs"
PROVIDERS = CONFIGS / "providers.yaml"


def pipeline_of(transforms: str, kind: str = "chain") -> str:
    """Return a pipeline's YAML; `transforms` is a list of flow mappings, a line each."""
    steps = "\n".join(f"    {line.strip()}" for line in transforms.strip().splitlines())
    return (
        f"pipeline:\n  type: {kind}\n  transforms:\n{steps}\nproviders:\n  - include: {PROVIDERS}\n"
    )


def build(transforms: str, kind: str = "chain") -> beam.Pipeline:
    """Build a pipeline, as Beam YAML does."""
    pipeline = beam.Pipeline("FnApiRunner")
    yaml_transform.expand_pipeline(pipeline, pipeline_of(transforms, kind))
    return pipeline


def run(transforms: str, kind: str = "chain") -> None:
    """Build a pipeline and run it in this process."""
    build(transforms, kind).run().wait_until_finish()


def run_file(path: Path, **variables: Any) -> "subprocess.CompletedProcess[str]":
    """Run a pipeline's file in a process of its own."""
    command = [sys.executable, "-m", "apache_beam.yaml.main", f"--yaml_pipeline_file={path}"]
    command += ["--runner=FnApiRunner", f"--jinja_variables={json.dumps(variables)}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
