from __future__ import annotations

import asyncio
import json

import pytest

from playground import cards, connections
from playground.types import InferenceError, ModelCard
from tests.clusters.scripted import answers, refuses
from tests.playground.builders import CARD, route
from workspaces.types import Dialect

PHI = ModelCard(name="phi-4", context_tokens=4096)


def asked(*dialects, there):
    async def ask():
        try:
            return [await cards.model_card(there, d) for d in dialects]
        finally:
            await connections.close_all()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("body", "card"),
    [
        (CARD, PHI),
        ({"data": [{"id": "a"}, {"id": "lora", "parent": "a"}]}, ModelCard(name="a")),
        ({"data": [{"id": "a", "max_model_len": "many"}]}, ModelCard(name="a")),
        ({"data": [{"id": "a", "max_model_len": -1}]}, ModelCard(name="a")),
    ],
)
def test_card_is_read(body, card):
    assert cards.read_card(json.dumps(body).encode()) == card


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data": []}', b'{"data": [7]}', b'{"data": [{"id": null}]}']
)
def test_card_that_names_no_model_is_refused(body):
    with pytest.raises(InferenceError) as caught:
        cards.read_card(body)

    assert caught.value.reason == "unreadable"


def test_card_is_asked_for_once_a_pod(server):
    server.script("list", answers(200, CARD))
    there = route(server.cluster())

    assert asked(Dialect.VLLM, Dialect.VLLM, there=there) == [PHI, PHI]
    assert [a.path for a in server.asked] == [
        "/api/v1/namespaces/team-a/services/phi-4:http/proxy/v1/models"
    ]


def test_card_is_asked_for_again_after_a_minute(server, monkeypatch):
    server.script("list", answers(200, CARD))
    monkeypatch.setattr(cards, "KEPT_S", -1.0)

    asked(Dialect.VLLM, Dialect.VLLM, there=route(server.cluster()))

    assert server.count("list") == 2


def test_older_server_is_not_asked(server):
    assert asked(Dialect.CHAT, there=route(server.cluster())) == [ModelCard()]
    assert server.asked == []


def test_card_that_is_refused_is_not_kept(server):
    server.script("list", refuses(503, message="no endpoints available"), answers(200, CARD))
    there = route(server.cluster())

    with pytest.raises(InferenceError) as caught:
        asked(Dialect.VLLM, there=there)

    assert caught.value.reason == "no-endpoints"
    assert asked(Dialect.VLLM, there=there) == [PHI]
