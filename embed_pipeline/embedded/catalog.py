"""What the endpoint says about itself and its one model (contract, section 9)."""

from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from embed_pipeline import __version__
from embed_pipeline.embedded.body import Fields, parse_fields
from embed_pipeline.embedded.engine import DEFAULT_NUM_CTX, Context, TextTokenizer
from embed_pipeline.embedded.faults import ContractError
from embed_pipeline.embedded.model import Model
from embed_pipeline.embedded.names import MODEL, TAGS, ModelName, parse_name
from embed_pipeline.embedded.recipe import CONTEXT, DIGEST, DIMENSION, HEADS, LAYERS, PARAMETERS
from embed_pipeline.embedded.residency import Resident

# 0.30 is the first version of the contract with a tokenizer like ours. What follows tells a client
# that compares vectors over time which engine computed them.
VERSION = f"0.30.0-embedded.{__version__}"
DETAILS: dict[str, Any] = {
    "parent_model": "",
    "format": "onnx",
    "family": "bert",
    "families": ["bert"],
    "parameter_size": "22.57M",
    "quantization_level": "F16",
}
LICENSE = "Apache-2.0"  # sentence-transformers/all-MiniLM-L6-v2's
SHOW: Fields = {"model": "string", "name": "string", "verbose": "bool"}
PULL: Fields = {"model": "string", "name": "string", "stream": "bool"}


class Catalog:
    """Describe the model.

    Args:
        model: Its files; read once, for their sizes and date.
        tokenizer: Its tokenizer.
    """

    def __init__(self, model: Model, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        files = [path.stat() for path in (model.graph, model.weights.tokenizer)]
        self._size = sum(file.st_size for file in files)
        self._modified_at = rfc3339(datetime.fromtimestamp(files[0].st_mtime, UTC))

    def tags(self) -> dict[str, Any]:
        """Answer `/api/tags`: the model under each of its names."""
        details = {**DETAILS, "context_length": CONTEXT, "embedding_length": DIMENSION}
        return {
            "models": [
                {
                    "name": f"{MODEL}:{tag}",
                    "model": f"{MODEL}:{tag}",
                    "modified_at": self._modified_at,
                    "size": self._size,
                    "digest": DIGEST,
                    "details": details,
                    "capabilities": ["embedding"],
                }
                for tag in TAGS
            ]
        }

    def loaded(self, resident: Resident | None) -> dict[str, Any]:
        """Answer `/api/ps`: the loaded model, with its effective context."""
        if resident is None:
            return {"models": []}
        return {
            "models": [
                {
                    "name": resident.name,
                    "model": resident.name,
                    "size": self._size,
                    "digest": DIGEST,
                    "details": DETAILS,
                    "expires_at": rfc3339(resident.expires_at),
                    "size_vram": 0,
                    "context_length": Context(resident.runner.num_ctx).length,
                }
            ]
        }

    def show(self, body: bytes) -> dict[str, Any]:
        """Answer `/api/show`.

        Raises:
            ContractError: 400 for a body or name that is none, 404 for another model.
        """
        fields = parse_fields(body, "api.ShowRequest", SHOW)
        text = fields.get("model") or fields.get("name", "")
        if not text:
            raise ContractError(400, "model is required")
        if not parse_name(text).embedded:
            raise ContractError(404, f"model '{text}' not found")
        return {
            "modelfile": f"FROM {MODEL}\nPARAMETER num_ctx {DEFAULT_NUM_CTX}\n",
            "parameters": f"{'num_ctx':<30} {DEFAULT_NUM_CTX}",
            "template": "{{ .Prompt }}",
            "license": LICENSE,
            "details": DETAILS,
            "model_info": self._model_info(self._vocabulary if fields.get("verbose") else None),
            "capabilities": ["embedding"],
            "modified_at": self._modified_at,
        }

    @cached_property
    def _vocabulary(self) -> list[str]:
        return self._tokenizer.vocabulary()

    def _model_info(self, vocabulary: list[str] | None) -> dict[str, Any]:
        return {
            "general.architecture": "bert",
            "general.basename": "all-MiniLM-L6-v2",
            "general.parameter_count": PARAMETERS,
            "bert.attention.head_count": HEADS,
            "bert.block_count": LAYERS,
            "bert.context_length": CONTEXT,
            "bert.embedding_length": DIMENSION,
            "bert.normalize_embeddings": True,
            "bert.pooling_type": 1,
            "tokenizer.ggml.model": "bert",
            "tokenizer.ggml.cls_token_id": 101,
            "tokenizer.ggml.mask_token_id": 103,
            "tokenizer.ggml.padding_token_id": 0,
            "tokenizer.ggml.seperator_token_id": 102,  # the contract's spelling
            "tokenizer.ggml.tokens": vocabulary,
            "tokenizer.ggml.unknown_token_id": 100,
        }


def pull(body: bytes) -> tuple[list[dict[str, str]], bool]:
    """Answer `/api/pull`: nothing is downloaded, the model is there or it is not.

    Returns:
        The status lines, and whether they are to be streamed.

    Raises:
        ContractError: 400 for a body or name that is none; 500 for another model where no stream
            was asked for.
    """
    fields = parse_fields(body, "api.PullRequest", PULL)
    name: ModelName = parse_name(fields.get("model") or fields.get("name", ""))
    stream = fields.get("stream", True)
    if name.embedded:
        lines = [{"status": "pulling manifest"}, {"status": "success"}]
        return (lines if stream else lines[-1:]), stream
    error = "pull model manifest: file does not exist"
    if not stream:
        raise ContractError(500, error)
    return [{"status": "pulling manifest"}, {"error": error}], stream


def rfc3339(moment: datetime) -> str:
    """Write a UTC moment as RFC 3339, to the microsecond."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
