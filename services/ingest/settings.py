"""Settings of ingest: `FIRSTHOUR_…`, each documented beside its default."""

from typing import Annotated, ClassVar

from pydantic import Field, IPvAnyNetwork

from shared import ports
from shared.settings import Settings


class IngestSettings(Settings):
    """What ingest needs beyond what every service knows."""

    kafka_login: ClassVar[str] = "ingest"

    ingest_port: Annotated[int, Field(ge=0, le=65535, description="Where ingest listens.")] = ports.INGEST
    ingest_workers: Annotated[
        int, Field(ge=1, le=64, description="Processes that listen there together; more than one only pays with cores.")
    ] = 1
    ingest_kafka_deadline: Annotated[
        float, Field(gt=0, description="Seconds that Kafka has to acknowledge before an event goes to the spool.")
    ] = 2.0
    ingest_max_in_flight: Annotated[
        int, Field(ge=1, description="Requests at work at once; a further one gets 503 before memory grows.")
    ] = 2000
    ingest_max_bytes_in_flight: Annotated[
        int,
        Field(
            ge=65_536,
            description="Bytes of bodies at work at once; four times as many wait for up to 2 s, more get 503.",
        ),
    ] = 6_291_456
    ingest_spool_bytes: Annotated[
        int, Field(ge=0, description="Bytes of events kept on disk while Kafka is away; 0 turns the spool off.")
    ] = 1_073_741_824
    ingest_max_body: Annotated[int, Field(ge=1024, description="Bytes of one event's body.")] = 32_768
    ingest_max_batch: Annotated[int, Field(ge=1024, description="Bytes of a batch's body, unpacked.")] = 512_000
    ingest_trusted_proxies: Annotated[
        tuple[IPvAnyNetwork, ...],
        Field(description='Networks whose X-Forwarded-For and -Proto are believed, as a JSON list: `["10.0.0.0/8"]`.'),
    ] = ()
    ingest_public_url: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^/?#]+(/[^?#]*)?$",
            description="Where the world reaches ingest, such as `https://in.example.com`: HubSpot signs the URL. "
            "Default: as the request says, which is wrong behind a proxy.",
        ),
    ] = None
    ingest_graph_url: Annotated[
        str,
        Field(pattern=r"^https?://[^/?#]+(/[^?#]*)?$", description="Meta's Graph API, with its version."),
    ] = "https://graph.facebook.com/v23.0"
