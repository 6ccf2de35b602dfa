"""`GET /v1/sources`: what came lately, and why something was not taken; names of fields and never a value."""

from pathlib import Path

import httpx

from tests.support.ingest_service import running


async def test_the_last_refusals_of_a_source_with_their_reason(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    async with running(kafka, topic_prefix, tmp_path) as ingest:
        assert (await ingest.lead({"email": "ada@example.com"})).status_code == 202
        assert (await ingest.lead({"email": "secret-person", "phone": "7"})).status_code == 422
        assert (
            await ingest.http.post("/f/plain", data={"E-Mail": "secret-person", "ada@example.com": "x"})
        ).status_code == 422
        assert (await ingest.lead({"email": "a@example.com"}, Authorization="Bearer nothing")).status_code == 401
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            assert (await ingest.http.get("/v1/sources", headers=headers)).status_code == 401
        token = next(tmp_path.rglob("admin-token")).read_text().strip()
        answer: httpx.Response = await ingest.http.get("/v1/sources", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        assert "secret-person" not in answer.text
        assert "ada@example.com" not in answer.text
        told = {each["source"]: each for each in answer.json()["items"]}
        assert set(told) == {"website", "plain", "shop", "app", "none"}
        website = told["website"]
        assert website["kind"] == "form"
        assert website["last_event"] is not None
        counts = [sum(each[name] for each in website["minutes"]) for name in ("accepted", "refused")]
        assert counts == [1, 1]
        assert [(each["reason"], each["fields"]) for each in website["refusals"]] == [("invalid", ["/email", "/phone"])]
        assert [(each["reason"], each["fields"]) for each in told["plain"]["refusals"]] == [("invalid", ["/E-Mail"])]
        assert [each["reason"] for each in told["none"]["refusals"]] == ["no_key"]
        assert told["shop"] == {
            "source": "shop", "kind": "api", "last_event": None, "accepted_per_minute": 0.0, "refused_per_minute": 0.0,
            "minutes": [], "refusals": [],
        }  # fmt: skip
