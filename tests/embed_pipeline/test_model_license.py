"""The license of a model: a short name of a long text, and "" where nobody tells it."""

import json

import pytest

from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.model_license import find_license, short_name
from tests.support.scripted import Reply, ScriptedEndpoint, error

APACHE = """
                                 Apache License
                           Version 2.0, January 2004
                        http://www.apache.org/licenses/

   TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (APACHE, "Apache-2.0"),
        ("MIT License\n\nCopyright (c) 2024\n", "MIT"),
        ("Copyright (c) X\n\nPermission is hereby granted, free\nof charge, to any person", "MIT"),
        ("// SPDX-License-Identifier: BSD-3-Clause\n", "BSD-3-Clause"),
        ("\n\nGemma Terms of Use \n\nLast modified: April 1, 2024\n", "Gemma Terms of Use"),
        ("apache-2.0", "apache-2.0"),
        ("\nEverything  on one line " + "x" * 100, "Everything on one line " + "x" * 57),
        ("", ""),
        (" \n", ""),
    ],
)
def test_a_license_is_named_by_what_it_says_of_itself(text: str, name: str) -> None:
    assert short_name(text) == name


def test_an_endpoint_is_asked_without_the_vocabulary(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/show"] = Reply(200, json.dumps({"license": APACHE}).encode())
    assert asked(endpoint) == "Apache-2.0"
    assert endpoint.exchanges[-1].body == {"model": "all-minilm", "verbose": False}


@pytest.mark.parametrize(
    "reply", [Reply(200, b"{}"), Reply(200, b'{"license":["MIT"]}'), error(500, "down"), None]
)
def test_one_that_does_not_tell_is_asked_once(
    endpoint: ScriptedEndpoint, reply: Reply | None
) -> None:
    if reply is not None:
        endpoint.paths["/api/show"] = reply
    assert asked(endpoint) == ""
    assert len(endpoint.exchanges) == 1


def asked(endpoint: ScriptedEndpoint) -> str:
    with Client(Endpoint(url=endpoint.url, model="all-minilm")) as client:
        return find_license(client)
