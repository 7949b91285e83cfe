"""The application: its parts put together, its languages, its headers, its error pages."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from flask import Flask, Response, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_babel import Babel, format_currency
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError, CSRFProtect
from standardwebhooks import Webhook
from werkzeug.exceptions import HTTPException

from orderlab.client import ApiProblem, OrdersClient
from orderlab.doors import Doors
from orderlab.drawing.colours import STYLE, fingerprint
from orderlab.drawing.rows import clock
from orderlab.errors import ApiAway, OtherSite, StrangeHost
from orderlab.faults.gates import Gates, OpenGates
from orderlab.language import LANGUAGES
from orderlab.language import speak as speak_from_now_on
from orderlab.language.language import TRANSLATIONS
from orderlab.portal.pages import pages
from orderlab.portal.parts import Parts, Reader
from orderlab.portal.progress import language, speak
from orderlab.portal.receiver import Receiver
from orderlab.portal.store import Database, Inbox, Reports
from orderlab.portal.texts import AUDIENCE, DESIGN, HEADLINE, PAYMENT, REJECTION, STATUS, VERDICT, WRONG
from orderlab.portal.webhooks import webhooks
from orderlab.settings import Settings

MOST_BYTES = 64 * 1024
"""Of a request's body."""

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

DRAWING_STYLE = f"; style-src {fingerprint(STYLE)}"
"""A drawing that is opened by itself brings its colours for the dark."""

HARDENED = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FRESH = {"Cache-Control": "no-store"}


def create_app(settings: Settings, gates: Gates | None = None, client: OrdersClient | None = None) -> Flask:
    """The portal. Raises `MissingSetting` if a secret is missing, `WrongSetting` for hosts that are none."""
    settings.need("portal_secret", "webhook_secret")
    app = Flask(__name__)
    doors = Doors.of(settings.allowed_hosts)
    app.before_request(_speak)  # for errors, and for what the API is asked
    app.before_request(lambda: doors.check(request.environ))  # before anything else acts on the request
    app.config.update(
        SECRET_KEY=settings.portal_secret,
        # Cookies do not know ports: two labs on one machine would overwrite each other's.
        SESSION_COOKIE_NAME=f"orderlab_portal_{settings.portal_address.rpartition(':')[2]}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=MOST_BYTES,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        BABEL_DEFAULT_LOCALE="es",
        BABEL_TRANSLATION_DIRECTORIES=str(TRANSLATIONS),
    )
    gates = gates or OpenGates()
    client = client or OrdersClient(settings.api_url, held=lambda: bool(gates.armed))
    database = Database(settings.portal_data)
    inbox, webhook = Inbox(database), Webhook(settings.webhook_secret)
    app.extensions["orderlab"] = Parts(client, Reader(client), inbox, Reports(database, client), webhook, gates)
    receiver = Receiver(app.wsgi_app, doors, webhook, inbox, {**HARDENED, **FRESH}, MOST_BYTES)
    app.wsgi_app = receiver  # type: ignore[method-assign]  # Flask's own way to put something in front of it
    Babel(app, locale_selector=_choose_language)
    csrf = CSRFProtect(app)
    csrf.exempt(webhooks)  # signed
    app.register_blueprint(pages)
    app.register_blueprint(webhooks)
    app.add_url_rule("/health", "health", _health)
    app.before_request(_remember_language)
    app.after_request(_harden)
    app.register_error_handler(StrangeHost, _strange_host)
    app.register_error_handler(OtherSite, _other_site)
    app.register_error_handler(CSRFError, _form_too_old)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(ApiAway, _api_away)
    app.register_error_handler(ApiProblem, _api_problem)
    app.add_template_filter(_money, "money")
    app.add_template_filter(_time_of_day, "time_of_day")
    app.add_template_filter(clock, "clock")
    app.context_processor(
        lambda: {
            "LANGUAGES": LANGUAGES,
            "STATUS": STATUS,
            "HEADLINE": HEADLINE,
            "WRONG": WRONG,
            "VERDICT": VERDICT,
            "REJECTION": REJECTION,
            "AUDIENCE": AUDIENCE,
            "PAYMENT": PAYMENT,
            "DESIGN": DESIGN,
            "language": language(),
            "speak": speak(),
        }
    )
    return app


def _health() -> ResponseReturnValue:
    return {"status": "ok"}


def _choose_language() -> str:
    """The one that was asked for by `?lang=`, else Spanish. A browser's own wish is not taken for the person's:
    most say English unasked, and the diagram's button says "Crear Pedido"."""
    chosen = session.get("lang")
    return chosen if chosen in LANGUAGES else "es"


def _speak() -> None:
    """Speak the page's language in this thread; a webhook comes from a program, and has no session."""
    speak_from_now_on("en" if request.blueprint == "webhooks" else _choose_language())


def _remember_language() -> None:
    if (asked := request.args.get("lang")) in LANGUAGES:
        session["lang"] = asked
        speak_from_now_on(asked)


def _harden(response: Response) -> Response:
    response.headers.update(HARDENED)
    if response.mimetype == "image/svg+xml" and request.endpoint != "static":
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY + DRAWING_STYLE
    if request.endpoint != "static":
        response.headers.update(FRESH)
    return response


def _strange_host(_refusal: StrangeHost) -> ResponseReturnValue:
    return render_template("stranger.html", host=request.headers.get("Host", "")), 403


def _other_site(refusal: OtherSite) -> ResponseReturnValue:
    if request.blueprint == "webhooks":
        return {"error": refusal.detail}, 403
    return _message(
        403,
        _("Sent by another site"),
        _("A page of another site sent this, so nothing was done. If it was you, press the button here."),
    )


def _form_too_old(_error: CSRFError) -> ResponseReturnValue:
    return _message(
        400,
        _("This form is too old"),
        _("It was opened for another portal, or cookies are blocked. Open it again, then press the button."),
    )


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if request.blueprint == "webhooks":
        return {"error": error.description}, error.code or 500
    if error.code == 404:
        return _not_found()
    if error.code == 405:
        return _message(405, _("Not this way"), _("This address takes another kind of request. Start from the button."))
    if error.code == 413:
        return _message(413, _("Too much"), _("The request is larger than the portal takes (64 KiB)."))
    return _message(
        error.code or 500,
        _("Something went wrong in the portal"),
        _("It has been noted in the portal's log (./lab logs portal). Try again."),
    )


def _api_away(away: ApiAway) -> ResponseReturnValue:
    return render_template("away.html", form=None, detail=away.detail), 503


def _api_problem(problem: ApiProblem) -> ResponseReturnValue:
    if problem.status == 404:
        return _not_found()
    if problem.temporary:
        return render_template("away.html", form=None, detail=problem.detail), 503
    return _message(502, _("The Orders API refused"), _("What it says is below."), f"{problem.title}: {problem.detail}")


def _not_found() -> ResponseReturnValue:
    return _message(
        404, _("There is nothing here"), _("No order has this id, and no page this address. Check it, or start anew.")
    )


def _message(status: int, title: str, detail: str, said: str = "") -> ResponseReturnValue:
    return render_template("message.html", title=title, detail=detail, said=said), status


def _money(amount: str, currency: str) -> str:
    """Money in the page's language: `49,90 €`."""
    return str(format_currency(Decimal(amount), currency))


def _time_of_day(moment: str | datetime) -> str:
    """The time on the wall of the machine that serves: `14:03:59`."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.astimezone().strftime("%H:%M:%S")
