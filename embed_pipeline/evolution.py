"""How the schema of a store's attributes changes from one night to the next."""

from embed_pipeline.attributes import AttributeTypes, contradict, merge
from embed_pipeline.corpus import Corpus
from embed_pipeline.errors import RefusedError
from embed_pipeline.scan import Scan


def evolved(
    known: AttributeTypes, scan: Scan, corpus: Corpus
) -> tuple[AttributeTypes, tuple[str, ...]]:
    """Return the attributes' types now, and what has changed, in words.

    Attributes keep their order and their place; new ones come behind them. One that was not found
    is dropped only where that is sure: where it is not asked for any more, or every row of the
    corpus was looked at. One that is always null keeps its type. Integers that become floats are
    widened, and floats stay floats where there are only integers.

    Args:
        known: The types in the current snapshot.
        scan: What was found in the corpus.
        corpus: Its settings.

    Raises:
        RefusedError: An attribute has become something its column has no room for.
    """
    types: AttributeTypes = {}
    notes = []
    for name, before in known.items():
        after = before if _stays(name, scan, corpus) else scan.types.get(name)
        if after is None:
            notes.append(f"the attribute {name!r} is gone")
            continue
        if contradict(before, after):
            raise RefusedError(
                f"the attribute {name!r} is {before} in the current snapshot, but {after} in the "
                f"corpus: correct the corpus, leave the attribute out (corpus.attributes: "
                f"[-{name}]), or embed into another store"
            )
        types[name] = merge(before, after)
        if types[name] != before:
            notes.append(f"the attribute {name!r} was {before}, is {types[name]}")
    for name, kind in scan.types.items():
        if name not in known:
            types[name] = kind
            notes.append(f"the attribute {name!r} ({kind}) is new")
    return types, tuple(notes)


def _stays(name: str, scan: Scan, corpus: Corpus) -> bool:
    """Tell whether nothing is known of an attribute now that would change its type."""
    if name in scan.types:
        return name in scan.nulls
    if scan.exact or corpus.types is not None:
        return False
    skipped = corpus.skipped
    return name in (corpus.attributes or ()) if skipped is None else name not in skipped
