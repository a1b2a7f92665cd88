"""SMART apps from outside: a published client library launches in a real browser; everything else is refused."""

import base64
import hashlib
import html
import http.server
import itertools
import json
import re
import threading
import time
import urllib.parse
import uuid

import pytest
import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fhirclient.client import FHIRClient
from fhirclient.server import FHIRNotFoundException, FHIRPermissionDeniedException

from conftest import ROOT, FromAddress
from test_oauth import JWT_BEARER, Key, RSAIssuer
from test_people import LINK, Browser, chromium, enrol, link_for  # noqa: F401

REDIRECT = "https://app.example/callback"
ORIGIN = "https://app.example"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
REFRESH = re.compile(r'http-equiv="refresh" content="0; url=([^"]*)"')
FORM = re.compile(r'name="form" value="([^"]*)"')
#: Failures are throttled by address: each test takes one of its own.
ADDRESSES = (f"127.9.{high}.{low}" for high, low in itertools.product(range(1, 200), range(1, 250)))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Clinic:
    """A running store with apps, a patient, and a clinician who is signed in."""

    def __init__(self, house):
        self.house = house
        self.origin = house.origin
        self.base = f"{house.origin}/fhir"
        self.session = requests.Session()
        self.session.verify = str(house.authority)
        self.session.trust_env = False
        integration = house.client("integration")
        self.patient = integration.create({
            "resourceType": "Patient", "birthDate": "1980-02-03",
            "name": [{"use": "official", "family": "Sonnenschein", "given": ["Sina"]}]})["id"]
        self.other = integration.create({
            "resourceType": "Patient", "name": [{"family": "Andersen", "given": ["Bo"]}]})["id"]

    def register(self, **changes):
        body = {"client_name": "Growth chart", "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none",
                "initiate_login_uri": "https://app.example/launch", **changes}
        return self.session.post(f"{self.origin}/oauth/register", json=body, timeout=30)

    def app(self, **changes):
        answer = self.register(**changes)
        assert answer.status_code == 201, answer.text
        name = answer.json()["client_id"]
        assert self.house.ward("client", "approve", name).returncode == 0
        return name

    # Asking

    def parameters(self, app, **changes):
        wanted = {
            "response_type": "code", "client_id": app, "redirect_uri": REDIRECT, "state": "st-1", "aud": self.base,
            "scope": "openid user/Patient.rs offline_access", "code_challenge": CHALLENGE,
            "code_challenge_method": "S256", **changes}
        return {name: value for name, value in wanted.items() if value is not None}

    def ask(self, app, **changes):
        return self.session.get(
            f"{self.origin}/oauth/authorize", params=self.parameters(app, **changes), allow_redirects=False, timeout=30)

    def consent(self, app, cookies, fields=None, **changes):
        """Goes the way of a browser and ticks everything; gives the parameters of the app's redirect."""
        begun = self.ask(app, **changes)
        path = html.unescape(REFRESH.search(begun.text).group(1))
        page = self.session.get(self.origin + path, cookies=cookies, timeout=30)
        assert page.status_code == 200 and "Allow an app?" in page.text, page.text
        ticked = re.findall(r'type="checkbox"[^>]*value="([^"]*)"', page.text)
        form = [("form", FORM.search(page.text).group(1)), ("decision", "allow")]
        form += [("scope", html.unescape(text)) for text in ticked] + list((fields or {}).items())
        answer = self.session.post(self.origin + path, data=form, cookies=cookies, timeout=30)
        target = html.unescape(REFRESH.search(answer.text).group(1))
        assert target.startswith(REDIRECT + "?"), target
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))

    # Tokens

    def post(self, endpoint, form, proof=None, **more):
        headers = {"DPoP": proof} if proof else {}
        return self.session.post(
            f"{self.origin}/oauth/{endpoint}", data=form, headers={**headers, **more.pop("headers", {})}, timeout=30,
            **more)

    def exchange(self, app, code, proof=None, **changes):
        return self.post("token", {
            "grant_type": "authorization_code", "client_id": app, "code": code, "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER, **changes}, proof)

    def refresh(self, app, token, proof=None):
        return self.post("token", {"grant_type": "refresh_token", "client_id": app, "refresh_token": token}, proof)

    def get(self, path, authorization, proof=None):
        headers = {"Authorization": authorization, **({"DPoP": proof} if proof else {})}
        return self.session.get(f"{self.base}/{path}", headers=headers, timeout=30)


class ProofKey:
    """Signs DPoP proofs (RFC 9449)."""

    def __init__(self):
        self.private = ec.generate_private_key(ec.SECP256R1())
        numbers = self.private.public_key().public_numbers()
        self.jwk = {"kty": "EC", "crv": "P-256", "x": base64url(numbers.x.to_bytes(32, "big")),
                    "y": base64url(numbers.y.to_bytes(32, "big"))}

    def proof(self, method, address, token=None, header=None, **changes):
        claims = {"htm": method, "htu": address, "iat": int(time.time()), "jti": str(uuid.uuid4())}
        if token:
            claims["ath"] = base64url(hashlib.sha256(token.encode()).digest())
        claims.update(changes)
        head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk, **(header or {})}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        r, s = decode_dss_signature(self.private.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@pytest.fixture(scope="module")
def clinic(houses):
    return Clinic(houses())


@pytest.fixture(autouse=True)
def own_address(clinic):
    clinic.session.mount("https://", FromAddress(next(ADDRESSES)))


@pytest.fixture(scope="module")
def app(clinic):
    return clinic.app()


@pytest.fixture
def browser(chromium, clinic):  # noqa: F811
    made = Browser(chromium, clinic.origin)
    made.page.route(f"{ORIGIN}/**", lambda route: route.fulfill(status=200, body="<title>App</title>"))
    yield made
    made.context.close()


@pytest.fixture(scope="module")
def cookies(clinic, chromium):  # noqa: F811
    """Of a clinician who stays signed in."""
    return signed_in(clinic, chromium, "mira", "clinician")


def signed_in(clinic, chromium, login, role):  # noqa: F811
    browser = Browser(chromium, clinic.origin)
    enrol(browser, link_for(clinic.house, login, role))
    found = {cookie["name"]: cookie["value"] for cookie in browser.context.cookies()}
    browser.context.close()
    return found


def library(clinic, app, scope):
    smart = FHIRClient(settings={
        "app_id": app, "api_base": clinic.base, "redirect_uri": REDIRECT, "scope": scope})
    smart.server.session.verify = str(clinic.house.authority)
    smart.server.session.trust_env = False
    smart.prepare()
    return smart


def launched(clinic, app, browser, login):
    """A standalone launch by the library, decided on in the browser."""
    enrol(browser, link_for(clinic.house, login, "clinician"))
    browser.open("/app")
    browser.press("Sign out")
    browser.page.wait_for_url(re.compile("/sign-in"))
    smart = library(clinic, app, "openid fhirUser launch/patient patient/Patient.rs patient/Observation.rs")
    browser.page.goto("about:blank")
    browser.page.goto(smart.authorize_url)
    # Nobody is signed in: the way leads over the sign-in page and back.
    browser.page.wait_for_url(re.compile("/sign-in[?]back="))
    browser.press("Sign in with a passkey")
    browser.page.wait_for_url(re.compile("^https://[^/]+/app/authorize/"))
    return smart


def test_a_published_library_completes_a_standalone_launch(clinic, app, browser):
    smart = launched(clinic, app, browser, "lea")
    assert browser.faults() == []
    text = browser.page.inner_text("main")
    assert "Growth chart" in text and "See and search results and measurements of this patient" in text
    # Without a patient it does not go on.
    browser.press("Allow")
    browser.page.get_by_text("Choose the patient first").first.wait_for()
    assert browser.faults() == []
    browser.page.get_by_label("Find a patient by name").fill("sonnen")
    browser.press("Find")
    browser.page.get_by_text("Sina Sonnenschein, born 1980-02-03").wait_for()
    # Nobody is chosen in advance: the only one found may be the wrong one.
    assert not browser.page.get_by_role("radio").is_checked()
    browser.page.get_by_role("radio").check()
    assert "Andersen" not in browser.page.inner_text("main") and browser.faults() == []
    assert "sonnen" not in browser.page.url
    browser.page.get_by_label(re.compile("results and measurements")).uncheck()
    browser.press("Allow")
    browser.page.wait_for_url(re.compile("^https://app.example/callback[?]"))
    answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(browser.page.url).query))
    assert set(answer) == {"code", "state", "iss"} and answer["iss"] == clinic.origin
    smart.handle_callback(browser.page.url)
    assert smart.ready and smart.launch_context["patient"] == clinic.patient
    assert set(smart.launch_context["scope"].split()) == {"openid", "fhirUser", "launch/patient", "patient/Patient.rs"}
    assert "id_token" in smart.launch_context and smart.server.auth.refresh_token is None
    # Nothing of the app's stays in the browser of the clinic's site.
    browser.open("/app")
    assert browser.stored() == [[], [], 0, 0, ""]
    # What was unticked is not there.
    with pytest.raises(FHIRPermissionDeniedException):
        smart.server.request_json(f"Observation?patient={clinic.patient}")


def test_a_published_library_reads_the_patient_of_its_launch(clinic, app, cookies):
    smart = library(clinic, app, "launch/patient patient/Patient.rs")
    url = smart.authorize_url
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    answer = clinic.consent(app, cookies, {"patient": clinic.patient}, **asked)
    smart.handle_callback(f"{REDIRECT}?{urllib.parse.urlencode(answer)}")
    assert smart.patient.id == clinic.patient and smart.patient.birthDate.isostring == "1980-02-03"
    # The same person may see the other patient, the app may not.
    with pytest.raises((FHIRPermissionDeniedException, FHIRNotFoundException)):
        smart.server.request_json(f"Patient/{clinic.other}")
    found = smart.server.request_json("Patient")
    assert [entry["resource"]["id"] for entry in found["entry"]] == [clinic.patient]
    with pytest.raises(FHIRPermissionDeniedException):
        smart.server.put_json(f"Patient/{clinic.patient}", smart.patient.as_json())


def test_an_app_sees_what_patient_person_and_scope_have_in_common(clinic, app, chromium):  # noqa: F811
    integration = clinic.house.client("integration")

    def observation(patient, category):
        system = "http://terminology.hl7.org/CodeSystem/observation-category"
        return integration.create({
            "resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "category": [{"coding": [{"system": system, "code": category}]}],
            "subject": {"reference": f"Patient/{patient}"}})["id"]

    laboratory, vital, foreign = (
        observation(clinic.patient, "laboratory"), observation(clinic.patient, "vital-signs"),
        observation(clinic.other, "laboratory"))
    done = clinic.house.ward(
        "user", "add", "paul", "--name", "Paul", "--role", "proxy", "--patient", clinic.patient, "--patient",
        clinic.other)
    browser = Browser(chromium, clinic.origin)
    enrol(browser, LINK.search(done.stdout).group(0))
    mine = {cookie["name"]: cookie["value"] for cookie in browser.context.cookies()}
    browser.context.close()
    page = html.unescape(REFRESH.search(clinic.ask(app, scope="patient/Observation.rs").text).group(1))
    shown = clinic.session.get(clinic.origin + page, cookies=mine, timeout=30).text
    assert "Sina Sonnenschein, born 1980-02-03" in shown and "Bo Andersen, birth date not known" in shown

    def seen(scope):
        code = clinic.consent(app, mine, {"patient": clinic.patient}, scope=scope)["code"]
        token = clinic.exchange(app, code).json()["access_token"]
        return {each for each in (laboratory, vital, foreign)
                if clinic.get(f"Observation/{each}", f"Bearer {token}").status_code == 200}

    assert seen("user/Observation.rs") == {laboratory, vital, foreign}
    assert seen("patient/Observation.rs") == {laboratory, vital}
    assert seen("patient/Observation.rs?category=laboratory") == {laboratory}
    assert seen("user/Observation.rs?category=laboratory") == {laboratory, foreign}
    assert seen("patient/Patient.rs") == set() and seen("openid") == set()
    # Nobody's own access is more than what the clinic's records say of them.
    assert seen("user/*.cruds") == {laboratory, vital, foreign}


def test_no_means_no(clinic, app, browser):
    smart = launched(clinic, app, browser, "nora")
    browser.press("Do not allow")
    browser.page.wait_for_url(re.compile("^https://app.example/callback[?]"))
    assert "error=access_denied" in browser.page.url and "code=" not in browser.page.url
    with pytest.raises(Exception, match="did not allow"):
        smart.handle_callback(browser.page.url)


def test_an_app_is_opened_for_a_patient_from_here(clinic, app, browser):
    enrol(browser, link_for(clinic.house, "olga", "clinician"))
    browser.open("/app/apps")
    browser.page.get_by_label("Find a patient by name").fill("Sina")
    browser.press("Find")
    browser.page.get_by_text("Sina Sonnenschein").wait_for()
    assert browser.faults() == []
    browser.page.get_by_label("Growth chart").first.check()
    browser.page.get_by_label(re.compile("Sina Sonnenschein")).check()
    browser.press("Open")
    browser.page.wait_for_url(re.compile("^https://app.example/launch[?]"))
    given = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(browser.page.url).query))
    assert given["iss"] == clinic.base and clinic.patient not in browser.page.url
    mine = {cookie["name"]: cookie["value"] for cookie in browser.context.cookies()}
    answer = clinic.consent(app, mine, scope="launch openid", launch=given["launch"])
    assert clinic.exchange(app, answer["code"]).json()["patient"] == clinic.patient
    again = clinic.ask(app, scope="launch openid", launch=given["launch"])
    assert again.status_code == 303 and "error=invalid_request" in again.headers["Location"]


def test_somebody_who_is_no_member_chooses_among_their_own(clinic, app, browser):
    done = clinic.house.ward(
        "user", "add", "pat", "--name", "Pat Sonnenschein", "--role", "patient", "--patient", clinic.patient)
    enrol(browser, LINK.search(done.stdout).group(0))
    mine = {cookie["name"]: cookie["value"] for cookie in browser.context.cookies()}
    scope = "launch/patient patient/Observation.rs"
    path = html.unescape(REFRESH.search(clinic.ask(app, scope=scope).text).group(1))
    browser.open(path)
    assert browser.page.get_by_label("Find a patient by name").count() == 0 and browser.faults() == []
    assert browser.page.get_by_role("radio").is_checked()
    form = [("form", browser.page.locator("main input[name=form]").get_attribute("value")), ("decision", "allow"),
            ("scope", "patient/Observation.rs"), ("patient", clinic.other)]
    refused = clinic.session.post(clinic.origin + path, data=form, cookies=mine, timeout=30)
    assert refused.status_code == 422 and "Choose the patient first" in refused.text
    browser.press("Allow")
    browser.page.wait_for_url(re.compile("^https://app.example/callback[?]"))
    answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(browser.page.url).query))
    assert clinic.exchange(app, answer["code"]).json()["patient"] == clinic.patient


def test_the_sample_app_connects_and_renews_with_a_key_that_cannot_be_exported(clinic, browser):
    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = urllib.parse.urlsplit(self.path).path.strip("/") or "index.html"
            file = ROOT / "Examples/smart-app" / name
            self.send_response(200 if file.is_file() else 404)
            self.send_header("Content-Type", types.get(name.rpartition(".")[2], "text/plain"))
            self.end_headers()
            if file.is_file():
                self.wfile.write(file.read_text().replace("https://localhost:8443", clinic.origin).encode())

        def log_message(self, *_):
            pass

    types = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    redirect = f"http://127.0.0.1:{server.server_port}/"
    sample = clinic.app(client_name="Sample", redirect_uris=[redirect], initiate_login_uri=redirect)
    enrol(browser, link_for(clinic.house, "vera", "clinician"))
    browser.page.goto(redirect)
    assert browser.faults() == []
    browser.page.get_by_label("client_id").fill(sample)
    browser.press("Connect")
    browser.page.wait_for_url(re.compile("^https://[^/]+/app/authorize/"))
    browser.page.get_by_label("Find a patient by name").fill("Sina")
    browser.press("Find")
    browser.page.get_by_label(re.compile("Sina Sonnenschein")).check()
    browser.press("Allow")
    browser.page.get_by_text("Sina Sonnenschein, born 1980-02-03").wait_for()
    # The address holds no code any more, and nothing is stored.
    assert browser.page.url == redirect
    assert browser.page.evaluate("() => [localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    with browser.page.expect_response(lambda answer: answer.url.endswith("/oauth/token")) as renewed:
        browser.press("Renew the token")
    assert renewed.value.status == 200 and renewed.value.json()["token_type"] == "DPoP"
    events = clinic.house.events("--kind", "token-issued")
    assert [event["decision"] for event in events if sample in event.get("app", "")] == ["refresh-token", "code"]
    server.shutdown()


# MARK: Registration and approval


def test_an_app_is_nobody_until_an_administrator_approves(clinic, browser):
    answer = clinic.register(client_name="Waits <b>here</b>")
    assert answer.status_code == 201 and answer.json()["ward_state"] == "awaiting approval"
    name = answer.json()["client_id"]
    refused = clinic.ask(name)
    assert refused.status_code == 403 and "approval" in refused.text and "Location" not in refused.headers
    enrol(browser, link_for(clinic.house, "adam", "administrator"))
    browser.open("/app/clients")
    assert "Waits <b>here</b>" in browser.page.inner_text("main") and browser.faults() == []
    browser.page.locator("tr", has_text=name).get_by_role("button", name="Approve").click()
    browser.page.wait_for_url("**/app/clients")
    assert clinic.ask(name).status_code == 200
    listed = [json.loads(line) for line in clinic.house.ward("client", "list", "--json").stdout.splitlines()]
    assert [each["state"] for each in listed if each["name"] == name] == ["approved"]
    assert clinic.house.ward("client", "remove", name).returncode == 0
    assert clinic.ask(name).status_code == 400
    kinds = [event["kind"] for event in clinic.house.events()]
    assert {"app-registered", "app-approved", "app-removed"} <= set(kinds)


def test_apps_are_administered_by_administrators_only(clinic, cookies):
    assert clinic.session.get(f"{clinic.origin}/app/clients", cookies=cookies, timeout=30).status_code == 403


@pytest.mark.parametrize("change, error", [
    ({"jwks_uri": "https://app.example/jwks"}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "client_secret_basic"}, "invalid_client_metadata"),
    ({"grant_types": ["implicit"]}, "invalid_client_metadata"), ({"grant_types": ["password"]}, "invalid_client_metadata"),
    ({"redirect_uris": ["http://app.example/x"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://app.example/x#y"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://u@app.example/x"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"), ({"client_name": ""}, "invalid_client_metadata"),
])
def test_a_registration_with_a_fault_is_refused(clinic, change, error):
    answer = clinic.register(**change)
    assert answer.status_code == 400 and answer.json()["error"] == error


# MARK: Refusals


@pytest.mark.parametrize("redirect", [
    REDIRECT + "/", REDIRECT + "2", REDIRECT[:-1], REDIRECT + "?a=b", REDIRECT + "#a", "https://app.example/Callback",
    "https://APP.example/callback", "http://app.example/callback", "https://app.example:443/callback",
    "https://app.example:8443/callback", "https://app.example@evil.example/callback",
    "https://evil.example/callback", "https://app.example.evil.example/callback", None,
])
def test_a_foreign_redirect_is_never_followed(clinic, app, redirect):
    answer = clinic.ask(app, redirect_uri=redirect)
    assert answer.status_code == 400 and "Location" not in answer.headers
    assert "evil" not in answer.text and "http-equiv" not in answer.text


@pytest.mark.parametrize("change, error", [
    ({"response_type": "token"}, "unsupported_response_type"), ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"), ({"code_challenge": None}, "invalid_request"),
    ({"aud": "https://evil.example/fhir"}, "invalid_request"), ({"aud": None}, "invalid_request"),
    ({"state": None}, "invalid_request"), ({"scope": "system/*.cruds made-up"}, "invalid_scope"),
    ({"scope": "launch openid", "launch": "made-up"}, "invalid_request"),
])
def test_a_faulty_request_goes_back_to_the_app(clinic, app, change, error):
    answer = clinic.ask(app, **change)
    assert answer.status_code == 303
    given = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["Location"]).query))
    assert answer.headers["Location"].startswith(REDIRECT + "?") and given["error"] == error
    assert given["iss"] == clinic.origin


def test_another_site_cannot_decide_for_somebody(clinic, app, cookies):
    path = html.unescape(REFRESH.search(clinic.ask(app).text).group(1))
    page = clinic.session.get(clinic.origin + path, cookies=cookies, timeout=30)
    form = {"form": FORM.search(page.text).group(1), "decision": "allow", "scope": "openid"}

    def post(data, **headers):
        return clinic.session.post(
            clinic.origin + path, data=data, cookies=cookies, headers=headers, allow_redirects=False, timeout=30)

    assert post({**form, "form": "x"}).status_code == 403
    assert post(form, Origin="https://app.example").status_code == 403
    assert post(form, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    # Without being signed in there is only the way to the sign-in page.
    stranger = requests.get(clinic.origin + path, verify=str(clinic.house.authority), allow_redirects=False, timeout=30)
    assert stranger.status_code == 303 and stranger.headers["Location"].startswith("/sign-in?back=/app/authorize/")


@pytest.mark.parametrize("change", [
    {"code_verifier": VERIFIER[:-1] + "l"}, {"code_verifier": CHALLENGE}, {"redirect_uri": REDIRECT + "/"},
    {"redirect_uri": "https://evil.example/"},
])
def test_a_code_is_good_once_for_whom_it_was_made(clinic, app, cookies, change):
    code = clinic.consent(app, cookies)["code"]
    assert clinic.exchange(app, code, **change).json()["error"] == "invalid_grant"
    assert clinic.exchange(app, code).json()["error"] == "invalid_grant"


def test_a_code_shown_twice_ends_what_came_of_it(clinic, app, cookies):
    code = clinic.consent(app, cookies)["code"]
    token = clinic.exchange(app, code).json()["access_token"]
    assert clinic.get("Patient", f"Bearer {token}").status_code != 401
    assert clinic.exchange(app, code).status_code == 400
    assert clinic.get("Patient", f"Bearer {token}").status_code == 401


def test_secrets_and_passwords_get_nobody_in(clinic, app, cookies):
    code = clinic.consent(app, cookies)["code"]
    assert clinic.exchange(app, code, client_secret="s").json()["error"] == "invalid_client"
    basic = clinic.post("token", {"grant_type": "authorization_code", "code": code}, auth=(app, "s"))
    assert basic.status_code == 401
    for grant in ("password", "implicit", "urn:ietf:params:oauth:grant-type:device_code"):
        answer = clinic.post("token", {"grant_type": grant, "client_id": app})
        assert answer.json()["error"] == "unsupported_grant_type"


# MARK: Keys and ends


@pytest.fixture
def bound(clinic, app, cookies):
    """Tokens bound to a key."""
    key = ProofKey()
    code = clinic.consent(app, cookies)["code"]
    answer = clinic.exchange(app, code, key.proof("POST", f"{clinic.origin}/oauth/token"))
    assert answer.status_code == 200 and answer.json()["token_type"] == "DPoP", answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return key, answer.json()


def test_a_bound_token_needs_a_proof_for_each_request(clinic, bound):
    key, tokens = bound
    token = tokens["access_token"]
    address = f"{clinic.base}/Patient"
    proof = key.proof("GET", address, token)
    assert clinic.get("Patient", f"DPoP {token}", proof).status_code != 401
    for authorization, shown in [
        (f"DPoP {token}", proof), (f"DPoP {token}", None), (f"Bearer {token}", None),
        (f"Bearer {token}", key.proof("GET", address, token)), (f"DPoP {token}", ProofKey().proof("GET", address, token)),
        (f"DPoP {token}", key.proof("POST", address, token)), (f"DPoP {token}", key.proof("GET", clinic.base, token)),
        (f"DPoP {token}", key.proof("GET", address, "other")), (f"DPoP {token}", key.proof("GET", address)),
        (f"DPoP {token}", key.proof("GET", address, token, iat=int(time.time()) - 300)),
        (f"DPoP {token}", key.proof("GET", address, token, header={"alg": "none"})),
        (f"DPoP {token}", key.proof("GET", address, token, header={"alg": "HS256"})),
        (f"DPoP {token}", key.proof("GET", address, token, header={"typ": "JWT"})),
    ]:
        # A stranger's failures slow the address down; it is the same refusal.
        assert clinic.get("Patient", authorization, shown).status_code == 401


def test_a_refresh_token_used_again_ends_the_family(clinic, app, bound):
    key, tokens = bound
    address = f"{clinic.origin}/oauth/token"
    assert clinic.refresh(app, tokens["refresh_token"]).json()["error"] == "invalid_dpop_proof"
    renewed = clinic.refresh(app, tokens["refresh_token"], key.proof("POST", address)).json()
    assert renewed["refresh_token"] != tokens["refresh_token"]
    again = clinic.refresh(app, tokens["refresh_token"], key.proof("POST", address))
    assert again.status_code == 400 and again.json()["error"] == "invalid_grant"
    token = renewed["access_token"]
    assert clinic.get("Patient", f"DPoP {token}", key.proof("GET", f"{clinic.base}/Patient", token)).status_code == 401
    assert clinic.refresh(app, renewed["refresh_token"], key.proof("POST", address)).status_code == 400


def test_revocation_takes_effect_at_once(clinic, app, bound):
    key, tokens = bound
    assert clinic.post("revoke", {"client_id": app, "token": tokens["refresh_token"]}).status_code == 200
    token = tokens["access_token"]
    assert clinic.get("Patient", f"DPoP {token}", key.proof("GET", f"{clinic.base}/Patient", token)).status_code == 401
    assert clinic.post("introspect", {"client_id": app, "token": token}).status_code == 401


class Signer:
    """A registered client with a key of its own (`private_key_jwt`)."""

    def __init__(self, clinic, **changes):
        self.clinic = clinic
        self.key = Key.fresh("k1")
        self.name = clinic.app(
            client_name="Server", token_endpoint_auth_method="private_key_jwt",
            jwks={"keys": [self.key.public_jwk]}, **changes)

    def signed(self, endpoint="token", header=None, **changes):
        now = int(time.time())
        claims = {"iss": self.name, "sub": self.name, "aud": f"{self.clinic.origin}/oauth/{endpoint}", "iat": now,
                  "exp": now + 200, "jti": str(uuid.uuid4()), **changes}
        head = {"alg": "ES384", "typ": "JWT", "kid": "k1", **(header or {})}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        return {"client_assertion_type": JWT_BEARER,
                "client_assertion": f"{text}.{base64url(self.key.sign(text.encode()))}"}


def test_a_resource_server_sees_whether_a_token_is_good(clinic, app, bound):
    _, tokens = bound
    resource = Signer(clinic, redirect_uris=[], grant_types=[], initiate_login_uri=None)

    def ask(token, form):
        return clinic.post("introspect", {"token": token, **form})

    seen = ask(tokens["access_token"], resource.signed("introspect")).json()
    assert seen["active"] is True and seen["client_id"] == app and seen["cnf"]["jkt"]
    assert ask("made-up", resource.signed("introspect")).json() == {"active": False}
    again = resource.signed("introspect")
    assert ask("made-up", again).status_code == 200 and ask("made-up", again).status_code == 401
    for form in ({}, {"client_id": app}, resource.signed(header={"alg": "none"}), resource.signed(header={"kid": "k2"}),
                 resource.signed(aud="https://evil.example/"), resource.signed(exp=int(time.time()) - 60)):
        assert ask(tokens["access_token"], form).status_code == 401
    clinic.post("revoke", {"client_id": app, "token": tokens["access_token"]})
    assert ask(tokens["access_token"], resource.signed("introspect")).json() == {"active": False}


def test_a_resource_server_sees_tokens_of_backend_services_too(clinic):
    resource = Signer(clinic, redirect_uris=[], grant_types=[], initiate_login_uri=None)
    server = Signer(clinic)

    def ask(token, form):
        return clinic.post("introspect", {"token": token, **form})

    token = clinic.house.token("integration", "system/Patient.rs")
    seen = ask(token, resource.signed("introspect")).json()
    assert seen["active"] is True and seen["sub"] == seen["client_id"] == "integration"
    assert seen["scope"] == "system/Patient.rs" and seen["iss"] == clinic.origin and seen["aud"] == clinic.base
    assert 0 < seen["exp"] - time.time() <= 900 and abs(seen["iat"] - time.time()) < 60
    assert not {"patient", "fhirUser", "cnf", "username"} & set(seen)
    whole = ask(clinic.house.token("integration"), resource.signed("introspect")).json()
    assert whole["scope"] == "system/*.cruds"
    # Everything else is the same no, whatever it is.
    nos = {ask(text, resource.signed("introspect")).text
           for text in ("x", token[:-1], token + "A", token.swapcase(), " ", "integration", resource.name, "a.b.c")}
    assert nos == {'{"active":false}'}
    # Nobody else may ask: no backend service, no app, no stranger.
    for form in (server.signed("introspect"), {"client_id": server.name}, {"client_id": "integration"}, {}):
        assert ask(token, form).status_code == 401
    bearer = clinic.post("introspect", {"token": token}, headers={"Authorization": f"Bearer {token}"})
    assert bearer.status_code == 401
    clinic.house.add_client("leaver", "integration")
    gone = clinic.house.token("leaver")
    assert ask(gone, resource.signed("introspect")).json()["active"] is True
    assert clinic.house.ward("client", "remove", "leaver").returncode == 0
    assert ask(gone, resource.signed("introspect")).text == '{"active":false}'


def test_a_server_with_an_rsa_key_is_an_app_like_others(clinic, cookies):
    private = rsa.generate_private_key(65537, 2048)
    jwk = RSAIssuer(clinic.house, "x", private).public_jwk

    class RSASigner(Signer):
        def __init__(self):
            self.clinic = clinic
            self.key = RSAIssuer(clinic.house, "x", private)
            self.name = clinic.app(
                client_name="RSA", token_endpoint_auth_method="private_key_jwt", jwks={"keys": [jwk]})

    server = RSASigner()
    right = {"alg": "RS384", "kid": "rsa-1"}
    code = clinic.consent(server.name, cookies)["code"]
    for header in ({**right, "alg": "ES384"}, {**right, "alg": "RS256"}, {**right, "alg": "none"}, {"alg": "RS384"}):
        assert clinic.exchange(server.name, code, **server.signed(header=header)).status_code == 401
    tokens = clinic.exchange(server.name, code, **server.signed(header=right))
    assert tokens.status_code == 200, tokens.text


# MARK: What an app asks of the person


def test_an_authorization_may_be_asked_by_a_form(clinic, app, cookies):
    form = clinic.parameters(app)
    address = f"{clinic.origin}/oauth/authorize"

    def ask(data, **headers):
        return clinic.session.post(address, data=data, headers=headers, allow_redirects=False, timeout=30)

    for headers in ({}, {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}):
        begun = ask(form, **headers)
        assert begun.status_code == 200, begun.text
        path = html.unescape(REFRESH.search(begun.text).group(1))
        assert "Allow an app?" in clinic.session.get(clinic.origin + path, cookies=cookies, timeout=30).text
    # The same rules as for an address, and one place for the parameters.
    assert ask({**form, "client_id": "nobody"}).status_code == 400
    assert ask({**form, "redirect_uri": "https://evil.example/"}).status_code == 400
    assert ask(list(form.items()) + [("state", "x")]).status_code == 400
    wrong = ask({**form, "code_challenge_method": "plain"})
    assert wrong.status_code == 303 and "error=invalid_request" in wrong.headers["Location"]
    beside = clinic.session.post(f"{address}?client_id={app}", data=form, allow_redirects=False, timeout=30)
    assert beside.status_code == 400 and "Location" not in beside.headers
    assert ask(json.dumps(form), **{"Content-Type": "application/json"}).status_code == 415
    # It knows nobody, so that a form from elsewhere decides nothing: cookies change no letter of the answer's way.
    known = clinic.session.post(address, data=form, cookies=cookies, allow_redirects=False, timeout=30)
    assert "/app/authorize/" in known.text and "code=" not in known.text
    smart = clinic.session.get(f"{clinic.base}/.well-known/smart-configuration", timeout=30).json()
    assert "authorize-post" in smart["capabilities"]


def test_without_a_question_there_is_no_code(clinic, app, cookies):
    def ask(who, **changes):
        begun = clinic.ask(app, prompt="none", **changes)
        path = html.unescape(REFRESH.search(begun.text).group(1))
        answer = clinic.session.get(clinic.origin + path, cookies=who, allow_redirects=False, timeout=30)
        target = html.unescape(REFRESH.search(answer.text).group(1))
        assert target.startswith(REDIRECT + "?") and "code=" not in target
        given = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))
        assert given["state"] == "st-1" and given["iss"] == clinic.origin
        # Once.
        assert clinic.session.get(clinic.origin + path, cookies=who, allow_redirects=False, timeout=30).status_code in (303, 404)
        return given["error"]

    assert ask({}) == "login_required"
    assert ask(cookies) == "consent_required"
    assert ask(cookies, scope="launch/patient patient/Patient.rs") == "interaction_required"
    assert ask(cookies, max_age="0") == "login_required"
    for prompt in ("none login", "select_account", "LOGIN"):
        assert "invalid_request" in clinic.ask(app, prompt=prompt).headers["Location"]


def test_an_app_may_want_a_fresh_proof_and_is_told_of_it(clinic, app, browser):
    enrol(browser, link_for(clinic.house, "frida", "clinician"))
    begun = time.time()
    asked = urllib.parse.urlencode(clinic.parameters(
        app, prompt="login", scope="openid user/Patient.rs", nonce="n-9", login_hint="<script>alert(1)</script>"))
    browser.page.goto("about:blank")
    browser.page.goto(f"{clinic.origin}/oauth/authorize?{asked}")
    # Signed in a moment ago, and asked again all the same.
    browser.page.wait_for_url(re.compile("/app/step-up[?]back=/app/authorize/"))
    assert "alert(1)" not in browser.page.content() and browser.faults() == []
    browser.press("Confirm with a passkey")
    browser.page.wait_for_url(re.compile("^https://[^/]+/app/authorize/"))
    text = browser.page.inner_text("main")
    assert "It gets its answer at app.example" in text and browser.faults() == []
    browser.press("Allow")
    browser.page.wait_for_url(re.compile("^https://app.example/callback[?]"))
    given = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(browser.page.url).query))
    token = clinic.exchange(app, given["code"]).json()["id_token"]
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["auth_time"] >= int(begun) and claims["nonce"] == "n-9"


# MARK: What strangers may fill


def test_nothing_of_an_app_is_loaded_and_its_places_are_shown(clinic, cookies, chromium):  # noqa: F811
    app = clinic.app(
        client_name="Plain & simple", logo_uri="https://evil.example/logo.png", policy_uri="https://evil.example/policy",
        tos_uri="https://evil.example/tos", client_uri="https://evil.example/", software_statement="x.y.z")
    begun = clinic.ask(app)
    path = html.unescape(REFRESH.search(begun.text).group(1))
    page = clinic.session.get(clinic.origin + path, cookies=cookies, timeout=30).text
    assert "evil.example" not in page and "Plain &amp; simple" in page and "<bdi>app.example</bdi>" in page
    chief = signed_in(clinic, chromium, "chief-of-apps", "administrator")
    listed = clinic.session.get(f"{clinic.origin}/app/clients", cookies=chief, timeout=30).text
    assert "evil.example" not in listed and "opened at https://app.example/launch" in listed
    assert clinic.house.ward("client", "remove", app).returncode == 0


@pytest.mark.parametrize("name", [
    "Growth\u202etrahc", "a\u2066b", "a\u200bb", "a\nb", "a\u0000b", "a\u009bb", "\u3164", "x ", "", "a" * 81])
def test_a_name_that_is_not_what_it_looks_like_is_refused(clinic, name):
    answer = clinic.register(client_name=name)
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_client_metadata"


def test_a_page_of_another_site_registers_nothing(clinic):
    body = json.dumps({"client_name": "x", "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = clinic.session.post(
            f"{clinic.origin}/oauth/register", data=body, headers={"Content-Type": kind}, timeout=30)
        assert answer.status_code == 400, kind


def test_one_address_keeps_nobody_from_registering(clinic):
    made = []
    for _ in range(12):
        answer = clinic.register(client_name="Flood")
        if answer.status_code == 201:
            made.append(answer.json()["client_id"])
    assert len(made) == 10 and answer.status_code == 503
    clinic.session.mount("https://", FromAddress(next(ADDRESSES)))
    other = clinic.register(client_name="Other")
    assert other.status_code == 201
    for each in [*made, other.json()["client_id"]]:
        assert clinic.house.ward("client", "remove", each).returncode == 0


def test_wrong_codes_stand_in_the_log_counted_by_address(houses):
    house = houses(roles=("administrator", "integration"))
    small = Clinic(house)
    address = next(ADDRESSES)
    small.session.mount("https://", FromAddress(address))
    app = small.app()
    for _ in range(7):
        assert small.exchange(app, "made-up").json()["error"] == "invalid_grant"
    assert small.post("introspect", {"token": "x", "client_id": app}).status_code == 401
    house.restart()
    events = [event for event in house.events("--kind", "sign-in-failed") if event["from"] == address]
    assert sum(event["count"] for event in events) == 8 and len(events) <= 3
    house.kill()


def test_a_server_renews_its_tokens_by_signing(clinic, cookies):
    server = Signer(clinic)
    code = clinic.consent(server.name, cookies)["code"]
    assert clinic.exchange(server.name, code).status_code == 401
    tokens = clinic.exchange(server.name, code, **server.signed()).json()
    assert tokens["token_type"] == "Bearer"
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert clinic.post("token", {**form, "client_id": server.name}).status_code == 401
    renewed = clinic.post("token", {**form, **server.signed()})
    assert renewed.status_code == 200 and renewed.json()["refresh_token"] != tokens["refresh_token"]
    assert clinic.post("token", {**form, **server.signed()}).json()["error"] == "invalid_grant"
    assert clinic.get("Patient", f"Bearer {renewed.json()['access_token']}").status_code == 401


@pytest.mark.parametrize("end", ["disable", "demote", "sign out", "remove the app"])
def test_the_end_of_a_person_a_session_or_an_app_ends_its_tokens(clinic, chromium, end):  # noqa: F811
    app = clinic.app(client_name="Short lived")
    login = f"p-{end.replace(' ', '-')}"
    mine = signed_in(clinic, chromium, login, "clinician")
    code = clinic.consent(app, mine, scope="openid user/Patient.rs")["code"]
    token = clinic.exchange(app, code).json()["access_token"]
    assert clinic.get("Patient", f"Bearer {token}").status_code != 401
    if end == "disable":
        assert clinic.house.ward("user", "disable", login).returncode == 0
    elif end == "demote":
        assert clinic.house.ward("user", "roles", login, "--role", "front-desk").returncode == 0
    elif end == "sign out":
        page = clinic.session.get(f"{clinic.origin}/app", cookies=mine, timeout=30)
        form = {"form": FORM.search(page.text).group(1)}
        clinic.session.post(
            f"{clinic.origin}/sign-out", data=form, cookies=mine, allow_redirects=False, timeout=30)
    else:
        assert clinic.house.ward("client", "remove", app).returncode == 0
    assert clinic.get("Patient", f"Bearer {token}").status_code == 401


def test_the_log_names_the_person_and_the_app(clinic, app, bound):
    events = clinic.house.events()
    issued = next(event for event in events if event["kind"] == "token-issued" and event.get("app"))
    assert issued["who"].startswith("person/") and app in issued["app"] and "Growth chart" in issued["app"]
    allowed = next(event for event in events if event["kind"] == "app-authorized")
    assert allowed["decision"] == "openid user/Patient.rs offline_access" and allowed["subject"] == f"app/{app}"
    key, tokens = bound
    token = tokens["access_token"]
    clinic.get(f"Patient/{clinic.other}", f"DPoP {token}", key.proof("GET", f"{clinic.base}/Patient/{clinic.other}", token))
    looked = next(event for event in clinic.house.events() if event["kind"] == "read")
    assert app in looked["app"] and looked["role"] == "clinician app"


# MARK: Other origins and documents


def test_scripts_of_approved_apps_alone_may_read_answers(clinic, app):
    def ask(path, origin, method="GET", **headers):
        return clinic.session.request(
            method, clinic.origin + path, headers={"Origin": origin, **headers}, allow_redirects=False, timeout=30)

    for path in ["/fhir/metadata", "/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration",
                 "/.well-known/openid-configuration", "/.well-known/jwks.json", "/fhir/Patient"]:
        answer = ask(path, ORIGIN)
        assert answer.headers.get("Access-Control-Allow-Origin") == ORIGIN and answer.headers["Vary"] == "Origin", path
        assert "Access-Control-Allow-Credentials" not in answer.headers
        for foreign in ("https://evil.example", "https://app.example.evil.example", "http://app.example", "null"):
            assert "Access-Control-Allow-Origin" not in ask(path, foreign).headers
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,dpop"}
    before = ask("/fhir/Patient", ORIGIN, "OPTIONS", **asked)
    assert before.status_code == 204 and "DPoP" in before.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in ask("/fhir/Patient", "https://evil.example", "OPTIONS", **asked).headers
    for page in ("/", "/sign-in", "/app", "/oauth/authorize", "/oauth/register", "/oauth/introspect"):
        assert "Access-Control-Allow-Origin" not in ask(page, ORIGIN).headers, page


def test_an_identity_is_signed_by_the_published_key(clinic, app, chromium):  # noqa: F811
    done = clinic.house.ward(
        "user", "add", "ida", "--name", "Dr Ida", "--role", "clinician", "--practitioner", "ida-1")
    browser = Browser(chromium, clinic.origin)
    enrol(browser, LINK.search(done.stdout).group(0))
    mine = {cookie["name"]: cookie["value"] for cookie in browser.context.cookies()}
    browser.context.close()
    code = clinic.consent(app, mine, scope="openid fhirUser profile", nonce="n-7")["code"]
    token = clinic.exchange(app, code).json()["id_token"]
    decoded = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]
    header, claims = json.loads(decoded[0]), json.loads(decoded[1])
    jwk = clinic.session.get(f"{clinic.origin}/.well-known/jwks.json", timeout=30).json()["keys"][0]
    x, y = (int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "="), "big") for name in "xy")
    r, s = (int.from_bytes(decoded[2][half:half + 32], "big") for half in (0, 32))
    ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key().verify(
        encode_dss_signature(r, s), token.rpartition(".")[0].encode(), ec.ECDSA(hashes.SHA256()))
    assert header["alg"] == "ES256" and header["kid"] == jwk["kid"] and len(decoded[2]) == 64
    assert claims["iss"] == clinic.origin and claims["aud"] == app and claims["nonce"] == "n-7"
    assert claims["fhirUser"] == f"{clinic.base}/Practitioner/ida-1" and claims["name"] == "Dr Ida"
    assert abs(claims["iat"] - time.time()) < 60 and claims["exp"] - claims["iat"] == 300


def test_the_documents_say_what_is_there(clinic):
    smart = clinic.session.get(f"{clinic.base}/.well-known/smart-configuration", timeout=30).json()
    for name in ("authorization_endpoint", "token_endpoint", "registration_endpoint", "introspection_endpoint",
                 "revocation_endpoint", "jwks_uri", "issuer"):
        assert smart[name].startswith(clinic.origin), name
    assert smart["code_challenge_methods_supported"] == ["S256"]
    assert {"launch-ehr", "launch-standalone", "client-public", "sso-openid-connect"} <= set(smart["capabilities"])
    keys = clinic.session.get(smart["jwks_uri"], timeout=30).json()["keys"]
    assert len(keys) == 1 and keys[0]["alg"] == "ES256" and "d" not in keys[0]
    opened = clinic.session.get(f"{clinic.origin}/.well-known/openid-configuration", timeout=30).json()
    assert opened["issuer"] == clinic.origin and opened["id_token_signing_alg_values_supported"] == ["ES256"]
    security = clinic.session.get(f"{clinic.base}/metadata", timeout=30).json()["rest"][0]["security"]
    uris = {each["url"]: each["valueUri"] for each in security["extension"][0]["extension"]}
    assert uris["authorize"] == smart["authorization_endpoint"] and uris["token"] == smart["token_endpoint"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
