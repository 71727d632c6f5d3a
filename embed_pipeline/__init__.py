"""Turn a corpus into a Parquet dataset of embedding vectors."""

__version__ = "0.1.0"
