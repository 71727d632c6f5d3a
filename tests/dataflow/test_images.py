"""The images' files, as far as no container engine is needed."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy/dataflow/Dockerfile").read_text()
COPIED = re.findall(r"^COPY ([^-].*) (\S+)$", DOCKERFILE, re.MULTILINE)


def test_the_image_has_the_beam_of_the_lock_file() -> None:
    (locked,) = re.findall(
        r"^apache-beam==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )

    assert f"ARG BEAM={locked}\n" in DOCKERFILE


def test_what_is_copied_into_the_image_can_be_installed(tmp_path: Path) -> None:
    for names, target in COPIED:
        for name in names.split():
            place = tmp_path / target.lstrip("/")
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, place, symlinks=True)
            else:
                into = place / Path(name).name if target.endswith("/") else place
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, into)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(tmp_path / "src")]

    subprocess.run(command, check=True, capture_output=True)

    (wheel,) = (tmp_path / "src/dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "embed_pipeline/pipelines/flex_template.py" in archive.namelist()
        assert "embed_pipeline/transforms/embed.py" in archive.namelist()


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_an_image_starts_as_beams_does(name: str) -> None:
    last = (ROOT / "deploy/dataflow" / name).read_text().splitlines()[-1]

    assert last == 'ENTRYPOINT ["/opt/apache/beam/boot"]'
