import base64
import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from services.nurture.channels.webhook.signature import parse_secret, signature, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'


def test_the_published_vector() -> None:
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature([parse_secret(SECRET)], ID, 1614265330, BODY) == expected


@given(st.binary(min_size=24, max_size=64), st.binary(min_size=24, max_size=64), st.text())
def test_receivers_with_the_old_or_the_new_secret_accept_it(old: bytes, new: bytes, text: str) -> None:
    now = int(datetime.now().timestamp())  # noqa: DTZ005 - the receiver compares with its own clock
    body = json.dumps({"text": text}).encode()
    headers = signed_headers([new, old], "0195", now, body)
    for key in (old, new):
        receiver = Webhook("whsec_" + base64.b64encode(key).decode())
        assert receiver.verify(body, headers) == {"text": text}


@pytest.mark.parametrize("text", ["whsec_", "whsec_%%%", "whsec_c2hvcnQ=", "whsec_" + "QUJD" * 40])
def test_a_bad_secret_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="a webhook secret") as raised:
        parse_secret(text)
    assert text.removeprefix("whsec_")[:6] not in str(raised.value) or text == "whsec_"
