"""Exports by the headers that their vendors document: who it is, when, and who is out or went back on it.

Each case names the vendor's page. A row is one that the export would hold; every one of the first table is out.
"""

from pathlib import Path

import pytest

from services.ingest.domain.sheets.opt_outs import column_named
from tests.unit.ingest.sheets.test_field_files import imported, sheet

# Product (page) → header, row
OUT = {
    "HubSpot (knowledge.hubspot.com: export records)": (
        "Record ID,First Name,Last Name,Email,Phone Number,Create Date,Unsubscribed from all email,Marketing contact status",
        "101,Ada,Lovelace,ada@example.com,+44 1632 960961,2026-01-31 10:00,true,Marketing contact",
    ),
    "HubSpot, bounced": (
        "Record ID,First Name,Last Name,Email,Create Date,Email hard bounce reason,Email address quarantined",
        "102,Ada,Lovelace,ada@example.com,2026-01-31 10:00,Mailbox full,",
    ),
    "Mailchimp, unsubscribed (mailchimp.com/help: export contacts)": (
        "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,TIMEZONE,CC,REGION,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_REASON,LEID,EUID,TAGS",
        "ada@example.com,Ada,Lovelace,2,2025-03-01 08:00:00,2025-03-01 08:01:00,Europe/London,GB,eng,2026-01-31 10:00:00,News,NORMAL,1,x,",
    ),
    "Mailchimp, cleaned": (
        "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,LEID",
        "ada@example.com,Ada,Lovelace,2,2025-03-01 08:00:00,2026-01-31 10:00:00,News,abc,1",
    ),
    "Salesforce (help.salesforce.com: Lead fields, data export)": (
        "Id,LastName,FirstName,Company,Email,LeadSource,HasOptedOutOfEmail,CreatedDate,EmailBouncedReason",
        "00Q1,Lovelace,Ada,Engines,ada@example.com,Web,1,2026-01-31T10:00:00.000Z,",
    ),
    "Pipedrive (support.pipedrive.com: marketing status)": (
        "Person - ID,Person - Name,Person - Email - Work,Person - Person created,Person - Marketing status",
        "1,Ada Lovelace,ada@example.com,2026-01-31 10:00:00,Unsubscribed",
    ),
    "Zoho CRM (help.zoho.com: export data)": (
        "Lead Id,First Name,Last Name,Email,Lead Source,Email Opt Out,Created Time",
        "zcrm_1,Ada,Lovelace,ada@example.com,Web,true,2026-01-31 10:00:00",
    ),
    "Dynamics 365 (learn.microsoft.com: contact entity)": (
        "First Name,Last Name,Email,Do not allow Emails,Do not allow Bulk Emails,Created On",
        "Ada,Lovelace,ada@example.com,Allow,Do Not Allow,31.01.2026 10:00",
    ),
    "Klaviyo (help.klaviyo.com: export profiles)": (
        "Email,Klaviyo ID,First Name,Last Name,Email Marketing Consent,Email Marketing Consent Timestamp,Profile Created On",
        "ada@example.com,01H,Ada,Lovelace,UNSUBSCRIBED,2026-01-31 10:00:00,2025-01-31 10:00:00",
    ),
    "Klaviyo, suppressed": (
        "Email,Klaviyo ID,First Name,Last Name,Email Suppressions,Profile Created On",
        "ada@example.com,01H,Ada,Lovelace,HARD_BOUNCE,2025-01-31 10:00:00",
    ),
    "ActiveCampaign (help.activecampaign.com: export contacts)": (
        "ID,Email,First Name,Last Name,Phone,Date Created,Status",
        "1,ada@example.com,Ada,Lovelace,,2026-01-31 10:00,Unsubscribed",
    ),
    "Brevo (help.brevo.com: export contacts)": (
        "EMAIL,LASTNAME,FIRSTNAME,SMS,BLACKLIST,UNSUBSCRIBED,ADDED_TIME",
        "ada@example.com,Lovelace,Ada,,1,,31-01-2026 10:00:00",
    ),
    "Brevo, blocklisted": (
        "CONTACT ID,EMAIL,FIRSTNAME,LASTNAME,Blocklisted Email,Added time",
        "1,ada@example.com,Ada,Lovelace,Yes,31-01-2026 10:00",
    ),
    "Constant Contact (knowledgebase.constantcontact.com: export contacts)": (
        "Email address,First name,Last name,Email permission status,Email update source,Created At,Opt-out Date",
        "ada@example.com,Ada,Lovelace,Unsubscribed,Contact,2026-01-01 10:00,2026-01-31 10:00",
    ),
    "MailerLite (mailerlite.com/help: export subscribers)": (
        "Subscriber,Status,Subscribed,Unsubscribed,Name,Last name",
        "ada@example.com,Unsubscribed,2025-01-31 10:00:00,2026-01-31 10:00:00,Ada,Lovelace",
    ),
    "Kit (help.kit.com: export subscribers)": (
        "id,first_name,last_name,email_address,state,created_at",
        "1,Ada,Lovelace,ada@example.com,complained,2026-01-31T10:00:00Z",
    ),
    "AWeber (help.aweber.com: export subscribers)": (
        "Email,Name,Status,Subscribe Date,Unsubscribe Date",
        "ada@example.com,Ada Lovelace,unsubscribed,2025-01-31 10:00,2026-01-31 10:00",
    ),
    "Campaign Monitor (help.campaignmonitor.com: export lists)": (
        "Email Address,Name,State,Date Joined", "ada@example.com,Ada Lovelace,Bounced,2026-01-31 10:00",
    ),
    "Intercom (intercom.com/help: export users)": (
        "Name,Email,Unsubscribed from Emails,Marked email as spam,Has hard bounced,Signed up",
        "Ada Lovelace,ada@example.com,false,false,true,2026-01-31 10:00",
    ),
    "Square (squareup.com/help: export customers)": (
        "Reference ID,First Name,Last Name,Email Address,Phone Number,Email Subscription Status,First Visit",
        "1,Ada,Lovelace,ada@example.com,,unsubscribed,2026-01-31 10:00",
    ),
    "Wix (support.wix.com: export contacts)": (
        "First Name,Last Name,Email 1,Phone 1,Email Subscriber Status,Created At (UTC+0)",
        "Ada,Lovelace,ada@example.com,,Unsubscribed,2026-01-31 10:00",
    ),
    "Ghost (github.com/TryGhost/Ghost: members' export)": (
        "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers",
        "1,ada@example.com,Ada Lovelace,,false,false,,2026-01-31T10:00:00.000Z,,,",
    ),
    "Substack (support.substack.com: export subscribers)": (
        "Email,Name,Type,Email disabled,Start date", "ada@example.com,Ada Lovelace,Free,true,2026-01-31 10:00",
    ),
    "Shopify (help.shopify.com: customer CSV)": (
        "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Country Code,Default Address Phone,Phone,Accepts SMS Marketing,Total Spent,Total Orders,Note,Tax Exempt,Tags",
        "'123,Ada,Lovelace,ada@example.com,no,GB,'+441632960961,'+441632960961,no,100.00,2,,no,",
    ),
    "Freshsales (crmsupport.freshworks.com: export contacts)": (
        "First name,Last name,Emails,Subscription status,Do not disturb,Created at",
        "Ada,Lovelace,ada@example.com,Reported as spam,false,2026-01-31 10:00",
    ),
    "CleverReach (support.cleverreach.de: Empfänger exportieren)": (
        "E-Mail;Vorname;Nachname;Registriert;Aktiviert;Deaktiviert",
        "ada@example.com;Ada;Lovelace;2025-01-31 10:00;2025-01-31 10:05;2026-01-31 10:00",
    ),
}  # fmt: skip
IN = {
    "numbers of mails": ("Email,Emails bounced count,Unsubscribe rate", "ada@example.com,3,0.2"),
    "HubSpot": ("Email,Unsubscribed from all email,Create Date", "ada@example.com,false,2026-01-31"),
    "Dynamics": ("Email,Do not allow Emails,Do not allow Bulk Emails", "ada@example.com,Allow,Allow"),
    "Klaviyo": ("Email,Email Marketing Consent,Email Suppressions", "ada@example.com,SUBSCRIBED,[]"),
    "Kit": ("id,first_name,email_address,state", "1,Ada,ada@example.com,active"),
    "an address in Mexico": ("Email;Estado;Ciudad", "ada@example.com;Jalisco;Guadalajara"),
    "in French, and in": ("E-mail;Statut", "ada@example.com;Abonnée"),
    "Marketo, and in": ("Email Address,Unsubscribed,Marketing Suspended", "ada@example.com,false,0"),
    "an address in New York": ("Email,Name,State,Country", "ada@example.com,Ada,NY,US"),
    "CleverReach": ("E-Mail;Registriert;Aktiviert;Deaktiviert", "ada@example.com;2025-01-31;2025-01-31;0"),
    "Intercom": ("Name,Email,Unsubscribed from Emails,Has hard bounced", "Ada,ada@example.com,false,false"),
    "Ghost": ("id,email,name,subscribed_to_emails", "1,ada@example.com,Ada,true"),
}  # fmt: skip
ALSO_OUT = {
    "Marketo (experienceleague.adobe.com: system managed fields)": (
        "Email Address,First Name,Unsubscribed,Marketing Suspended,Black Listed", "ada@example.com,Ada,false,true,false",
    ),
    "Iterable and others, globally": ("Email,Global Unsubscribe", "ada@example.com,Y"),
    "a CRM's DNC": ("Email,DNC", "ada@example.com,x"),
    "a consent tool": ("Email,GDPR Opt Out", "ada@example.com,yes"),
    "in German": ("E-Mail;Status", "ada@example.com;unzustellbar"),
    "in French": ("E-mail;Statut de l'abonné", "ada@example.com;Désinscrite"),
    "in Spanish": ("Correo;Estado de suscripción", "ada@example.com;Dado de baja"),
    "in Italian": ("Email;Stato iscrizione", "ada@example.com;Disiscritta"),
    "in Dutch": ("E-mail;Status inschrijving", "ada@example.com;Uitgeschreven"),
    "in Portuguese": ("E-mail;Situação", "ada@example.com;Descadastrado"),
    "in Polish": ("E-mail;Status subskrypcji", "ada@example.com;wypisana"),
    "when, in German": ("E-Mail;Abgemeldet am", "ada@example.com;31.01.2026"),
    "when, in French": ("E-mail;Date de désinscription", "ada@example.com;31 janvier 2026"),
}  # fmt: skip
# Product (page) → header, row, (order, amount, what went back)
ORDERS = {
    "Squarespace (support.squarespace.com: export orders)": (
        "Order ID,Email,Financial Status,Paid at,Currency,Subtotal,Taxes,Amount Refunded,Total,Created at,Lineitem quantity,Lineitem name",
        "00001,ada@example.com,PAID,2026-01-31 10:00:00 +0000,EUR,90.00,10.00,40.00,100.00,2026-01-31 09:00:00 +0000,1,Lamp",
        ("00001", "100.00", "40.00"),
    ),
    "WooCommerce (woocommerce.com/document: order export)": (
        "Order Number,Order Status,Order Date,Email (Billing),Order Total Amount,Order Refund Amount,Order Currency",
        "7,Completed,2026-01-31 10:00,ada@example.com,100.00,40.00,EUR", ("7", "100.00", "40.00"),
    ),
    "WooCommerce, all went back": (
        "Order Number,Order Status,Order Date,Email (Billing),Order Total Amount,Order Refund Amount,Order Currency",
        "7,Refunded,2026-01-31 10:00,ada@example.com,100.00,100.00,EUR", ("7", "100.00", "100.00"),
    ),
    "Stripe (docs.stripe.com: payments export)": (
        "id,Created date (UTC),Amount,Amount Refunded,Currency,Customer ID,Customer Email,Status,PaymentIntent ID",
        "ch_1,2026-01-31 10:00:00,100.00,40.00,eur,cus_1,ada@example.com,Paid,pi_1", ("pi_1", "100.00", "40.00"),
    ),
    "Stripe, an old charge": (
        "id,Created (UTC),Amount,Amount Refunded,Currency,Customer Email,Status,PaymentIntent ID",
        "ch_1,2026-01-31 10:00:00,100.00,0.00,eur,ada@example.com,Paid,", ("ch_1", "100.00", None),
    ),
    "PayPal (paypal.com: activity download)": (
        "Date,Time,TimeZone,Name,Type,Status,Currency,Gross,Fee,Net,From Email Address,To Email Address,Transaction ID",
        "31/01/2026,10:00:00,CET,Ada,Payment,Completed,EUR,100.00,-3.00,97.00,ada@example.com,me@example.com,T1",
        ("T1", "100.00", None),
    ),
    "Gumroad (gumroad.com/help: sales CSV)": (
        "Purchase ID,Item Name,Buyer Name,Purchase Email,Purchase Date,Sale Price ($),Refunded?,Partial Refund ($)",
        "p1,Book,Ada,ada@example.com,2026-01-31,100.00,0,40.00", ("p1", "100.00", "40.00"),
    ),
    "Gumroad, all went back": (
        "Purchase ID,Item Name,Buyer Name,Purchase Email,Purchase Date,Sale Price ($),Refunded?",
        "p1,Book,Ada,ada@example.com,2026-01-31,100.00,1", ("p1", "100.00", "100.00"),
    ),
    "BigCommerce (support.bigcommerce.com: export orders)": (
        "Order ID,Customer Email,Order Date,Order Status,Order Total (inc tax),Order Currency Code,Refund Amount",
        "100,ada@example.com,2026-01-31,Completed,100.00,EUR,40.00", ("100", "100.00", "40.00"),
    ),
    "Lexoffice and others, in German": (
        "Rechnungsnummer;E-Mail;Rechnungsdatum;Bruttobetrag;Währung;Erstattet", "R1;ada@example.com;31.01.2026;100,00;EUR;40,00",
        ("R1", "100.00", "40.00"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("product", OUT)
def test_who_is_out_is_out(tmp_path: Path, product: str) -> None:
    header, row = OUT[product]
    found = imported(sheet(tmp_path, f"{header}\n{row}\n"))
    lead = found.events[0]["data"]
    assert (lead["identity"]["email"], lead["consent"]["email"], found.refused) == ("ada@example.com", False, [])
    assert lead["name"] == "Ada Lovelace"


@pytest.mark.parametrize("product", ALSO_OUT)
def test_so_is_who_is_out_in_other_words_and_languages(tmp_path: Path, product: str) -> None:
    header, row = ALSO_OUT[product]
    lead = imported(sheet(tmp_path, f"{header}\n{row}\n")).events[0]["data"]
    assert (lead["identity"]["email"], lead["consent"]["email"]) == ("ada@example.com", False)


@pytest.mark.parametrize("product", IN)
def test_who_is_in_is_not_out(tmp_path: Path, product: str) -> None:
    header, row = IN[product]
    (lead,) = imported(sheet(tmp_path, f"{header}\n{row}\n")).events
    assert lead["data"].get("consent", {}).get("email") is not False


@pytest.mark.parametrize("product", ORDERS)
def test_orders_and_what_went_back(tmp_path: Path, product: str) -> None:
    header, row, (order, amount, back) = ORDERS[product]
    found = imported(sheet(tmp_path, f"{header}\n{row}\n"), currency="EUR", dates="dmy")
    bought, *refunds = [each["data"] for each in found.events]
    assert (bought["identity"]["email"], bought["order_id"], bought["amount"]) == ("ada@example.com", order, amount)
    assert [each["amount"] for each in refunds] == ([] if back is None else [back])
    assert {each["time"][:10] for each in found.events} == {"2026-01-31"}


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("27 novembre 2026", "2026-11-27"), ("1er mars 2026", "2026-03-01"), ("27 de noviembre de 2026", "2026-11-27"),
        ("1º de março de 2026", "2026-03-01"), ("27 listopada 2026 r.", "2026-11-27"), ("3 juil. 2026", "2026-07-03"),
        ("27 september 2026", "2026-09-27"), ("4 gen 2026", "2026-01-04"), ("27 grudnia 2025", "2025-12-27"),
        ("3 juin 2026", "2026-06-03"), ("3 jui 2026", None),
    ],
)  # fmt: skip
def test_a_month_is_a_word_of_eight_languages(tmp_path: Path, written: str, day: str | None) -> None:
    found = imported(sheet(tmp_path, f"Email;Created\nada@example.com;{written}\n"))
    assert [each["time"][:10] for each in found.events] == ([] if day is None else [day])
    assert len(found.refused) == (day is None)


def test_no_name_of_a_column_takes_long() -> None:
    for part in ("de", "l", "el", "liste", "email", "is", "as", "all", "unsub"):
        assert column_named(part * 50 + "x") is None
        assert column_named((part * 50)[:98] + "xy") is None


def test_a_date_in_the_standard_s_basic_form_is_read(tmp_path: Path) -> None:
    """https://help.mailup.com/display/mailupapi/Export+of+email+unsubscribers: 20210122T111244."""
    found = imported(
        sheet(tmp_path, "email,Subscription Date,OptOut_Date\nada@example.com,20210121T141244,20210122T111244\n")
    )
    lead, out = found.events
    assert (lead["type"], lead["time"]) == ("lead.captured", "2021-01-21T14:12:44Z")
    assert (out["data"]["given"], out["time"]) == (False, "2021-01-22T11:12:44Z")
