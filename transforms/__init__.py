"""How documents flow through a Beam pipeline: one step of the flow per module, wiring only."""

from embed_pipeline.transforms import coders as coders  # registers them
