"""Keep a collection of Qdrant as the current snapshot of a store is.

    python docs/recipes/sync_qdrant.py out/store http://localhost:6333 documents

To be run after every refresh. A collection that holds the snapshot before gets the night's changes,
one that holds this one stays as it is. Any other is made anew beside the old one, and when it is
whole an alias moves to it. Qdrant has no transactions: searches see a night's changes come in, and
a sync that dies is begun again by the next one, since the collection's metadata name the snapshot,
and the run that made it, last: a snapshot of another store has the same number. Points have UUIDs
made of the documents' ids; the payload has the id, and no null.
"""

import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow.parquet as pq
from qdrant_client import QdrantClient, models

from embed_pipeline import files
from embed_pipeline.errors import DatasetError
from embed_pipeline.manifest import DataFile, Manifest, read_manifest
from embed_pipeline.output import COLUMNS
from embed_pipeline.store import Store

IDS = uuid.uuid5(uuid.NAMESPACE_DNS, "embed_pipeline")  # as ToChunks(ids="uuid") makes them
MADE_BY = {"made_by": "sync_qdrant.py of embed_pipeline"}
BATCH_ROWS = 500


def sync(client: QdrantClient, path: str, alias: str) -> str:
    """Make what an alias stands for the current snapshot of a store; return what was done.

    Args:
        client: Of Qdrant 1.16 or newer, which keeps metadata of a collection.
        path: The folder of the store.
        alias: What searches name; the collection is called by it and the snapshot it began with.
    """
    store = Store(path)
    number = store.number()
    if number is None:
        raise SystemExit(f"{path} has no snapshot yet")
    folder = store.snapshot(number)
    manifest = read_manifest(folder)
    columns = [f"{name} {kind}" for name, kind in manifest.columns.items()]
    wanted = {**MADE_BY, "snapshot": number, "run_id": manifest.run_id, "columns": columns}
    collection, held = held_state(client, alias)
    if collection and not is_of_sync(held):
        raise SystemExit(
            f"{alias} stands for {collection}, which is not of a sync: use another name"
        )
    if held == wanted:
        return f"snapshot {number} is there already"
    base = manifest.refresh.base if manifest.refresh else None
    if base and held == {**wanted, "snapshot": base, "run_id": run_of(store, base)}:
        for rows in batches(folder, manifest.changes):
            apply_changes(client, collection, rows)
        client.update_collection(collection, metadata=wanted)
        return f"changes from snapshot {base} to {number}"
    made = f"{alias}-{number:06d}"
    if made == collection:  # the store has gone back to the snapshot that began it
        made += "-again"
    fill(client, made, folder, manifest)
    client.update_collection(made, metadata=wanted)
    move(client, alias, collection, made)
    done = f"all of snapshot {number}"
    if held and run_of(store, held["snapshot"]) != held["run_id"]:
        done += f"; snapshot {held['snapshot']} of run {held['run_id']}, which was there, "
        done += "is not in this store"
    return done


def nearest(
    client: QdrantClient, alias: str, query: list[float], count: int = 10
) -> list[tuple[Any, ...]]:
    """Return id, text and cosine of the rows nearest to a query vector, best first."""
    found = client.query_points(alias, query=query, limit=count, with_payload=["id", "text"])
    return [(hit.payload["id"], hit.payload["text"], hit.score) for hit in found.points]


def held_state(client: QdrantClient, alias: str) -> tuple[str, Mapping[str, Any] | None]:
    """Return the collection an alias stands for, or "", and what its metadata say."""
    for one in client.get_aliases().aliases:
        if one.alias_name == alias:
            return one.collection_name, client.get_collection(one.collection_name).config.metadata
    return "", None


def is_of_sync(metadata: Mapping[str, Any] | None) -> bool:
    """Tell by a collection's metadata whether a sync has made it."""
    return metadata is not None and metadata.items() >= MADE_BY.items()


def run_of(store: Store, number: int) -> str | None:
    """Return which run made a snapshot of a store; None where it is not there any more."""
    try:
        return read_manifest(store.snapshot(number)).run_id
    except DatasetError:
        return None


def fill(client: QdrantClient, collection: str, folder: str, manifest: Manifest) -> None:
    """Make a collection of a dataset's rows; one of that name that a sync has left there goes."""
    if client.collection_exists(collection):
        if not is_of_sync(client.get_collection(collection).config.metadata):
            raise SystemExit(f"the collection {collection} is not of a sync: use another name")
        client.delete_collection(collection)
    size = manifest.provenance["dimension"]
    vectors = models.VectorParams(size=size, distance=models.Distance.COSINE)
    client.create_collection(collection, vectors_config=vectors, metadata=MADE_BY)
    for rows in batches(folder, manifest.data):
        client.upsert(collection, points=[point(row) for row in rows])


def move(client: QdrantClient, alias: str, before: str, collection: str) -> None:
    """Let an alias stand for another collection at once, and delete the one before."""
    changes: list[models.AliasOperations] = []
    if before:
        delete = models.DeleteAlias(alias_name=alias)
        changes.append(models.DeleteAliasOperation(delete_alias=delete))
    create = models.CreateAlias(collection_name=collection, alias_name=alias)
    changes.append(models.CreateAliasOperation(create_alias=create))
    client.update_collection_aliases(changes)
    if before:
        client.delete_collection(before)


def apply_changes(client: QdrantClient, collection: str, rows: list[dict[str, Any]]) -> None:
    """Bring changes into a collection."""
    ops = [row.pop("op") for row in rows]
    client.batch_update_points(collection, list(map(operation, ops, rows)))


def point(row: dict[str, Any]) -> models.PointStruct:
    """Return a row as a point."""
    payload = {name: value for name, value in row.items() if value is not None and name != "vector"}
    return models.PointStruct(id=key(row), vector=row["vector"], payload=payload)


def operation(op: str, row: dict[str, Any]) -> models.UpdateOperation:
    """Return what makes a change of the feed; Qdrant deletes what is set to null."""
    if op == "delete":
        return models.DeleteOperation(delete=models.PointIdsList(points=[key(row)]))
    if op == "attributes":
        own = {name: value for name, value in row.items() if name not in COLUMNS}
        relabeled = models.SetPayload(payload=own, points=[key(row)])
        return models.SetPayloadOperation(set_payload=relabeled)
    return models.UpsertOperation(upsert=models.PointsList(points=[point(row)]))


def key(row: Mapping[str, Any]) -> str:
    """Return the id of a row's point."""
    return str(uuid.uuid5(IDS, row["id"]))


def batches(folder: str, listed: Iterable[DataFile]) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of files of a snapshot; pre_buffer would keep a file's bytes to its end."""
    for file in listed:
        with files.open_input(files.join(folder, file.path)) as stream:
            for batch in pq.ParquetFile(stream, pre_buffer=False).iter_batches(BATCH_ROWS):
                yield batch.to_pylist()


if __name__ == "__main__":
    print(sync(QdrantClient(sys.argv[2]), sys.argv[1], sys.argv[3]))
