"""Documents that are named instead of sent: Apollo's automatic ones and those of manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.graphql.documents import hash_of
from server.graphql.errors import RequestError
from server.graphql.persisted import ManifestError, Persisted, read_manifest
from server.graphql.request import GraphQLRequest
from tests.server.graphql.serving import serving

TEXT = "{ __typename }"
HASH = hash_of(TEXT)
ANSWER = {"data": {"__typename": "Query"}}

MANIFESTS = {
    "codegen": {f"sha256:{HASH}": TEXT},
    "relay": {HASH: TEXT},
    "apollo": {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": HASH, "name": "A", "type": "query", "body": TEXT}],
    },
}


def apq(sha256: str = HASH, version: int = 1, **more: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": version, "sha256Hash": sha256}}, **more}


async def post(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    response = await client.post("/graphql", json=body)
    result: dict[str, Any] = response.json()
    return result


def code_of(answer: dict[str, Any]) -> str:
    code: str = answer["errors"][0]["extensions"]["code"]
    return code


async def test_a_document_is_remembered_once_it_was_sent_with_its_hash(
    shared_database_url: str,
) -> None:
    async with serving(shared_database_url) as client:
        unknown = await post(client, apq())
        assert (unknown["errors"][0]["message"], code_of(unknown)) == (
            "PersistedQueryNotFound",
            "PERSISTED_QUERY_NOT_FOUND",
        )
        assert await post(client, apq(query=TEXT)) == ANSWER
        assert await post(client, apq()) == ANSWER
        extensions = json.dumps(apq()["extensions"])
        by_get = await client.get("/graphql", params={"extensions": extensions})
        assert by_get.json() == ANSWER


async def test_a_document_under_a_false_hash_is_refused_and_not_remembered(
    shared_database_url: str,
) -> None:
    async with serving(shared_database_url) as client:
        assert code_of(await post(client, apq("0" * 64, query=TEXT))) == "BAD_REQUEST"
        assert code_of(await post(client, apq("0" * 64))) == "PERSISTED_QUERY_NOT_FOUND"
        assert code_of(await post(client, apq(version=2))) == "PERSISTED_QUERY_NOT_SUPPORTED"


async def test_an_invalid_document_is_not_remembered(shared_database_url: str) -> None:
    async with serving(shared_database_url) as client:
        invalid = apq(hash_of("{ nope }"))
        assert code_of(await post(client, invalid | {"query": "{ nope }"})) == (
            "GRAPHQL_VALIDATION_FAILED"
        )
        assert code_of(await post(client, invalid)) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize("form", MANIFESTS)
async def test_only_the_documents_of_the_manifest_run(
    shared_database_url: str, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(MANIFESTS[form]))
    async with serving(shared_database_url, trusted_documents=path, only_trusted=True) as client:
        assert await post(client, {"documentId": HASH}) == ANSWER
        assert await post(client, {"documentId": f"sha256:{HASH}"}) == ANSWER
        assert await post(client, apq()) == ANSWER
        assert await post(client, {"query": TEXT}) == ANSWER
        other = "{ thing { name } }"
        for body in ({"query": other}, apq(hash_of(other), query=other)):
            refused = await post(client, body)
            assert code_of(refused) == "FORBIDDEN"
            assert "AIBRIDGE_ONLY_TRUSTED" in refused["errors"][0]["message"]
        assert code_of(await post(client, apq(hash_of(other)))) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "content", ["", "[]", "7", '{"a": 1}', '{"format": "apollo-persisted-query-manifest"}']
)
def test_a_file_of_another_form_is_no_manifest(tmp_path: Path, content: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(content)
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        read_manifest(path)
    with pytest.raises(ManifestError, match="can't be read"):
        read_manifest(tmp_path / "nothing.json")


def test_the_oldest_document_is_forgotten_first() -> None:
    persisted = Persisted(entries=2)

    def request(text: str, *, sent: bool) -> GraphQLRequest:
        return GraphQLRequest(text if sent else None, extensions=apq(hash_of(text))["extensions"])

    for text in ("{a}", "{b}", "{c}"):
        persisted.learn(request(text, sent=True))
    assert persisted.text_of(request("{b}", sent=False)) == "{b}"
    assert persisted.text_of(request("{c}", sent=False)) == "{c}"
    with pytest.raises(RequestError, match="PersistedQueryNotFound"):
        persisted.text_of(request("{a}", sent=False))
