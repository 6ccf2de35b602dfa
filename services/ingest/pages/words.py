"""What our own pages say to a form's visitor, in the form's language."""

from collections.abc import Mapping
from typing import Final

from services.ingest.domain.forms.hosted import HostedForm

_ENGLISH: Final = {
    "required": "required",
    "send": "Send",
    "thanks": "Thank you",
    "soon": "We have your message and will be in touch shortly.",
    "wrong": "Something is not right yet",
    "go_back": "Please go back and correct this; what you typed is still there.",
    "correct": "Please correct this and send it again.",
    "check": "Please check this.",
    "error": "Error",
    "busy": "That did not work just now",
    "later": "Please go back and send it again in a moment; what you typed is still there.",
}
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": _ENGLISH,
    "de": {
        "required": "Pflichtfeld",
        "send": "Senden",
        "thanks": "Vielen Dank",
        "soon": "Ihre Nachricht ist da; wir melden uns in Kürze.",
        "wrong": "Da stimmt noch etwas nicht",
        "go_back": "Bitte gehen Sie zurück und ändern Sie das; Ihre Eingaben sind noch da.",
        "correct": "Bitte ändern Sie das und senden Sie es noch einmal.",
        "check": "Bitte prüfen Sie diese Angabe.",
        "error": "Fehler",
        "busy": "Das hat gerade nicht geklappt",
        "later": "Bitte gehen Sie zurück und senden Sie es gleich noch einmal; Ihre Eingaben sind noch da.",
    },
    "fr": {
        "required": "obligatoire",
        "send": "Envoyer",
        "thanks": "Merci",
        "soon": "Nous avons reçu votre message et vous répondrons rapidement.",
        "wrong": "Il reste quelque chose à corriger",
        "go_back": "Revenez en arrière pour corriger ; votre saisie est conservée.",
        "correct": "Merci de corriger et d'envoyer à nouveau.",
        "check": "Merci de vérifier ce champ.",
        "error": "Erreur",
        "busy": "Cela n'a pas fonctionné pour le moment",
        "later": "Revenez en arrière et renvoyez dans un instant ; votre saisie est conservée.",
    },
    "es": {
        "required": "obligatorio",
        "send": "Enviar",
        "thanks": "Gracias",
        "soon": "Hemos recibido su mensaje y le responderemos en breve.",
        "wrong": "Hay algo que corregir",
        "go_back": "Vuelva atrás y corríjalo; lo que escribió sigue ahí.",
        "correct": "Corríjalo y envíelo de nuevo.",
        "check": "Revise este dato.",
        "error": "Error",
        "busy": "No ha funcionado en este momento",
        "later": "Vuelva atrás y envíelo de nuevo en un momento; lo que escribió sigue ahí.",
    },
    "it": {
        "required": "obbligatorio",
        "send": "Invia",
        "thanks": "Grazie",
        "soon": "Abbiamo ricevuto il suo messaggio e le risponderemo a breve.",
        "wrong": "C'è qualcosa da correggere",
        "go_back": "Torni indietro e corregga; quanto ha scritto è ancora lì.",
        "correct": "Corregga e invii di nuovo.",
        "check": "Controlli questo dato.",
        "error": "Errore",
        "busy": "In questo momento non ha funzionato",
        "later": "Torni indietro e invii di nuovo tra un momento; quanto ha scritto è ancora lì.",
    },
    "nl": {
        "required": "verplicht",
        "send": "Verzenden",
        "thanks": "Bedankt",
        "soon": "We hebben uw bericht en nemen snel contact op.",
        "wrong": "Er klopt nog iets niet",
        "go_back": "Ga terug en pas het aan; wat u typte staat er nog.",
        "correct": "Pas het aan en verstuur het opnieuw.",
        "check": "Controleer dit veld.",
        "error": "Fout",
        "busy": "Dat lukte zojuist niet",
        "later": "Ga terug en verstuur het zo meteen opnieuw; wat u typte staat er nog.",
    },
    "pt": {
        "required": "obrigatório",
        "send": "Enviar",
        "thanks": "Obrigado",
        "soon": "Recebemos a sua mensagem e responderemos em breve.",
        "wrong": "Há algo a corrigir",
        "go_back": "Volte atrás e corrija; o que escreveu continua lá.",
        "correct": "Corrija e envie de novo.",
        "check": "Verifique este campo.",
        "error": "Erro",
        "busy": "Não funcionou neste momento",
        "later": "Volte atrás e envie de novo daqui a pouco; o que escreveu continua lá.",
    },
    "pl": {
        "required": "wymagane",
        "send": "Wyślij",
        "thanks": "Dziękujemy",
        "soon": "Mamy Twoją wiadomość i wkrótce się odezwiemy.",
        "wrong": "Coś wymaga poprawy",
        "go_back": "Wróć i popraw; wpisane dane są nadal w formularzu.",
        "correct": "Popraw to i wyślij ponownie.",
        "check": "Sprawdź to pole.",
        "error": "Błąd",
        "busy": "Tym razem się nie udało",
        "later": "Wróć i wyślij ponownie za chwilę; wpisane dane są nadal w formularzu.",
    },
}


def words_of(form: HostedForm | None) -> Mapping[str, str]:
    """In the form's language, or English."""
    return _ENGLISH if form is None else words_in(form.language)


def words_in(language: str) -> Mapping[str, str]:
    """In English where there are none in this language; `de-AT` is German."""
    return _WORDS.get(language[:2], _ENGLISH)
