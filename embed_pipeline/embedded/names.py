"""Model names: host/namespace/model:tag, and which of them mean the embedded model."""

import json
import re
from dataclasses import dataclass

from embed_pipeline.embedded.faults import ContractError

HOST = "registry.ollama.ai"
NAMESPACE = "library"
MODEL = "all-minilm"
TAGS = ("latest", "22m", "l6-v2")

HOST_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
NAMESPACE_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")


@dataclass(frozen=True)
class ModelName:
    """Hold a model's name, in its parts."""

    host: str
    namespace: str
    model: str
    tag: str

    @property
    def embedded(self) -> bool:
        """Tell whether this names the embedded model; letter case does not matter."""
        parts = (self.host, self.namespace, self.model)
        return [part.lower() for part in parts] == [HOST, NAMESPACE, MODEL] and (
            self.tag.lower() in TAGS
        )

    @property
    def installed(self) -> str:
        """Return the name as `/api/tags` lists it, where this is the embedded model."""
        return f"{MODEL}:{self.tag.lower()}"

    @property
    def cloud(self) -> bool:
        """Tell whether this names a model that runs elsewhere."""
        return _is_cloud(self.tag)


def parse_name(text: str) -> ModelName:
    """Take a name apart and fill in the parts that were left out (contract, sections 1 and 6).

    Raises:
        ContractError: 400, it is not a name.
    """
    name = text.strip()
    local = name.endswith(":local")
    name = name.removesuffix(":local")
    *prefix, last = name.split("/")
    model, colon, tag = last.partition(":")
    if local and _is_cloud(tag):
        shown = json.dumps(text, ensure_ascii=False)
        raise ContractError(400, f"use either :local or :cloud, not both: {shown}")
    host, namespace = [*[HOST, NAMESPACE][: max(2 - len(prefix), 0)], *prefix][:2]
    valid = (
        len(prefix) <= 2
        and HOST_PART.fullmatch(host)
        and NAMESPACE_PART.fullmatch(namespace)
        and PART.fullmatch(model)
        and (PART.fullmatch(tag) or not colon)
    )
    if not valid:
        raise ContractError(400, "invalid model name")
    return ModelName(host, namespace, model, tag or "latest")


def request_name(text: str) -> ModelName:
    """Take the name in an embedding request apart; whether there is such a model is not asked.

    Raises:
        ContractError: 404 for an empty name, 400 for an invalid one, 403 for a cloud model.
    """
    if not text:
        raise ContractError(404, "model '' not found")
    name = parse_name(text)
    if name.cloud:
        raise ContractError(403, "ollama cloud is disabled: remote model is unavailable")
    return name


def require_embedded(name: ModelName, text: str) -> str:
    """Return the name as `/api/tags` lists it.

    Args:
        name: The name in its parts.
        text: The name as the client wrote it.

    Raises:
        ContractError: 404, it names another model.
    """
    if not name.embedded:
        shown = json.dumps(text, ensure_ascii=False)
        raise ContractError(404, f"model {shown} not found, try pulling it first")
    return name.installed


def _is_cloud(tag: str) -> bool:
    return tag == "cloud" or tag.endswith("-cloud")
