"""What each token sees of people, what it may do, and who did it."""

import json
from typing import Any

from shared import tokens
from shared.clock import utc_now
from tests.support.scoring_service import World, scoring
from tests.unit.scoring.builders import a_lead

SECRETS = ("ada@engines.example", "Lovelace", "+441632960961", "engines.example", "Byron")


def with_token(world: World, scope: tokens.Scope, *, pii: bool = False) -> dict[str, str]:
    text = tokens.create(world.state / tokens.TOKENS_FILE, f"the {scope}", scope, pii=pii, now=utc_now())
    return {"Authorization": f"Bearer {text}"}


async def test_nothing_shown_to_a_token_without_pii_names_or_reaches_a_person(world: World) -> None:
    async with scoring(world) as api:
        traits = {"company": "Babbage", "country": "GB", "maiden_name": "Byron"}
        await world.tell(
            a_lead(email="ada@engines.example", name="Ada Lovelace", phone="+441632960961", user_id="u-1", traits=traits,
                   at=utc_now())
        )  # fmt: skip
        await world.settled()
        (contact,) = (await api.get("/v1/contacts"))["items"]
        masked, sees = with_token(world, "read"), with_token(world, "read", pii=True)
        document = (await api.get("/openapi.json"))["paths"]
        paths = [
            path.format(contact_id=contact["id"], version="x")
            for path, methods in document.items()
            if path.startswith("/v1/") and "get" in methods and path != "/v1/changes"
        ]
        assert {"/v1/queue", "/v1/contacts", f"/v1/contacts/{contact['id']}/events"} <= set(paths)
        shown = 0
        for path in paths:
            hidden = await api.http.get(path, headers=masked)
            seen = await api.http.get(path, headers=sees)
            assert hidden.status_code == seen.status_code
            assert not [word for word in SECRETS if word in hidden.text], path
            shown += any(word in seen.text for word in SECRETS)
        assert shown >= 5, "with pii it is all there"

        async def found(q: str, headers: dict[str, str]) -> list[Any]:
            answer = await api.http.post("/v1/contacts/search", json={"q": q}, headers=headers)
            assert not [word for word in SECRETS if word in answer.text and headers is masked]
            items: list[Any] = answer.json()["items"]
            return items

        for q in ("ada", "lovelace", "44163", "engines", "ada@eng", "babbage lovelace"):
            assert (len(await found(q, sees)), len(await found(q, masked))) == (1, 0), q
        assert len(await found("babb", masked)) == 1
        for query in ({"email": "ada@engines.example"}, {"phone": "+441632960961"}, {"user_id": "a@b", "source": "x"}):
            assert (await api.http.get("/v1/contacts", params=query, headers=masked)).status_code == 403
            assert (await api.http.get("/v1/contacts", params=query, headers=sees)).status_code == 200


async def test_every_write_needs_operate_and_says_who_did_it(world: World) -> None:
    async with scoring(world) as api:
        await world.tell(a_lead(at=utc_now()))
        await world.settled()
        reads, operates = with_token(world, "read"), with_token(world, "operate")
        (contact,) = (await api.get("/v1/contacts"))["items"]
        body = {"who": "ana"}
        for path in ("queue/claim-next", f"contacts/{contact['id']}/claim"):
            assert (await api.http.post(f"/v1/{path}", json=body, headers=reads)).status_code == 403
        by = operates | {"Firsthour-Actor": "Zoe"}
        claim = (await api.http.post("/v1/queue/claim-next", json=body, headers=by)).json()
        assert (await api.http.post("/v1/queue/claim-next", json=body, headers=by)).status_code == 404
        for what, given in (("extend", {}), ("snooze", {"minutes": 5}), ("snooze", {"minutes": 5})):
            answer = await api.http.post(f"/v1/claims/{claim['id']}/{what}", json=given, headers=operates)
            assert answer.status_code == 200
        rows = await world.rows("SELECT actor, token, action, contact_id, subject FROM audit ORDER BY id")
        done = [(row.actor, row.token, row.action) for row in rows]
        assert done == [
            ("Zoe", "the operate", "claimed"),
            ("the operate", "the operate", "claim extended"),
            ("the operate", "the operate", "claim snoozed"),
        ]
        assert {(str(row.contact_id), row.subject) for row in rows} == {(contact["id"], claim["id"])}
        long = operates | {"Firsthour-Actor": "x" * 201}
        assert (await api.http.post(f"/v1/claims/{claim['id']}/release", headers=long)).status_code == 422
        assert json.dumps(rows[0]._asdict(), default=str).count("@") == 0
