"""What keeps ingest's door: how much is at work at once, and whose word about an address is taken."""

import asyncio
from pathlib import Path

from shared.kafka.topics import Topics, create_topics
from tests.support.ingest_service import running
from tests.support.waiting import until

BEGUN = (
    b"POST /f/plain HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 100\r\n\r\nemail="
)


async def test_past_so_many_requests_at_work_a_further_one_is_503_and_health_is_told(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    await create_topics(kafka, Topics(topic_prefix), partitions=1, replication=1)
    async with running(kafka, topic_prefix, tmp_path, ingest_max_in_flight=3) as ingest:

        async def status() -> tuple[int, str | None]:
            answer = await ingest.lead({"email": "ada@example.com"})
            return answer.status_code, answer.headers.get("retry-after")

        async def taken() -> bool:
            return await status() == (202, None)

        async def refused() -> bool:
            return await status() == (503, "1")

        await until(taken)
        unheard_of = 'firsthour_ingest_answers_total{path="/v1/leads",status="503"} 0.0'
        assert unheard_of in (await ingest.http.get("/metrics")).text, (
            "an alert sees only what rises, so it begins at 0"
        )
        slow = []
        for _ in range(3):
            _reader, writer = await asyncio.open_connection(ingest.http.base_url.host, ingest.http.base_url.port)
            writer.write(BEGUN)
            await writer.drain()
            slow.append(writer)
        await until(refused)
        assert (await ingest.http.get("/healthz")).status_code == 200
        assert (await ingest.http.get("/metrics")).status_code == 200
        for writer in slow:
            writer.close()
        await until(taken)


async def test_who_is_no_trusted_proxy_is_counted_whatever_it_forwards(topic_prefix: str, tmp_path: Path) -> None:
    async with running("127.0.0.1:1", topic_prefix, tmp_path) as ingest:
        statuses = []
        for number in range(25):
            forged = {"X-Forwarded-For": f"93.184.216.{number}", "Authorization": "Bearer guess"}
            statuses.append((await ingest.http.post("/v1/leads", json={}, headers=forged)).status_code)
        assert statuses[:20] == [401] * 20
        assert 429 in statuses[20:]
        good = await ingest.http.post("/v1/leads", json={"email": "a@example.com"}, headers=ingest.key("WEBSITE"))
        assert good.status_code == 202, "who guesses behind the same proxy locks out nobody"
