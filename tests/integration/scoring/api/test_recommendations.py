"""What is bought together is counted with the batch, follows merges, and is shown with its reason."""

from uuid import UUID

from services.scoring.store.contacts import erase
from shared.events.types import Item
from tests.support.scoring_service import World, scoring
from tests.unit.scoring.builders import a_lead, a_purchase


async def test_the_next_best_thing(world: World) -> None:
    async with scoring(world) as api:
        for n in range(8):
            await world.tell(
                a_purchase(
                    email=f"p{n}@example.com", order_id=f"o{n}", event=f"o{n}",
                    items=[Item(sku="boots"), Item(sku="socks")] if n < 6 else [Item(sku="hat")],
                )
            )  # fmt: skip
        again = a_purchase(email="p0@example.com", order_id="o0", event="again", items=[Item(sku="socks")])
        await world.tell(again, a_lead(email="ada@example.com", interest="hiking"))
        await world.tell(a_purchase(email="ada@example.com", order_id="a", event="a", items=[Item(sku="boots")]))
        await world.settled()
        (ada,) = (await api.get("/v1/contacts", email="ada@example.com"))["items"]
        found = await api.get(f"/v1/contacts/{ada['id']}/recommendations")
        assert [each["item"] for each in found["items"]] == ["socks", "hat"]
        assert found["items"][0]["reason"].startswith("6 of 7 who bought boots bought it too; of all customers 66.7%")
        assert [each["topic"] for each in found["interests"]] == ["boots", "hiking"]

        # Two that were counted apart and are one: counted as one.
        await world.tell(a_lead(email="p0@example.com", user_id="u", event="m1"))
        await world.tell(a_purchase(user_id="u2", order_id="x", event="x", items=[Item(sku="boots"), Item(sku="tent")]))
        await world.tell(a_lead(email="p0@example.com", user_id="u2", event="m2"))
        await world.settled()
        (p0,) = (await api.get("/v1/contacts", email="p0@example.com"))["items"]
        assert [each["item"] for each in (await api.get(f"/v1/contacts/{p0['id']}/recommendations"))["items"]] == [
            "hat"
        ]
        assert (
            await api.http.get("/v1/contacts/0198c0de-0000-7000-8000-000000000000/recommendations")
        ).status_code == 404

    assert await everybodys(world) == 9
    async with world.engine.begin() as conn:
        gone = await erase.all_of(conn, UUID(p0["id"]))
        await erase.erase(conn, gone, [])
    assert await everybodys(world) == 8, "who is erased counts no more"


async def everybodys(world: World) -> int:
    """How many bought anything; what is bought together is a recount of them all."""
    counted = {(row.item, row.other): row.buyers for row in await world.rows("SELECT * FROM bought_together")}
    truth: dict[tuple[str, str], int] = {}
    has: dict[object, set[str]] = {}
    for row in await world.rows("SELECT * FROM bought"):
        has.setdefault(row.contact_id, set()).add(row.item)
    for items in has.values():
        for pair in ((a, b) for a in items for b in items):
            truth[pair] = truth.get(pair, 0) + 1
    assert {pair: buyers for pair, buyers in counted.items() if buyers} == truth
    return truth["", ""]
