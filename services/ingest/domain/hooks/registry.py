"""Every service whose webhooks are accepted. A new one is a file in `senders/` and a line here."""

from collections.abc import Mapping
from typing import Final

from services.ingest.domain.hooks import generic
from services.ingest.domain.hooks.hook import Hook
from services.ingest.domain.hooks.mailing import mailchimp, mailgun, postmark, sendgrid, ses
from services.ingest.domain.hooks.senders import (
    calendly,
    google,
    hubspot,
    meta,
    shopify,
    stripe,
    tally,
    typeform,
    woocommerce,
)

SENDERS: Final[Mapping[str, Hook]] = {
    hook.kind: hook
    for hook in (
        calendly.HOOK,
        generic.HOOK,
        google.HOOK,
        hubspot.HOOK,
        mailchimp.HOOK,
        mailgun.HOOK,
        meta.HOOK,
        postmark.HOOK,
        sendgrid.HOOK,
        ses.HOOK,
        shopify.HOOK,
        stripe.HOOK,
        tally.HOOK,
        typeform.HOOK,
        woocommerce.HOOK,
    )
}
