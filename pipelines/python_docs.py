"""Write a real corpus to try things on: the documentation of Python's own standard library.

    python -m embed_pipeline.pipelines.python_docs out/python-docs.jsonl

It is read from the running interpreter: modules, classes, functions and methods, each one document
with id, text, module and kind. Modules that do something when they are imported are left out.
"""

import importlib
import inspect
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import orjson

LIMIT = 2_400
LEFT_OUT = {"antigravity", "idlelib", "lib2to3", "test", "this", "turtledemo"}  # they do something
LEFT_OUT |= {"nt", "posix", "tkinter", "turtle"}  # other names of os; not everywhere


class Entry(NamedTuple):
    """Hold one documented object."""

    id: str
    text: str
    module: str
    kind: str


def main(argv: Sequence[str] | None = None) -> int:
    """Write the corpus to the path given as the only argument; return the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m embed_pipeline.pipelines.python_docs OUT.jsonl\n")
        return 2
    path = Path(arguments[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    found = entries()
    path.write_bytes(b"".join(orjson.dumps(entry._asdict()) + b"\n" for entry in found))
    sys.stderr.write(f"{len(found):,} documents written to {path}\n")
    return 0


def entries() -> list[Entry]:
    """Return LIMIT entries, those with the longest documentation, ordered by id.

    What is documented in the same words in several places is listed once.
    """
    unique: dict[str, Entry] = {}
    for module in _modules():
        for entry in _documented(module):
            unique.setdefault(entry.text.removeprefix(entry.id), entry)
    longest = sorted(unique.values(), key=lambda entry: (-len(entry.text), entry.id))
    return sorted(longest[:LIMIT], key=lambda entry: entry.id)


def _modules() -> Iterator[ModuleType]:
    """Import the public modules of the standard library, as far as they can be imported here."""
    names = sorted(
        name
        for name in sys.stdlib_module_names
        if not name.startswith("_") and name not in LEFT_OUT
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated modules say so when they are imported
        for name in names:
            module = _imported(name)
            if module is not None:
                yield module


def _imported(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError, AttributeError, SystemExit):
        return None  # not built here, or for another system


def _documented(module: ModuleType) -> Iterator[Entry]:
    """Return what a module documents: itself, its classes with their methods, its functions."""
    name = module.__name__
    yield from _entry(name, module, name, "module")
    own = {key for key, value in vars(module).items() if getattr(value, "__module__", "") == name}
    public = set(getattr(module, "__all__", own))
    for member, value in sorted(vars(module).items()):
        if member not in public:
            continue
        path = f"{name}.{member}"
        if inspect.isclass(value):
            yield from _entry(path, value, name, "class")
            for method, function in sorted(vars(value).items()):
                if not method.startswith("_") and inspect.isroutine(function):
                    yield from _entry(f"{path}.{method}", function, name, "method")
        elif inspect.isroutine(value):
            yield from _entry(path, value, name, "function")


def _entry(path: str, value: Any, module: str, kind: str) -> Iterator[Entry]:
    """Return the entry of one object, if it has documentation of its own."""
    text = getattr(value, "__doc__", None)
    if isinstance(text, str) and text.strip():
        yield Entry(path, f"{path}\n\n{inspect.cleandoc(text)}", module, kind)


if __name__ == "__main__":
    sys.exit(main())
