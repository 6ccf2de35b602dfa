"""sources.yaml: what is commented out in the one that comes along is good once it is not, and mistakes are named."""

import re
from pathlib import Path

import pytest

from services.ingest.config.sources import load_sources
from shared.errors import ConfigurationError

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


@pytest.mark.parametrize(
    ("language", "button", "thanks"), [("de-AT", "Senden", "Ihre Nachricht ist da"), ("ja", "Send", "We have your")]
)
def test_a_hosted_forms_own_words_are_in_its_language(tmp_path: Path, language: str, button: str, thanks: str) -> None:
    form = f"{{title: x, language: {language}, inputs: [{{name: a, label: A}}]}}"
    (tmp_path / "sources.yaml").write_text(f"sources:\n  site: {{kind: form, form: {form}}}\n")
    found = load_sources(tmp_path, environment={}, state=tmp_path).by_name["site"].form
    assert found is not None
    assert (found.button, found.thanks[: len(thanks)]) == (button, thanks)


NOT_KEYS = "must hold keys, as in `key: value`"
NAMED = "a source's name must be lower-case letters, digits and -: it stands in addresses"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("Shop: {kind: form}", f"Shop.[key]: {NAMED}"),
        ("site", NOT_KEYS),
        ("site: form", f"site: {NOT_KEYS}"),
        ("site: {kind: form, consent: Yes please}", f"site.consent: {NOT_KEYS}"),
        ("site: {kind: form, form: {title: x, inputs: []}}", "site.form.inputs: must be 1 to 50 fields"),
        ("site: {kind: form, form: {title: x, inputs: [{name: a, label: A}, {name: a, label: B}]}}", "site.form.inputs: has a twice"),
        ("site: {kind: form, form: {title: x, inputs: [{name: e mail, label: A}]}}", "site.form.inputs.0.name: must be a letter and then letters, digits, _ or -"),
        ("site: {kind: form, form: {title: x, language: german, inputs: [{name: a, label: A}]}}", "site.form.language: must be a language such as de or de-AT"),
        ("site: {kind: form, form: {title: x, inputs: [{name: a, label: A, type: select}]}}", "site.form.inputs.0: a select needs options, and nothing else has any"),
        ("erp: {kind: api, keys: [env:APP_KEY], redirect: 'https://example.com/'}", "erp.redirect: is only for sources of kind form"),
        ("erp: {kind: api, keys: [env:APP_KEY], fields: {email: mail}}", "erp.fields: is only for forms"),
        ("pay: {kind: stripe, secrets: [env:APP_KEY], keys: [env:SHOP_KEY]}", "pay.keys: opens nothing: webhooks are signed, with what stands in `secrets`"),
        ("quiz: {kind: typeform, secrets: [env:APP_KEY], least_fill_seconds: 1}", "quiz.least_fill_seconds: is only for sources of kind form"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_said_in_plain_words(tmp_path: Path, source: str, problem: str) -> None:
    (tmp_path / "sources.yaml").write_text(f"sources:\n  {source}\n")
    with pytest.raises(ConfigurationError) as error:
        load_sources(tmp_path, environment={name: name for name in NAMES}, state=tmp_path)
    (found,) = error.value.problems
    assert f"{found.key}: {found.problem}".removeprefix("sources.").removeprefix("sources: ") == problem
