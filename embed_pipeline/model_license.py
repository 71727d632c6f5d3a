"""The license of a model, as its endpoint tells it: a short name instead of pages of text."""

import re

from embed_pipeline.client import Client
from embed_pipeline.errors import EndpointError

LONGEST = 80  # characters of a name
_SPDX = re.compile(r"SPDX-License-Identifier:\s*(\S+)")
# By words in their order, whatever is between them: files differ in spaces and line breaks.
_KNOWN = {
    "Apache-2.0": re.compile(r"\bApache License,?\s+Version 2\.0\b"),
    "MIT": re.compile(r"\bMIT License\b|\bPermission is hereby granted, free of charge, to any\b"),
}


def find_license(client: Client) -> str:
    """Ask an endpoint for the license of its model; "" where it does not say. Asked once only."""
    try:
        told = client.show(attempts=1, verbose=False).get("license")
    except EndpointError:  # whatever is wrong there shows when texts are sent
        return ""
    return short_name(told) if isinstance(told, str) else ""


def short_name(text: str) -> str:
    """Return the name of a license by its text: an SPDX identifier, else the first line of it."""
    tagged = _SPDX.search(text)
    if tagged:
        return tagged[1][:LONGEST]
    beginning = " ".join(text[:2_000].split())
    for name, words in _KNOWN.items():
        if words.search(beginning):
            return name
    first = next((line for line in text.splitlines() if line.strip()), "")
    return " ".join(first.split())[:LONGEST]
