"""The layout: layers, packages, and a test file for every module."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "embed_pipeline": "embed_pipeline",
    "embed_pipeline/embedded": "embed_pipeline/embedded",
    "embed_pipeline/page": "embed_pipeline/page",
    "embed_pipeline/transforms": "transforms",
    "embed_pipeline/pipelines": "pipelines",
}
CORE = sorted(
    path
    for room in ("embed_pipeline", "embed_pipeline/embedded", "embed_pipeline/page")
    for path in (ROOT / room).glob("*.py")
)
MODULES = sorted(
    path
    for folder in ROOMS.values()
    for path in (ROOT / folder).glob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)


def imported(path: Path) -> set[str]:
    """Return the roots of everything a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_core_imports_no_beam(path: Path) -> None:
    assert "apache_beam" not in imported(path)


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.name != "transport.py"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_only_the_transport_imports_httpx(path: Path) -> None:
    assert "httpx" not in imported(path)


def test_the_command_line_and_the_package_load_no_beam() -> None:
    code = (
        "import sys, embed_pipeline, embed_pipeline.pipelines.cli; "
        "print([name for name in sys.modules if name.startswith('apache_beam')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_has_its_test_file(path: Path) -> None:
    assert (ROOT / "tests" / path.parent.relative_to(ROOT) / f"test_{path.name}").is_file()


def test_the_wheel_has_one_name_and_every_module(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        f"{room}/{path.name}"
        for room, folder in ROOMS.items()
        for path in (ROOT / folder).glob("*.py")
    }
    assert {name.partition("/")[0] for name in names} == {"embed_pipeline"}
    assert names == expected | {"embed_pipeline/py.typed"}
