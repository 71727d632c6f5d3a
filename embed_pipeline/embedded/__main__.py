"""Serve the embedded endpoint as a child process of a job: `python -m embed_pipeline.embedded`."""

import sys

from embed_pipeline.embedded.server import serve_child
from embed_pipeline.errors import EmbedPipelineError

if __name__ == "__main__":
    try:
        serve_child()
    except EmbedPipelineError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
