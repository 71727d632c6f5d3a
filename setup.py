"""Package metadata, and the file Beam stages on workers (`--setup_file ./setup.py`).

PACKAGES is the one truth about the layout: import names on the left, folders on the right. The two
links `embed_pipeline/transforms` and `embed_pipeline/pipelines` only let a bare checkout, mypy and
editors resolve the same names.
"""

import re
from pathlib import Path

from setuptools import setup

PACKAGES = {
    "embed_pipeline": "embed_pipeline",
    "embed_pipeline.embedded": "embed_pipeline/embedded",
    "embed_pipeline.page": "embed_pipeline/page",
    "embed_pipeline.transforms": "transforms",
    "embed_pipeline.pipelines": "pipelines",
}
HERE = Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (HERE / "embed_pipeline/__init__.py").read_text(), re.MULTILINE
)
BEAM_YAML = ["apache-beam[yaml]"]
EMBEDDED = ["onnxruntime>=1.18", "onnx>=1.16", "starlette>=0.40", "uvicorn>=0.30"]

setup(
    name="embed_pipeline",
    version=VERSION[1],
    description="Turn a corpus into a Parquet dataset of embedding vectors, with Apache Beam and a model you host.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=list(PACKAGES),
    package_dir=PACKAGES,
    package_data={"embed_pipeline": ["py.typed"]},
    install_requires=[
        "apache-beam>=2.72,<3",
        "click>=8.4",
        "httpx>=0.27,<1",
        "markupsafe>=2.1",
        "matplotlib>=3.9",
        "numpy>=1.26",
        "orjson>=3.10",
        "pyarrow>=16,<26",
        "pydantic>=2.7,<3",
        "pysimdjson>=6",
        "PyYAML>=6",
        "regex>=2024.4",
        "rich>=13.7",
        "tenacity>=8.3",
        "tokenizers>=0.20",
    ],
    extras_require={
        "embedded": EMBEDDED,
        "gcp": ["apache-beam[gcp]"],
        "yaml": BEAM_YAML,
        "dev": [
            *BEAM_YAML,
            *EMBEDDED,
            "build>=1.2",
            "coverage>=7.5",
            "duckdb>=1.1",
            "google-auth[requests]>=2.45",
            "hypothesis>=6.100",
            "jsonschema>=4.18",
            "moto[server]>=5",
            "mypy>=1.11",
            "ollama>=0.6",
            "pandas>=2.2",
            "polars>=1.5",
            "prometheus-client>=0.20",
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "qdrant-client>=1.9",
            "ruff>=0.6",
            "setuptools>=77",
            "types-PyYAML",
            "types-regex",
        ],
    },
    entry_points={"console_scripts": ["embed-pipeline = embed_pipeline.__main__:main"]},
    classifiers=[
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Typing :: Typed",
    ],
)
