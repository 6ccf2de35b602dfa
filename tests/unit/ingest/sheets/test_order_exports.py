"""Exports of orders by the headers that their vendors document: what was bought, when, and what went back."""

from pathlib import Path

import pytest

from tests.unit.ingest.sheets.test_field_files import imported, sheet

# Product (page) → header, row, (order, amount, what went back)
ORDERS = {
    "Etsy's columns, with an address added by hand: its own export names none": (
        "Sale Date,Order ID,Buyer User ID,Full Name,First Name,Last Name,Number of Items,Payment Method,Date Shipped,Street 1,Ship City,Ship Country,Currency,Order Value,Coupon Code,Discount Amount,Shipping,Sales Tax,Order Total,Status,Card Processing Fees,Order Net,Buyer Email",
        "01/31/26,123,u1,Ada Lovelace,Ada,Lovelace,1,Credit,,1 Road,London,GB,EUR,90.00,,0,10,0,100.00,,3,97.00,ada@example.com",
        ("123", "100.00", None),
    ),
    "Etsy, a part went back (Adjusted Order Total is what is left)": (
        "Sale Date,Order ID,Full Name,Currency,Order Value,Order Total,Status,Order Net,Adjusted Order Total,Adjusted Net Order Amount,Buyer,Buyer Email",
        "01/31/26,123,Ada Lovelace,EUR,90.00,100.00,,97.00,60.00,58.00,u1,ada@example.com",
        ("123", "100.00", "40.00"),
    ),
    "Etsy, not adjusted": (
        "Sale Date,Order ID,Full Name,Currency,Order Value,Order Total,Status,Order Net,Adjusted Order Total,Adjusted Net Order Amount,Buyer,Buyer Email",
        "01/31/26,123,Ada Lovelace,EUR,90.00,100.00,,97.00,0,0,u1,ada@example.com",
        ("123", "100.00", None),
    ),
    "Amazon (developer-docs.amazon.com: order reports, tab-separated)": (
        "order-id\torder-item-id\tpurchase-date\tpayments-date\tbuyer-email\tbuyer-name\tbuyer-phone-number\tsku\tproduct-name\tquantity-purchased\tcurrency\titem-price\titem-tax\tshipping-price\tshipping-tax\titem-promotion-discount\tship-country",
        "302-1\t1\t2026-01-31T10:00:00+00:00\t2026-01-31T10:00:00+00:00\tada@example.com\tAda Lovelace\t+44 7700 900123\tS1\tLamp\t2\tEUR\t60.00\t9.58\t5.00\t0.80\t5.00\tGB\n302-1\t2\t2026-01-31T10:00:00+00:00\t2026-01-31T10:00:00+00:00\tada@example.com\tAda Lovelace\t+44 7700 900123\tS2\tShade\t1\tEUR\t40.00\t6.38\t0.00\t0.00\t\tGB",
        ("302-1", "100.00", None),
    ),
    "Magento (experienceleague.adobe.com: orders grid)": (
        "ID,Purchase Point,Purchase Date,Bill-to Name,Ship-to Name,Grand Total (Base),Grand Total (Purchased),Status,Customer Email,Total Refunded",
        "000000012,Main,2026-01-31 10:00:00,Ada,Ada,100.00,100.00,Complete,ada@example.com,40.00",
        ("000000012", "100.00", "40.00"),
    ),
    "Magento, its table (developer.adobe.com: sales_order)": (
        "increment_id,created_at,status,customer_email,grand_total,total_refunded,order_currency_code",
        "12,2026-01-31 10:00:00,complete,ada@example.com,100.00,40.00,EUR",
        ("12", "100.00", "40.00"),
    ),
    "Wix Stores (support.wix.com: export orders)": (
        "Order number,Date created,Time,Contact email,Billing name,Payment status,Fulfillment status,Total,Refunded amount,Currency",
        "10001,2026-01-31,10:00,ada@example.com,Ada,Paid,Fulfilled,100.00,40.00,EUR",
        ("10001", "100.00", "40.00"),
    ),
    "Ecwid (support.ecwid.com: export orders)": (
        "order_number,email,date,total,payment_status,refunded_amount",
        "A1,ada@example.com,2026-01-31,100.00,Paid,40.00",
        ("A1", "100.00", "40.00"),
    ),
    "PrestaShop (devdocs.prestashop-project.org: orders)": (
        "id_order;reference;email;total_paid;payment;order_state;date_add",
        "7;ABCDEF;ada@example.com;100.00;Bank;Payment accepted;2026-01-31 10:00:00",
        ("7", "100.00", None),
    ),
    "Shopware (docs.shopware.com: order export)": (
        "ordernumber;email;invoice_amount;currency;ordertime;cleared",
        "20001;ada@example.com;100,00;EUR;2026-01-31 10:00:00;12",
        ("20001", "100.00", None),
    ),
    "Lemon Squeezy (docs.lemonsqueezy.com: export orders)": (
        "order_number,user_email,user_name,currency,total,status,refunded,refunded_at,created_at",
        "1,ada@example.com,Ada,EUR,100.00,paid,0,,2026-01-31 10:00:00",
        ("1", "100.00", None),
    ),
    "Lemon Squeezy, all went back": (
        "order_number,user_email,user_name,currency,total,status,refunded,refunded_at,created_at",
        "1,ada@example.com,Ada,EUR,100.00,refunded,1,2026-01-31 11:00:00,2026-01-31 10:00:00",
        ("1", "100.00", "100.00"),
    ),
    "Paddle (developer.paddle.com: transactions report)": (
        "transaction_id,customer_email,status,currency_code,total,created_at",
        "txn_1,ada@example.com,completed,EUR,100.00,2026-01-31T10:00:00Z",
        ("txn_1", "100.00", None),
    ),
    "QuickBooks (quickbooks.intuit.com: export invoices)": (
        "Transaction Date,Invoice No,Customer Email,Amount,Status",
        "31/01/2026,INV-1,ada@example.com,100.00,Paid",
        ("INV-1", "100.00", None),
    ),
    "Xero (central.xero.com: invoice export)": (
        "ContactName,EmailAddress,InvoiceNumber,InvoiceDate,Total,Currency,Status",
        "Ada,ada@example.com,INV-1,31/01/2026,100.00,EUR,Paid",
        ("INV-1", "100.00", None),
    ),
    "eBay (its header in github.com/randomecho/shifted-sales-report)": (
        "Sales Record Number,Order Number,Buyer Username,Buyer Name,Buyer Email,Item Number,Item Title,Quantity,Sold For,eBay Collected Tax,Total Price,eBay Collected Tax and Fees Included in Total,Payment Method,Sale Date,Paid On Date,Shipped On Date,PayPal Transaction ID,Transaction ID",
        "1,1-1,ada,Ada,ada@example.com,5,Lamp,1,€90.00,€0.00,€100.00,€0.00,Card,Jan-31-26,Jan-31-26,,,999",
        ("1-1", "100.00", None),
    ),
    "Eventbrite (eventbrite.com/help: orders report)": (
        "Order #,Order Date,First Name,Last Name,Email,Quantity,Ticket Type,Total Paid,Currency,Order Status",
        "1,2026-01-31 10:00,Ada,L,ada@example.com,1,Std,100.00,EUR,Completed",
        ("1", "100.00", None),
    ),
    "Eventbrite, all went back": (
        "Order #,Order Date,Email,Gross sales,Currency,Refunded amount,Order Status",
        "1,2026-01-31 10:00,ada@example.com,100.00,EUR,100.00,Refunded",
        ("1", "100.00", "100.00"),
    ),
    "Chargebee (chargebee.com/docs: export invoices)": (
        "Invoice Number,Customer Email,Invoice Date,Amount,Status,Currency,Amount Refunded",
        "7,ada@example.com,2026-01-31,100.00,Paid,EUR,40",
        ("7", "100.00", "40"),
    ),
    "Adyen (docs.adyen.com: received payments report)": (
        "Psp Reference,Creation Date,Currency,Amount,Shopper Email,Status",
        "P1,2026-01-31 10:00,EUR,100.00,ada@example.com,Settled",
        ("P1", "100.00", None),
    ),
    "Shopify, all went back (help.shopify.com: export orders)": (
        "Name,Email,Financial Status,Paid at,Currency,Total,Refunded Amount,Id,Created at,Lineitem name,Lineitem quantity",
        "#1001,ada@example.com,refunded,2026-01-31 10:00:00 +0000,EUR,100.00,100.00,5001,2026-01-31 10:00:00 +0000,Lamp,1",
        ("5001", "100.00", "100.00"),
    ),
    "WooCommerce, its own export, all went back": (
        "Order ID,Order Number,Order Date,Status,Customer Email,Order Total,Refund Total,Currency",
        "7,1007,2026-01-31,refunded,ada@example.com,100.00,100.00,EUR",
        ("7", "100.00", "100.00"),
    ),
    "Squarespace, all went back": (
        "Order ID,Email,Financial Status,Paid at,Currency,Amount Refunded,Total,Created at",
        "00001,ada@example.com,REFUNDED,2026-01-31 10:00:00 +0000,EUR,100.00,100.00,2026-01-31 09:00:00 +0000",
        ("00001", "100.00", "100.00"),
    ),
    "Stripe, all went back": (
        "id,Created date (UTC),Amount,Amount Refunded,Currency,Customer Email,Status,PaymentIntent ID",
        "ch_1,2026-01-31 10:00:00,100.00,100.00,eur,ada@example.com,Refunded,pi_1",
        ("pi_1", "100.00", "100.00"),
    ),
    "Gumroad, a part went back (github.com/antiwork/gumroad: PurchaseExportService)": (
        "Purchase ID,Item Name,Buyer Name,Purchase Email,Buyer Email,Do not contact?,Purchase Date,Subtotal ($),Sale Price ($),Net Total ($),Refunded?,Partial Refund ($),Fully Refunded?,Order Number,Item Price ($),Quantity",
        "p1,Book,Ada,ada@example.com,,0,2026-01-31,100.00,100.00,90.00,1,40.00,0,123,100.00,1",
        ("p1", "100.00", "40.00"),
    ),
    "Gumroad, all went back (github.com/antiwork/gumroad: PurchaseExportService)": (
        "Purchase ID,Item Name,Buyer Name,Purchase Email,Buyer Email,Do not contact?,Purchase Date,Subtotal ($),Sale Price ($),Net Total ($),Refunded?,Partial Refund ($),Fully Refunded?,Order Number,Item Price ($),Quantity",
        "p1,Book,Ada,ada@example.com,,0,2026-01-31,100.00,100.00,90.00,1,0.0,1,123,100.00,1",
        ("p1", "100.00", "100.00"),
    ),
    "PayPal, all of its columns (gist.github.com/Nullreff: activity download)": (
        "Date,Time,TimeZone,Name,Type,Status,Currency,Gross,Fee,Net,From Email Address,To Email Address,Transaction ID,Item Title,Item ID,Sales Tax,Reference Txn ID,Invoice Number,Custom Number,Quantity,Receipt ID,Balance,Country,Balance Impact",
        "31/01/2026,10:00:00,CET,Ada,Express Checkout Payment,Completed,EUR,100.00,-3.00,97.00,ada@example.com,me@example.com,T1,Lamp,,0,,I-9,,1,,500.00,GB,Credit",
        ("T1", "100.00", None),
    ),
    "TikTok Shop, with an address added by hand": (
        "Order ID,Order Status,Quantity,SKU Unit Original Price,Order Amount,Order Refund Amount,Created Time,Paid Time,Buyer Username,Email",
        "5,Completed,1,100.00,100.00,40.00,31/01/2026 10:00:00,31/01/2026 10:01:00,ada,ada@example.com",
        ("5", "100.00", "40.00"),
    ),
    "Stripe, converted (docs.stripe.com: unified payments export)": (
        "id,Created (UTC),Amount,Currency,Status,Customer Email,Customer Description,PaymentIntent ID,Captured,Converted Amount,Converted Amount Refunded",
        "ch_1,2026-01-31 10:00:00,100.00,eur,Paid,ada@example.com,,pi_1,TRUE,100.00,40.00",
        ("pi_1", "100.00", "40.00"),
    ),
    "BigCommerce, all went back": (
        "Order ID,Customer ID,Customer Name,Customer Email,Order Date,Order Status,Subtotal (ex tax),Order Total (inc tax),Order Currency Code,Refund Amount",
        "100,7,Ada,ada@example.com,31/01/2026,Refunded,90,100.00,EUR,100.00",
        ("100", "100.00", "100.00"),
    ),
    "Mollie (help.mollie.com: export payments)": (
        "Date,Payment method,Currency,Amount,Status,ID,Description,Consumer name,Settlement currency,Settlement amount,Amount refunded,Consumer email",
        "2026-01-31 10:00:00,iDEAL,EUR,100.00,paidout,tr_1,Order 7,Ada,EUR,100.00,40.00,ada@example.com",
        ("tr_1", "100.00", "40.00"),
    ),
    "Teachable (support.teachable.com: transactions)": (
        "id,purchased_at,course_id,course_name,email,final_price,earnings_usd,coupon,amount_refunded,refunded_at,currency",
        "1,2026-01-31 10:00:00 UTC,5,Course,ada@example.com,100.00,90,,40.00,2026-01-31 11:00:00 UTC,EUR",
        ("1", "100.00", "40.00"),
    ),
    "Square (squareup.com/help: export transactions)": (
        "Date,Time,Time Zone,Gross Sales,Net Sales,Total Collected,Source,Transaction ID,Payment ID,Event Type,Customer Name,Customer Email",
        "01/31/26,10:00:00,Eastern Time (US & Canada),$100.00,$100.00,$100.00,Register,T1,P1,Payment,Ada,ada@example.com\n01/31/26,11:00:00,Eastern Time (US & Canada),-$40.00,-$40.00,-$40.00,Register,T1,P2,Refund,Ada,ada@example.com",
        ("T1", "100.00", "40.00"),
    ),
    "ThriveCart (support.thrivecart.com: transactions), its refund beneath its order": (
        "Order ID,Invoice ID,Customer ID,Date,Time,Transaction type,Product,Customer email,Currency,Amount",
        "1,000001,c1,2026-01-31,10:00,charge,Course,ada@example.com,EUR,100.00\n1,000001,c1,2026-01-31,11:00,refund,Course,ada@example.com,EUR,-40.00",
        ("1", "100.00", "40.00"),
    ),
    "Digistore24 (help.digistore24.com: transactions, in German)": (
        "Bestell-ID;Transaktions-ID;Datum;Uhrzeit;Transaktionsart;E-Mail;Vorname;Nachname;Bruttobetrag;Währung",
        "D1;1;31.01.2026;10:00;Zahlung;ada@example.com;Ada;Lovelace;100,00;EUR\nD1;2;31.01.2026;11:00;Rückerstattung;ada@example.com;Ada;Lovelace;-40,00;EUR",
        ("D1", "100.00", "40.00"),
    ),
    "Klarna (docs.klarna.com: settlement report)": (
        "type,sale_date,capture_date,order_id,merchant_reference1,currency_code,amount,short_order_id,shopper_email",
        "SALE,2026-01-31T10:00:00Z,2026-01-31,o1,m1,EUR,100.00,s1,ada@example.com\nRETURN,2026-01-31T11:00:00Z,2026-01-31,o1,m1,EUR,-40.00,s1,ada@example.com",
        ("o1", "100.00", "40.00"),
    ),
    "in French": (
        "Numéro de commande;Date de commande;E-mail;Montant TTC;Devise;Montant remboursé;Statut",
        "7;31/01/2026;ada@example.com;100,00;EUR;40,00;Payé",
        ("7", "100.00", "40.00"),
    ),
    "in Spanish": (
        "Número de pedido;Fecha del pedido;Correo electrónico;Importe total;Moneda;Importe reembolsado;Estado",
        "7;31/01/2026;ada@example.com;100,00;EUR;40,00;Pagado",
        ("7", "100.00", "40.00"),
    ),
    "in Italian": (
        "Numero ordine;Data ordine;Email;Totale;Valuta;Importo rimborsato;Stato",
        "7;31/01/2026;ada@example.com;100,00;EUR;40,00;Pagato",
        ("7", "100.00", "40.00"),
    ),
    "in Dutch": (
        "Bestelnummer;Besteldatum;E-mail;Totaal;Valuta;Terugbetaald;Status",
        "7;31-01-2026;ada@example.com;100,00;EUR;40,00;Betaald",
        ("7", "100.00", "40.00"),
    ),
    "in Portuguese": (
        "Número do pedido;Data do pedido;E-mail;Valor total;Moeda;Valor reembolsado;Situação",
        "7;31/01/2026;ada@example.com;100,00;EUR;40,00;Pago",
        ("7", "100.00", "40.00"),
    ),
    "in Polish": (
        "Numer zamówienia;Data zamówienia;E-mail;Kwota;Waluta;Kwota zwrotu;Status",
        "7;31.01.2026;ada@example.com;100,00;EUR;40,00;Opłacone",
        ("7", "100.00", "40.00"),
    ),
    "in German": (
        "Bestellnummer;Bestelldatum;E-Mail;Gesamtbetrag;Währung;Erstattungsbetrag;Zahlungsstatus",
        "7;31.01.2026;ada@example.com;100,00;EUR;40,00;Bezahlt",
        ("7", "100.00", "40.00"),
    ),
}  # fmt: skip
UNPAID = {
    "Shopify, voided": ("Name,Email,Financial Status,Paid at,Currency,Total,Refunded Amount,Id,Created at,Lineitem name", "#1001,ada@example.com,voided,,EUR,100.00,0,5001,2026-01-31 10:00:00 +0000,Lamp"),
    "WooCommerce, failed": ("Order Number,Order Status,Order Date,Email (Billing),Order Total Amount", "7,Failed,2026-01-31 10:00,ada@example.com,100.00"),
    "WooCommerce, on hold": ("Order Number,Order Status,Order Date,Email (Billing),Order Total Amount", "7,On hold,2026-01-31 10:00,ada@example.com,100.00"),
    "Stripe, failed": ("id,Created date (UTC),Amount,Amount Refunded,Currency,Customer Email,Status,PaymentIntent ID", "ch_1,2026-01-31 10:00:00,100.00,0.00,eur,ada@example.com,Failed,pi_1"),
    "Adyen, refused (docs.adyen.com: received payment details report)": ("Psp Reference,Creation Date,Currency,Amount,Type,Shopper Email", "P1,2026-01-31 10:00,EUR,100.00,Refused,ada@example.com"),
    "Adyen, an error": ("Psp Reference,Booking Date,Currency,Amount,Record Type,Shopper Email", "P1,2026-01-31 10:00,EUR,100.00,Error,ada@example.com"),
    "Amazon, cancelled": ("amazon-order-id\tpurchase-date\torder-status\tsku\tquantity\tcurrency\titem-price\tshipping-price\tbuyer-email", "302-1\t2026-01-31T10:00:00+00:00\tCancelled\tS1\t0\t\t\t\tada@example.com"),
    "PayPal, pending": ("Date,Time,TimeZone,Name,Type,Status,Currency,Gross,Fee,Net,From Email Address,To Email Address,Transaction ID", "31/01/2026,10:00:00,CET,Ada,Payment,Pending,EUR,100.00,-3,97.00,ada@example.com,me@example.com,T1"),
}  # fmt: skip
_ACTIVITY = "Date,Time,TimeZone,Name,Type,Status,Currency,Gross,Fee,Net,From Email Address,To Email Address,Transaction ID,Reference Txn ID,Invoice Number,Quantity"


@pytest.mark.parametrize("product", ORDERS)
def test_what_was_bought_and_what_went_back(tmp_path: Path, product: str) -> None:
    header, row, (order, amount, back) = ORDERS[product]
    found = imported(sheet(tmp_path, f"{header}\n{row}\n"), currency="EUR", dates="mdy" if "01/31" in row else "dmy")
    bought, *refunds = [each["data"] for each in found.events]
    assert (bought["identity"]["email"], bought["order_id"], bought["amount"]) == ("ada@example.com", order, amount)
    assert [each["amount"] for each in refunds] == ([] if back is None else [back])
    assert {each["time"][:10] for each in found.events} == {"2026-01-31"}


@pytest.mark.parametrize("product", UNPAID)
def test_what_was_not_paid_is_no_purchase(tmp_path: Path, product: str) -> None:
    header, row = UNPAID[product]
    assert imported(sheet(tmp_path, f"{header}\n{row}\n"), currency="EUR", dates="dmy").events == []


@pytest.mark.parametrize("step", ["Refunded", "Chargeback", "Cancelled"])
def test_a_step_of_a_payment_that_takes_money_back_is_a_refund_of_that_payment(tmp_path: Path, step: str) -> None:
    """https://docs.adyen.com/reporting/reports-and-the-payments-lifecycle: each step is a row with the payment's id."""
    header = "Psp Reference,Booking Date,TimeZone,Currency,Amount,Record Type,Shopper Email"
    rows = [("10:00", "100.00", "Received"), ("10:01", "100.00", "Authorised"), ("11:00", "100.00", "Settled"),
            ("12:00", "40.00", step), ("13:00", "30.00", step), ("14:00", "30.00", "RefundFailed")]  # fmt: skip
    lines = [f"P1,2026-01-31 {at},CET,EUR,{much},{kind},ada@example.com" for at, much, kind in rows]
    found = imported(sheet(tmp_path, "\n".join([header, *lines]))).events
    bought = [each for each in found if each["type"] == "purchase.completed"]
    back = [each for each in found if each["type"] == "purchase.refunded"]
    assert {each["id"] for each in bought} == {bought[0]["id"]}, "both steps are the one purchase"
    assert (bought[0]["data"]["order_id"], bought[0]["time"]) == ("P1", "2026-01-31T09:01:00Z")
    assert [(each["data"]["order_id"], each["data"]["amount"]) for each in back] == [("P1", "40.00"), ("P1", "30.00")]
    assert len({each["id"] for each in back}) == 2


@pytest.mark.parametrize(
    ("time", "zone", "moment"),
    [
        ("10:00:00", "CET", "2026-01-31T09:00:00Z"), ("10:00:00", "PST", "2026-01-31T18:00:00Z"),
        ("10:00 PM", "Europe/London", "2026-01-31T22:00:00Z"), ("", "", "2026-01-31T00:00:00Z"),
        ("10:00", "no zone", "2026-01-31T10:00:00Z"), ("morning", "GMT", "2026-01-31T00:00:00Z"),
    ],
)  # fmt: skip
def test_a_date_and_the_time_and_zone_beside_it_are_one_moment(
    tmp_path: Path, time: str, zone: str, moment: str
) -> None:
    row = f"31/01/2026,{time},{zone},Ada,Payment,Completed,EUR,100.00,-3,97.00,ada@example.com,me@example.com,T1,,I-9,1"
    (bought,) = imported(sheet(tmp_path, f"{_ACTIVITY}\n{row}"), dates="dmy").events
    assert bought["time"] == moment


def test_an_order_has_one_id_in_the_shop_s_history_and_in_paypal_s_where_its_invoice_number_is_told(
    tmp_path: Path,
) -> None:
    told = ('order_id="Invoice Number"', "-Transaction ID", "-Reference Txn ID")
    bought = (
        "31/01/2026,10:00:00,CET,Ada,Payment,Completed,EUR,100.00,-3,97.00,ada@example.com,me@example.com,T1,,I-9,1"
    )
    back = "01/02/2026,10:00:00,CET,Ada,Payment Refund,Completed,EUR,-40.00,1,-39.00,me@example.com,ada@example.com,T2,T1,I-9,"
    found = imported(sheet(tmp_path, f"{_ACTIVITY}\n{bought}\n{back}"), dates="dmy", map=told).events
    assert [(each["type"], each["data"]["order_id"]) for each in found] == [
        ("purchase.completed", "I-9"), ("purchase.refunded", "I-9"),
    ]  # fmt: skip


def test_a_row_of_money_that_goes_back_is_a_refund_of_its_order(tmp_path: Path) -> None:
    """https://www.paypal.com/us/cshelp/article/help145: refunds are rows, with the payment's id as reference."""
    bought = (
        "31/01/2026,10:00:00,CET,Ada,Payment,Completed,EUR,100.00,-3.00,97.00,ada@example.com,me@example.com,T1,,I-9,1"
    )
    back = "01/02/2026,10:00:00,CET,Ada,Payment Refund,Completed,EUR,-40.00,1.00,-39.00,me@example.com,ada@example.com,T2,T1,,"
    unsaid = (
        "02/02/2026,10:00:00,CET,Ada,Payment Refund,Completed,EUR,-5.00,0,-5.00,me@example.com,ada@example.com,T3,,,"
    )
    found = imported(sheet(tmp_path, f"{_ACTIVITY}\n{bought}\n{back}\n{unsaid}"), dates="dmy")
    purchase, refund = found.events
    assert (purchase["type"], purchase["data"]["order_id"]) == ("purchase.completed", "T1")
    assert (refund["type"], refund["data"]["order_id"], refund["data"]["amount"]) == (
        "purchase.refunded",
        "T1",
        "40.00",
    )
    assert refund["data"]["identity"] == {"order": "T1"}
    assert len(found.refused) == 1, "which order it was of is not said"
