"""The command `embed-pipeline`, and `python -m embed_pipeline`."""

import sys


def main() -> None:
    """Run the command line; exits with its code."""
    from embed_pipeline.pipelines.cli import invoke  # noqa: PLC0415 (core imports no pipelines)

    sys.exit(invoke(sys.argv[1:]))


if __name__ == "__main__":
    main()
