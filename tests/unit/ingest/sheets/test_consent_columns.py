"""Columns that ask for a consent as boxes of forms do, and products whose words for a no are their own."""

from pathlib import Path

import pytest

from tests.unit.ingest.sheets.test_field_files import imported, sheet

# Product (page) → header, row; all of them are out
OUT = {
    "HubSpot (knowledge.hubspot.com: subscription types)": ("Record ID,Email,Opted out of email: Marketing Information,Opted out of email: Customer Service", "1,ada@example.com,true,false"),
    "Mailchimp (mailchimp.com/help: e-mail marketing status)": ("Email Address,Email Marketing Status", "ada@example.com,Non-Subscribed"),
    "SendGrid (docs.sendgrid.com: export bounces)": ("EMAIL,CREATED,REASON,STATUS", "ada@example.com,2026-01-31,550 mailbox unavailable,5.1.1"),
    "SendGrid (docs.sendgrid.com: unsubscribe groups)": ("email,unsubscribed_groups", "ada@example.com,News"),
    "GetResponse (getresponse.com/help: export removed contacts)": ("email,name,status,removal reason", "ada@example.com,Ada,removed,unsubscribed"),
    "Mailjet (dev.mailjet.com: contact)": ("email,IsUnsubscribed,IsExcludedFromCampaigns", "ada@example.com,false,true"),
    "Eloqua (docs.oracle.com: contact fields)": ("Email Address,Globally Subscribed?", "ada@example.com,No"),
    "Eloqua, bounced": ("Email Address,Bounceback?,Unsubscribed?", "ada@example.com,Yes,No"),
    "Iterable (support.iterable.com: export users)": ("email,unsubscribedChannelIds,emailListIds", "ada@example.com,123,"),
    "rapidmail (rapidmail.de/hilfe: Empfänger exportieren)": ("E-Mail;Status", "ada@example.com;deleted"),
    "Inxmail (help.inxmail.com: Sperrliste)": ("E-Mail;Sperrliste", "ada@example.com;ja"),
    "Sarbacane (sarbacane.com: exporter les NPAI)": ("Email;NPAI", "ada@example.com;Oui"),
    "SugarCRM (support.sugarcrm.com: email addresses)": ("Email Address,Email Opt Out,Invalid Email", "ada@example.com,0,1"),
    "Thinkific (support.thinkific.com: export users)": ("Email,Marketing opt in", "ada@example.com,No"),
    "Kajabi (help.kajabi.com: export people)": ("Email,Marketing Permission", "ada@example.com,No"),
    "PayPal (paypal.com: buyers' opt-in)": ("From Email Address,Marketing opt in", "ada@example.com,No"),
    "in German, wanted": ("E-Mail;Newsletter erwünscht", "ada@example.com;nein"),
    "in German, barred (weclapp and others)": ("E-Mail;Werbesperre", "ada@example.com;J"),
    "in German, allowed": ("E-Mail;Werbung erlaubt", "ada@example.com;nein"),
    "in German, mailings barred": ("E-Mail;Mailingsperre", "ada@example.com;1"),
    "in German, by the law's word": ("E-Mail;Einwilligung Newsletter", "ada@example.com;nein"),
    "in French": ("E-mail;Accepte les e-mails", "ada@example.com;Non"),
    "in French, opt-in": ("E-mail;Optin e-mail", "ada@example.com;N"),
    "in Spanish": ("Correo;Acepta publicidad", "ada@example.com;No"),
    "in Italian": ("Email;Consenso marketing", "ada@example.com;No"),
    "in Dutch": ("E-mail;Toestemming e-mail", "ada@example.com;Nee"),
    "in Portuguese": ("E-mail;Aceita receber e-mails", "ada@example.com;Não"),
    "in Polish": ("E-mail;Zgoda marketingowa", "ada@example.com;Nie"),
    "LinkedIn (linkedin.com/help: lead gen forms)": ("Email Address,Opted In", "ada@example.com,No"),
    "a CRM's leave": ("Email,Can be emailed", "ada@example.com,No"),
    "Drupal's simplenews (drupal.org/docs: simplenews)": ("Email,Subscribed", "ada@example.com,false"),
    "Magento (experienceleague.adobe.com: newsletter subscribers)": ("Email,is_subscribed", "ada@example.com,0"),
    "a permission": ("Email,Email Permission", "ada@example.com,Denied"),
    "Podio and others": ("Email,Email Opt-In Status", "ada@example.com,Opted Out"),
    "a consent tool's state": ("Email,GDPR Consent", "ada@example.com,withdrawn"),
    "HubSpot's basis (knowledge.hubspot.com: lawful basis)": ("Email,Lawful basis", "ada@example.com,Unsubscribed"),
    "a list of those not to write to": ("Email,On suppression list", "ada@example.com,Y"),
    "ZeroBounce and others (zerobounce.net/docs: results)": ("Email,Email Verification Status", "ada@example.com,undeliverable"),
    "a spam report": ("Email,Spam reported,Spam report date", "ada@example.com,Yes,2026-01-31"),
}  # fmt: skip
NEITHER = {
    "counts (knowledge.hubspot.com: contact properties)": (
        "Email,Marketing emails opened,Marketing emails delivered,Newsletter clicks,Emails bounced count", "ada@example.com,0,1,0,0",
    ),
    "other words in a column that may ask": ("Email,Marketing,Newsletter", "ada@example.com,Bob,weekly"),
    "numbers": ("Email,No. de teléfono", "ada@example.com,+34 600 000 000"),
    "a link": ("Email,Unsubscribe link", "ada@example.com,https://example.com/u/1"),
    "a subscription that is paid for": ("Email,Subscription status", "ada@example.com,canceled"),
}  # fmt: skip


@pytest.mark.parametrize("product", OUT)
def test_who_refused_is_out(tmp_path: Path, product: str) -> None:
    header, row = OUT[product]
    lead, *words = (each["data"] for each in imported(sheet(tmp_path, f"{header}\n{row}\n")).events)
    assert (lead["identity"]["email"], lead["consent"]["email"]) == ("ada@example.com", False)
    assert [(each["channel"], each["given"]) for each in words] == [("email", False)]


@pytest.mark.parametrize("what", NEITHER)
def test_what_is_no_answer_says_neither(tmp_path: Path, what: str) -> None:
    header, row = NEITHER[what]
    (lead,) = imported(sheet(tmp_path, f"{header}\n{row}\n")).events
    assert "consent" not in lead["data"]


def test_each_channel_by_itself_and_a_no_before_a_yes(tmp_path: Path) -> None:
    """Do Not Call (help.salesforce.com: Lead fields), SMS consent (help.klaviyo.com: export profiles)."""
    header = "Email,Do Not Call,SMS Marketing Consent,Accepts offers by e-mail,Newsletter"
    found = imported(
        sheet(tmp_path, f"{header}\nada@example.com,1,UNSUBSCRIBED,yes,yes\nbob@example.com,0,SUBSCRIBED,yes,no\n")
    )
    ada, calls, texts, bob = (each["data"] for each in found.events)
    assert [ada["consent"][channel] for channel in ("email", "phone", "sms")] == [True, False, False]
    assert ada["traits"]["Do Not Call"] == "1"
    assert {(each["channel"], each["given"]) for each in (calls, texts)} == {("phone", False), ("sms", False)}
    assert {name: bob["consent"].get(name) for name in ("email", "phone", "sms")} == {
        "email": False,
        "phone": None,
        "sms": True,
    }
