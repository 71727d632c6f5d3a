"""The main file of the Flex Template: what its launcher runs."""

import sys

from embed_pipeline.pipelines.flex_template import main

if __name__ == "__main__":
    sys.exit(main())
