"""The limit of ingest: an ASGI app that does nothing but one acknowledged send per POST.

FIRSTHOUR_KAFKA=… FIRSTHOUR_TOPIC=… FIRSTHOUR_PORT=… python -m benchmarks.bare_asgi
"""

import os
from typing import Any

import uvicorn
from aiokafka import AIOKafkaProducer


async def main() -> None:
    """Serve until killed."""
    producer = AIOKafkaProducer(bootstrap_servers=os.environ["FIRSTHOUR_KAFKA"], acks="all", linger_ms=0)
    await producer.start()
    topic = os.environ["FIRSTHOUR_TOPIC"]

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        await producer.send_and_wait(topic, body)
        await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    config = uvicorn.Config(
        app, host="127.0.0.1", port=int(os.environ["FIRSTHOUR_PORT"]), loop="uvloop", http="httptools", lifespan="off",
        access_log=False, log_level="warning",
    )  # fmt: skip
    await uvicorn.Server(config).serve()
    await producer.stop()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
