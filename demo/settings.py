"""Where the demo's sinks listen."""

from typing import Annotated

from pydantic import Field

from shared import ports
from shared.settings import Settings


class DemoSettings(Settings):
    """The webhook receiver, its page, and the mailbox."""

    demo_host: Annotated[
        str,
        Field(description="Where the demo's sinks listen. Other than this machine's own: their page needs the token."),
    ] = "127.0.0.1"
    demo_port: Annotated[int, Field(ge=0, le=65535, description="The demo's webhook receiver and its page.")] = (
        ports.DEMO
    )
    demo_smtp_port: Annotated[int, Field(ge=0, le=65535, description="The demo's mailbox (SMTP).")] = ports.DEMO_SMTP
