"""config/sources.yaml: what is commented out there is good once it is not."""

import re
from pathlib import Path

from services.ingest.sources import load_sources

ROOT = Path(__file__).parents[3]
NAMES = ("WEBSITE_KEY", "SHOP_KEY", "APP_KEY", "STRIPE_SIGNING_SECRET", "PARTNER_SECRET")


def test_what_is_commented_out_is_good_when_it_is_not(tmp_path: Path) -> None:
    text = (ROOT / "config" / "sources.yaml").read_text()
    before, mark, more = text.partition("# More ways in")
    source = re.compile(r"^  # (  .*|[a-z]+:)$", re.MULTILINE)
    option = re.compile(r"^    # ([a-z]+: \S.*)$", re.MULTILINE)
    (tmp_path / "sources.yaml").write_text(option.sub(r"    \1", before) + mark + source.sub(r"  \1", more))
    sources = load_sources(tmp_path, environment={name: name for name in NAMES}, state=tmp_path).by_name
    assert set(sources) == {"website", "shop", "app", "contact", "stripe", "partner"}
    assert sources["website"].redirect == "https://example.com/thanks"
    assert sources["app"].lane == "bulk"
    contact, partner = sources["contact"], sources["partner"]
    assert contact.form is not None
    assert (contact.form.title, contact.consent) == ("Talk to us", "Yes, write to me about this.")
    assert partner.hook is not None
    assert partner.limits.source is not None
