"""The words of our own pages, in the form's language."""

from collections.abc import Mapping
from typing import Final

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
    "closed": "This form could not take your message",
    "otherwise": "Please go back, what you typed is still there, and reach us another way.",
    "too_long": "That is too long for this form",
    "shorten": "Please go back and shorten it; what you typed is still there.",
}
_MOST_ASKED: Final = 20
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
        "closed": "Dieses Formular konnte Ihre Nachricht nicht annehmen",
        "otherwise": "Bitte gehen Sie zurück, Ihre Eingaben sind noch da, und erreichen Sie uns auf einem anderen Weg.",
        "too_long": "Das ist zu lang für dieses Formular",
        "shorten": "Bitte gehen Sie zurück und kürzen Sie es; Ihre Eingaben sind noch da.",
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
        "closed": "Ce formulaire n'a pas pu prendre votre message",
        "otherwise": "Revenez en arrière, votre saisie est conservée, et contactez-nous autrement.",
        "too_long": "C'est trop long pour ce formulaire",
        "shorten": "Revenez en arrière et raccourcissez ; votre saisie est conservée.",
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
        "closed": "Este formulario no ha podido recibir su mensaje",
        "otherwise": "Vuelva atrás, lo que escribió sigue ahí, y contáctenos de otra manera.",
        "too_long": "Es demasiado largo para este formulario",
        "shorten": "Vuelva atrás y acórtelo; lo que escribió sigue ahí.",
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
        "closed": "Questo modulo non ha potuto ricevere il suo messaggio",
        "otherwise": "Torni indietro, quanto ha scritto è ancora lì, e ci contatti in un altro modo.",
        "too_long": "È troppo lungo per questo modulo",
        "shorten": "Torni indietro e lo accorci; quanto ha scritto è ancora lì.",
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
        "closed": "Dit formulier kon uw bericht niet aannemen",
        "otherwise": "Ga terug, wat u typte staat er nog, en neem op een andere manier contact op.",
        "too_long": "Dit is te lang voor dit formulier",
        "shorten": "Ga terug en maak het korter; wat u typte staat er nog.",
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
        "closed": "Este formulário não pôde receber a sua mensagem",
        "otherwise": "Volte atrás, o que escreveu continua lá, e contacte-nos de outra forma.",
        "too_long": "É demasiado longo para este formulário",
        "shorten": "Volte atrás e encurte; o que escreveu continua lá.",
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
        "closed": "Ten formularz nie mógł przyjąć wiadomości",
        "otherwise": "Wróć, wpisane dane są nadal w formularzu, i skontaktuj się z nami inaczej.",
        "too_long": "To jest za długie dla tego formularza",
        "shorten": "Wróć i skróć; wpisane dane są nadal w formularzu.",
    },
}


def language_asked(accept_language: str) -> str:
    """The first of a browser's languages that we speak; English where it names none (RFC 9110, 12.5.4)."""
    for each in accept_language.split(",")[:_MOST_ASKED]:
        language = each.partition(";")[0].strip()[:2].lower()
        if language in _WORDS:
            return language
    return "en"


def words_in(language: str) -> Mapping[str, str]:
    """In English where there are none in this language; `de-AT` is German."""
    return _WORDS.get(language[:2], _ENGLISH)
