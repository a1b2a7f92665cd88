"""`private_key_jwt` at /oauth/token: only a fresh assertion by the registered key, addressed here, gives a token."""

import base64
import hashlib
import hmac
import itertools
import json
import time
import uuid

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from conftest import in_parallel, outcome

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: Failures are throttled by address: each test takes one of its own.
ADDRESSES = (f"127.0.{high}.{low}" for high, low in itertools.product(range(1, 200), range(1, 250)))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Key:
    """The key pair of a client's key file."""

    def __init__(self, jwk):
        self.jwk = jwk
        self.kid = jwk["kid"]
        numbers = ec.EllipticCurvePublicNumbers(
            int.from_bytes(decoded(jwk["x"]), "big"), int.from_bytes(decoded(jwk["y"]), "big"), ec.SECP384R1())
        self.private = ec.EllipticCurvePrivateNumbers(int.from_bytes(decoded(jwk["d"]), "big"), numbers).private_key()

    @classmethod
    def fresh(cls, kid="foreign"):
        numbers = ec.generate_private_key(ec.SECP384R1()).private_numbers()
        return cls({
            "kid": kid, "x": base64url(numbers.public_numbers.x.to_bytes(48, "big")),
            "y": base64url(numbers.public_numbers.y.to_bytes(48, "big")),
            "d": base64url(numbers.private_value.to_bytes(48, "big"))})

    def sign(self, text):
        r, s = decode_dss_signature(self.private.sign(text, ec.ECDSA(hashes.SHA384())))
        return r.to_bytes(48, "big") + s.to_bytes(48, "big")

    @property
    def public_jwk(self):
        return {"kty": "EC", "crv": "P-384", "kid": self.kid, "x": self.jwk["x"], "y": self.jwk["y"]}

    @property
    def pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


OMIT = object()


class Issuer:
    """Makes assertions, right ones unless told otherwise."""

    def __init__(self, house, client):
        self.house = house
        self.client = client
        self.key = Key(json.loads(house.key_file(client).read_text()))
        self.endpoint = f"{house.origin}/oauth/token"

    def assertion(self, header=None, claims=None, key=None, sign=None):
        now = int(time.time())
        head = {"alg": "ES384", "typ": "JWT", "kid": self.key.kid, **(header or {})}
        body = {
            "iss": self.client, "sub": self.client, "aud": self.endpoint, "exp": now + 200, "iat": now,
            "jti": str(uuid.uuid4()), **(claims or {}),
        }
        head = {name: value for name, value in head.items() if value is not OMIT}
        body = {name: value for name, value in body.items() if value is not OMIT}
        text = f"{base64url(json.dumps(head).encode())}.{base64url(json.dumps(body).encode())}"
        signature = (sign or (key or self.key).sign)(text.encode())
        return f"{text}.{base64url(signature)}"

    def form(self, assertion, **more):
        fields = {
            "grant_type": "client_credentials", "client_assertion_type": JWT_BEARER, "client_assertion": assertion,
            **more,
        }
        return {name: value for name, value in fields.items() if value is not OMIT}

    def ask(self, assertion=None, address=None, headers=None, data=None, **more):
        client = self.house.stranger(address=address or next(ADDRESSES))
        assertion = self.assertion() if assertion is None else assertion
        return client.session.post(
            self.endpoint, data=self.form(assertion, **more) if data is None else data, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def issuer(house):
    return Issuer(house, "clinician")


def refused(answer, status=401, error="invalid_client"):
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["error"] == error
    assert "access_token" not in body
    assert answer.headers["Cache-Control"] == "no-store"
    return body


# MARK: A good assertion


def test_a_good_assertion_gives_a_short_lived_token_that_works(house, issuer):
    answer = issuer.ask()
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["token_type"].lower() == "bearer"
    assert 0 < body["expires_in"] <= 900
    assert body["scope"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(body["access_token"]) >= 43
    assert house.stranger(body["access_token"]).get("Patient").status_code == 200


def test_tokens_are_never_the_same(issuer):
    tokens = {issuer.ask().json()["access_token"] for _ in range(5)}
    assert len(tokens) == 5


@pytest.mark.parametrize("claims", [
    {"aud": ["{endpoint}"]}, {"aud": ["https://elsewhere.example", "{endpoint}"]}, {"nbf": 1},
    {"extra": {"a": [1, 2, 3]}}, {"exp": "{in}"},
], ids=str)
def test_what_the_standard_leaves_open_is_taken(issuer, claims):
    claims = {name: int(time.time()) + 100 if value == "{in}" else value for name, value in claims.items()}
    if isinstance(claims.get("aud"), list):
        claims["aud"] = [each.replace("{endpoint}", issuer.endpoint) for each in claims["aud"]]
    answer = issuer.ask(issuer.assertion(claims=claims))
    assert answer.status_code == 200, answer.text


# MARK: Claims

NOW = "now"


@pytest.mark.parametrize("claims", [
    {"aud": OMIT}, {"aud": None}, {"aud": ""}, {"aud": []}, {"aud": {}}, {"aud": 1}, {"aud": [1]}, {"aud": [[]]}, {"aud": [None]},
    {"aud": "https://elsewhere.example/oauth/token"}, {"aud": ["https://elsewhere.example"]}, {"aud": "{origin}"}, {"aud": "{endpoint}/"},
    {"aud": "{endpoint}?x=1"}, {"aud": "{endpoint}#x"}, {"aud": "urn:ward:control"}, {"aud": "{ENDPOINT}"},
    {"iss": OMIT}, {"iss": None}, {"iss": ""}, {"iss": 1}, {"iss": ["clinician"]}, {"iss": "integration"}, {"iss": "nobody"}, {"iss": "Clinician"},
    {"iss": "clinician "}, {"iss": "clinician\u0000"},
    {"sub": OMIT}, {"sub": None}, {"sub": ""}, {"sub": "integration"}, {"sub": ["clinician"]}, {"sub": "nobody"},
    {"exp": OMIT}, {"exp": None}, {"exp": "soon"}, {"exp": 0}, {"exp": -1}, {"exp": (NOW, -31)}, {"exp": (NOW, -3600)}, {"exp": (NOW, 3600)},
    {"exp": (NOW, 400)}, {"exp": 1e300}, {"exp": 99999999999999999999}, {"exp": True}, {"exp": []},
    {"nbf": (NOW, 3600)}, {"nbf": 1e300}, {"nbf": "x"}, {"iat": (NOW, 3600)}, {"iat": "x"}, {"iat": 1e300},
    {"jti": OMIT}, {"jti": None}, {"jti": ""}, {"jti": 1}, {"jti": "x" * 257}, {"jti": []},
], ids=str)
def test_a_wrong_claim_gives_no_token(issuer, claims):
    def filled(value):
        if isinstance(value, tuple):
            return int(time.time()) + value[1]
        if isinstance(value, str):
            return (value.replace("{endpoint}", issuer.endpoint).replace("{origin}", issuer.house.origin)
                    .replace("{ENDPOINT}", issuer.endpoint.upper()))
        return value

    refused(issuer.ask(issuer.assertion(claims={name: filled(value) for name, value in claims.items()})))


def test_a_huge_audience_is_refused_and_harms_nothing(issuer):
    refused_status = issuer.ask(issuer.assertion(claims={"aud": ["https://elsewhere.example"] * 1000})).status_code
    assert refused_status in (400, 401, 413)
    assert issuer.ask(issuer.assertion(claims={"aud": "x" * 200_000})).status_code in (400, 401, 413)
    assert issuer.ask(issuer.assertion(claims={"jti": "x" * 200_000})).status_code in (400, 401, 413)
    assert issuer.ask().status_code == 200


def test_the_audience_of_local_commands_is_not_good_here(house, issuer):
    store = json.loads(house.ward("keys", "status", "--json").stdout)["store"]
    refused(issuer.ask(issuer.assertion(claims={"aud": f"urn:ward:{store}:control"})))


# MARK: Algorithm, key, signature


def nothing(_):
    return b""


@pytest.mark.parametrize("header", [
    {"alg": "none"}, {"alg": "None"}, {"alg": "NONE"}, {"alg": ""}, {"alg": OMIT}, {"alg": None}, {"alg": 1}, {"alg": ["ES384"]},
    {"alg": "ES256"}, {"alg": "ES512"}, {"alg": "es384"}, {"alg": "RS384"}, {"alg": "PS384"}, {"alg": "EdDSA"}, {"alg": "HS384"},
    {"kid": OMIT}, {"kid": None}, {"kid": ""}, {"kid": "other"}, {"kid": 1}, {"kid": "../../clinician.key.json"}, {"kid": "' OR 1=1 --"},
    {"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": False},
], ids=str)
@pytest.mark.parametrize("sign", [None, nothing], ids=["signed", "unsigned"])
def test_a_wrong_header_gives_no_token(issuer, header, sign):
    refused(issuer.ask(issuer.assertion(header=header, sign=sign)))


@pytest.mark.parametrize("algorithm,digest", [("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)])
def test_a_mac_with_the_public_key_as_secret_gives_no_token(issuer, algorithm, digest):
    key = issuer.key
    secrets = [
        key.pem, key.pem.strip(), json.dumps(key.public_jwk).encode(), decoded(key.jwk["x"]), key.jwk["x"].encode(), b"",
        b"\x04" + decoded(key.jwk["x"]) + decoded(key.jwk["y"]),
    ]
    for secret in secrets:
        refused(issuer.ask(issuer.assertion(
            header={"alg": algorithm}, sign=lambda text, secret=secret: hmac.new(secret, text, digest).digest())))


def test_a_foreign_key_gives_no_token_under_any_key_id(house, issuer):
    foreign = Key.fresh()
    other = Key(json.loads(house.key_file("integration").read_text()))
    for key in (foreign, other):
        for kid in (issuer.key.kid, key.kid):
            refused(issuer.ask(issuer.assertion(header={"kid": kid}, key=key)))


def test_a_key_that_comes_with_the_assertion_is_not_used(issuer):
    foreign = Key.fresh(issuer.key.kid)
    for extra in ({"jwk": foreign.public_jwk}, {"jku": "https://elsewhere.example/jwks"}, {"x5u": "https://elsewhere.example/x"},
                  {"x5c": [base64.b64encode(b"x").decode()]}):
        refused(issuer.ask(issuer.assertion(header=extra, key=foreign)))


def test_an_rsa_signature_gives_no_token(issuer):
    key = rsa.generate_private_key(65537, 2048)
    refused(issuer.ask(issuer.assertion(
        header={"alg": "RS384"}, sign=lambda text: key.sign(text, padding.PKCS1v15(), hashes.SHA384()))))


@pytest.mark.parametrize("signature", [
    b"", b"\0" * 96, b"\xff" * 96, b"\0" * 95, b"\0" * 97, b"\0" * 48 + b"\1" * 48, b"\1" * 48 + b"\0" * 48, b"x" * 5000], ids=len)
def test_a_made_up_signature_gives_no_token(issuer, signature):
    refused(issuer.ask(issuer.assertion(sign=lambda _: signature)))


def test_a_der_signature_gives_no_token(issuer):
    refused(issuer.ask(issuer.assertion(sign=lambda text: issuer.key.private.sign(text, ec.ECDSA(hashes.SHA384())))))


def test_a_changed_payload_or_header_gives_no_token(issuer):
    head, body, signature = issuer.assertion().split(".")
    claims = json.loads(decoded(body))
    for change in ({"sub": "integration", "iss": "integration"}, {"exp": claims["exp"] + 1}, {"jti": "other"}):
        altered = base64url(json.dumps({**claims, **change}).encode())
        refused(issuer.ask(f"{head}.{altered}.{signature}"))
    refused(issuer.ask(f"{base64url(b'{}')}.{body}.{signature}"))


@pytest.mark.parametrize("text", [
    "", ".", "..", "...", "a.b.c", "{}", "null", "a", "a" * 10_000, "e30.e30.e30", "e30.e30.", "\u0000", "💥", "a b c", "%%%", "W10.W10.W10",
    "eyJhbGciOiJub25lIn0.e30.", base64url(b"[" * 5000) + ".e30.e30", base64url(b'{"alg":"ES384","alg":"none"}') + ".e30.e30",
], ids=lambda text: repr(text[:20]))
def test_what_is_no_assertion_gives_no_token(issuer, text):
    assert issuer.ask(text).status_code in (400, 401)
    assert issuer.ask(text).json()["error"] in ("invalid_client", "invalid_request")


def test_padding_or_white_space_around_an_assertion_gives_no_token(issuer):
    for wrap in (" {}", "{} ", "{}\n", "{}=", "{}."):
        assert issuer.ask(wrap.format(issuer.assertion())).status_code in (400, 401)


def test_a_duplicate_claim_gives_no_token(issuer):
    head, body, _ = issuer.assertion().split(".")
    text = decoded(body).decode()
    doubled = base64url((text[:-1] + ', "sub": "clinician"}').encode())
    signature = base64url(issuer.key.sign(f"{head}.{doubled}".encode()))
    refused(issuer.ask(f"{head}.{doubled}.{signature}"))


# MARK: Replay


def test_an_assertion_is_good_once(issuer):
    assertion = issuer.assertion()
    assert issuer.ask(assertion).status_code == 200
    for _ in range(3):
        refused(issuer.ask(assertion))


def test_the_same_identifier_in_another_assertion_is_a_replay(issuer):
    identifier = str(uuid.uuid4())
    assert issuer.ask(issuer.assertion(claims={"jti": identifier})).status_code == 200
    refused(issuer.ask(issuer.assertion(claims={"jti": identifier, "exp": int(time.time()) + 100})))


def test_another_client_may_use_the_same_identifier(house, issuer):
    identifier = str(uuid.uuid4())
    assert issuer.ask(issuer.assertion(claims={"jti": identifier})).status_code == 200
    other = Issuer(house, "integration")
    assert other.ask(other.assertion(claims={"jti": identifier})).status_code == 200


def test_of_many_uses_at_the_same_time_one_succeeds(issuer):
    assertion = issuer.assertion()
    answers = in_parallel([lambda: issuer.ask(assertion)] * 12)
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 11


def test_a_failed_signature_does_not_use_up_the_identifier(issuer):
    identifier = str(uuid.uuid4())
    refused(issuer.ask(issuer.assertion(claims={"jti": identifier}, key=Key.fresh())))
    assert issuer.ask(issuer.assertion(claims={"jti": identifier})).status_code == 200


def test_an_assertion_of_before_a_restart_is_not_good_after_it(houses):
    house = houses(roles=("clinician",))
    issuer = Issuer(house, "clinician")
    used, unused = issuer.assertion(), issuer.assertion()
    assert issuer.ask(used).status_code == 200
    # Issue times are whole seconds.
    time.sleep(2.1)
    house.restart()
    refused(issuer.ask(used))
    assert issuer.ask().status_code == 200
    assert issuer.ask(unused).status_code in (200, 401)
    house.kill()


# MARK: One answer for every failure


def test_nobody_learns_from_an_answer_who_exists(house, issuer):
    bad = {
        "unknown client": issuer.assertion(claims={"iss": "nobody", "sub": "nobody"}),
        "bad signature": issuer.assertion(key=Key.fresh()),
        "unknown key": issuer.assertion(header={"kid": "other"}),
        "expired": issuer.assertion(claims={"exp": 1}),
        "wrong audience": issuer.assertion(claims={"aud": "https://elsewhere.example"}),
        "malformed": "a.b.c",
    }
    answers = {name: issuer.ask(assertion) for name, assertion in bad.items()}
    varying = ("Date", "X-Request-Id")
    plain = {
        (answer.status_code, answer.text,
         tuple(sorted((name, value) for name, value in answer.headers.items() if name not in varying)))
        for answer in answers.values()
    }
    assert len(plain) == 1, plain


def test_a_removed_client_is_answered_as_an_unknown_one(house, issuer):
    house.add_client("leaver", "clinician")
    leaver = Issuer(house, "leaver")
    assert leaver.ask().status_code == 200
    assert house.ward("client", "remove", "leaver").returncode == 0
    assert leaver.ask().text == issuer.ask(issuer.assertion(claims={"iss": "nobody", "sub": "nobody"})).text


# MARK: The request


@pytest.mark.parametrize("change,error", [
    ({"grant_type": OMIT}, "unsupported_grant_type"), ({"grant_type": "password"}, "unsupported_grant_type"),
    ({"grant_type": "implicit"}, "unsupported_grant_type"), ({"grant_type": ""}, "unsupported_grant_type"),
    ({"client_assertion_type": OMIT}, "invalid_request"), ({"client_assertion_type": "x"}, "invalid_request"),
    ({"client_assertion": OMIT}, "invalid_request"), ({"scope": "nonsense"}, "invalid_scope"),
    ({"scope": "system/Nonsense.rs"}, "invalid_scope"), ({"scope": "patient/*.rs"}, "invalid_scope"),
    ({"scope": "user/*.rs"}, "invalid_scope"), ({"scope": "system/Patient.x"}, "invalid_scope"),
    ({"scope": "system/Patient.sr"}, "invalid_scope"), ({"scope": "system/Patient."}, "invalid_scope"),
    ({"scope": "system/Patient.rr"}, "invalid_scope"), ({"scope": "system/Patient.rs?name=x"}, "invalid_scope"),
    ({"scope": "system/*.rs launch"}, "invalid_scope"), ({"scope": "openid"}, "invalid_scope"),
])
def test_a_request_that_is_not_understood_is_a_400(issuer, change, error):
    refused(issuer.ask(**change), 400, error)


def test_a_field_given_twice_is_refused(issuer):
    form = list(issuer.form(issuer.assertion()).items())
    for name in ("grant_type", "client_assertion", "client_assertion_type"):
        double = form + [(name, dict(form)[name])]
        assert issuer.ask(data=double).status_code == 400


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_anything_but_a_form_is_refused(issuer, kind):
    refused(issuer.ask(headers={"Content-Type": kind}), 400, "invalid_request")


def test_an_oversized_form_is_refused(issuer):
    assert issuer.ask(data=b"x=" + b"y" * 70_000, headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code in (400, 413)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_the_endpoint_takes_posts_only(house, method):
    answer = house.stranger().session.request(method, f"{house.origin}/oauth/token", timeout=30)
    assert answer.status_code in (404, 405)


def test_an_assertion_in_the_address_is_not_read(issuer):
    fields = "&".join(f"{name}={value}" for name, value in issuer.form(issuer.assertion()).items())
    answer = issuer.house.stranger().session.post(
        f"{issuer.endpoint}?{fields}", data="", headers={"Content-Type": "application/x-www-form-urlencoded"}, timeout=30)
    assert answer.status_code == 400


def test_a_password_of_the_client_is_no_way_in(issuer):
    answer = issuer.ask(data={"grant_type": "client_credentials", "client_id": "clinician", "client_secret": "x"})
    assert answer.status_code in (400, 401)


# MARK: Tokens


def test_a_scope_is_answered_as_granted_and_holds(house, issuer):
    body = issuer.ask(scope="system/Patient.rs").json()
    assert body["scope"] == "system/Patient.rs"
    narrow = house.stranger(body["access_token"])
    assert narrow.get("Patient").status_code == 200
    refusal = narrow.get("Observation")
    assert refusal.status_code == 403
    assert outcome(refusal)[0]["code"] == "forbidden"


@pytest.mark.parametrize("damage", [
    lambda token: token[:-1], lambda token: token + "A", lambda token: token.swapcase(), lambda token: token[::-1],
    lambda token: "", lambda token: token + "=", lambda token: token[1:]])
def test_a_token_that_is_not_exactly_the_one_issued_is_worth_nothing(house, issuer, damage):
    token = issuer.ask().json()["access_token"]
    stranger = house.stranger(damage(token), address=next(ADDRESSES))
    assert stranger.get("Patient").status_code == 401


def test_a_token_in_the_address_or_body_is_not_read(house, issuer):
    token = issuer.ask().json()["access_token"]
    stranger = house.stranger(address=next(ADDRESSES))
    assert stranger.get(f"Patient?access_token={token}").status_code == 401
    assert stranger.post(
        "Patient/_search", f"access_token={token}",
        headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 401


def test_an_assertion_is_no_token(house, issuer):
    assert house.stranger(issuer.assertion(), address=next(ADDRESSES)).get("Patient").status_code == 401


def test_removing_a_client_ends_its_tokens_at_once(house):
    house.add_client("brief", "clinician")
    brief, other = house.client("brief"), house.client("clinician")
    assert brief.get("Patient").status_code == 200
    assert house.ward("client", "remove", "brief").returncode == 0
    assert brief.get("Patient").status_code == 401
    assert other.get("Patient").status_code == 200
    assert house.ward("client", "token", "brief").returncode == 1


def test_a_restart_ends_all_tokens(houses):
    house = houses(roles=("clinician",))
    client = house.client("clinician")
    assert client.get("Patient").status_code == 200
    house.restart()
    assert client.get("Patient").status_code == 401
    assert house.client("clinician").get("Patient").status_code == 200
    house.kill()


@pytest.mark.slow
def test_a_token_ends_when_it_says_so(house, issuer):
    body = issuer.ask().json()
    client = house.stranger(body["access_token"])
    assert client.get("Patient").status_code == 200
    time.sleep(body["expires_in"] + 1)
    assert client.get("Patient").status_code == 401


# MARK: Failures


def test_many_failures_of_one_address_are_slowed_down_and_those_of_others_are_not(house, issuer):
    guilty, other = next(ADDRESSES), next(ADDRESSES)
    statuses = [issuer.ask("a.b.c", address=guilty).status_code for _ in range(40)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert issuer.ask(address=other).status_code == 200


def test_a_client_that_signs_is_answered_where_others_fail(house, issuer):
    address = next(ADDRESSES)
    other = Issuer(house, "integration")
    # Strangers, and one client that does not get it right.
    for _ in range(40):
        issuer.ask(issuer.assertion(key=Key.fresh()), address=address)
    assert issuer.ask("a.b.c", address=address).status_code == 429
    assert issuer.ask(issuer.assertion(claims={"iss": "nobody", "sub": "nobody"}), address=address).status_code == 429
    right = other.ask(address=address)
    assert right.status_code == 200, right.text
    # A known client that fails there is answered as an unknown one: nobody learns who exists.
    wrong = other.ask(other.assertion(key=Key.fresh()), address=address)
    stranger = issuer.ask(issuer.assertion(claims={"iss": "nobody", "sub": "nobody"}), address=address)
    assert (wrong.status_code, wrong.text) == (stranger.status_code, stranger.text)
    assert int(stranger.headers["Retry-After"]) > 0
    # The client that failed waits, also with an assertion that is right.
    assert issuer.ask(address=address).status_code == 429


def test_a_valid_token_works_from_an_address_where_others_fail(house, issuer):
    address = next(ADDRESSES)
    token = issuer.ask(address=address).json()["access_token"]
    bad = house.stranger("nonsense", address=address)
    statuses = [bad.get("Patient").status_code for _ in range(40)]
    assert statuses[-1] == 429
    assert house.stranger(token, address=address).get("Patient").status_code == 200


def test_failures_stand_in_the_log_counted_by_address(houses):
    house = houses(roles=("administrator", "clinician"))
    address = next(ADDRESSES)
    stranger = house.stranger("nonsense", address=address)
    for _ in range(5):
        assert stranger.get("Patient").status_code == 401
    # Written at intervals and at the latest when the server ends.
    house.restart()
    events = [event for event in house.events("--kind", "sign-in-failed") if event["from"] == address]
    assert sum(event["count"] for event in events) == 5
    assert all(event["outcome"] == "failed" and "who" not in event for event in events)
    house.kill()


def test_token_issue_stands_in_the_log(house, issuer):
    issuer.ask()
    assert house.events("--kind", "token-issued")[0]["who"] == "client/clinician"


# MARK: Registration


@pytest.mark.parametrize("key", [
    "", "{}", "[]", "x", '{"kty":"oct","k":"AAAA"}', '{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"x"}',
    '{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA","kid":"x"}', '{"kty":"EC","crv":"P-384","x":"AAAA","y":"AAAA","kid":"x"}',
    '{"kty":"EC","crv":"P-384","kid":"x","x":"%s","y":"%s"}' % (base64url(b"\1" * 48), base64url(b"\1" * 48)),
    '{"kty":"EC","crv":"P-384","kid":"x","x":"%s","y":"%s"}' % (base64url(b"\0" * 48), base64url(b"\0" * 48)),
])
def test_what_is_no_valid_public_key_is_not_registered(house, key, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(key)
    done = house.ward("client", "add", f"bad-{uuid.uuid4().hex[:8]}", "--role", "clinician", "--key", path)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "bad-" not in house.ward("client", "list").stdout


def test_a_public_key_alone_can_be_registered_and_used(house, tmp_path):
    key = Key.fresh("own-key")
    path = tmp_path / "public.json"
    path.write_text(json.dumps(key.public_jwk))
    assert house.ward("client", "add", "own", "--role", "clinician", "--key", path).returncode == 0
    (house.folder / "own.key.json").write_text(json.dumps({**key.public_jwk, "d": key.jwk["d"]}))
    assert Issuer(house, "own").ask().status_code == 200


class RSAIssuer(Issuer):
    """A client whose key is RSA."""

    def __init__(self, house, client, private):
        self.house = house
        self.client = client
        self.private = private
        self.key = self
        self.kid = "rsa-1"
        self.endpoint = f"{house.origin}/oauth/token"

    @property
    def public_jwk(self):
        modulus = self.private.public_key().public_numbers().n
        return {"kty": "RSA", "alg": "RS384", "kid": self.kid, "e": "AQAB",
                "n": base64url(modulus.to_bytes((modulus.bit_length() + 7) // 8, "big"))}

    def sign(self, text):
        return self.private.sign(text, padding.PKCS1v15(), hashes.SHA384())

    def assertion(self, header=None, **more):
        return super().assertion(header={"alg": "RS384", **(header or {})}, **more)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_an_rsa_key_signs_by_rs384_and_by_nothing_else(house, tmp_path, bits):
    name = f"rsa-{bits}"
    rsa_issuer = RSAIssuer(house, name, rsa.generate_private_key(65537, bits))
    path = tmp_path / "rsa.json"
    path.write_text(json.dumps(rsa_issuer.public_jwk))
    assert house.ward("client", "add", name, "--role", "clinician", "--key", path).returncode == 0
    answer = rsa_issuer.ask()
    assert answer.status_code == 200, answer.text
    assert house.stranger(answer.json()["access_token"]).get("Patient").status_code == 200
    key, other = rsa_issuer.private, rsa.generate_private_key(65537, 2048)
    public = json.dumps(rsa_issuer.public_jwk).encode()
    for header, sign in [
        ({"alg": "RS256"}, lambda text: key.sign(text, padding.PKCS1v15(), hashes.SHA256())),
        ({"alg": "RS512"}, lambda text: key.sign(text, padding.PKCS1v15(), hashes.SHA512())),
        ({"alg": "PS384"}, lambda text: key.sign(text, padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384())),
        ({}, lambda text: key.sign(text, padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384())),
        ({}, lambda text: other.sign(text, padding.PKCS1v15(), hashes.SHA384())),
        ({"alg": "ES384"}, None), ({"alg": "none"}, nothing), ({"kid": "rsa-2"}, None), ({"kid": OMIT}, None),
        ({"alg": "HS384"}, lambda text: hmac.new(public, text, hashlib.sha384).digest()), ({}, nothing),
        ({}, lambda text: b"\0" + key.sign(text, padding.PKCS1v15(), hashes.SHA384())),
    ]:
        refused(rsa_issuer.ask(rsa_issuer.assertion(header=header, sign=sign)))


@pytest.mark.parametrize("change", [
    {"n": base64url(b"\xff" * 128)}, {"n": base64url(b"\xff" * 520)}, {"e": "Aw"}, {"e": "AQ"}, {"alg": "RS256"},
    {"alg": "PS384"}, {"alg": "HS384"}, {"use": "enc"}, {"kty": "EC"}, {"kid": ""}, {"n": ""},
], ids=str)
def test_an_rsa_key_that_is_weak_or_for_something_else_is_not_registered(house, change, tmp_path):
    good = RSAIssuer(house, "x", rsa.generate_private_key(65537, 2048)).public_jwk
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({**good, **change}))
    assert house.ward("client", "add", f"bad-{uuid.uuid4().hex[:8]}", "--role", "clinician", "--key", path).returncode == 1


def test_the_store_keeps_no_private_key(house):
    private = json.loads(house.key_file("clinician").read_text())["d"]
    for path in house.data.iterdir():
        if path.is_file():
            content = path.read_bytes()
            assert private.encode() not in content
            assert decoded(private) not in content


def test_a_key_file_is_made_for_its_owner_alone(house):
    assert house.key_file("clinician").stat().st_mode & 0o777 == 0o600


def test_the_smart_configuration_says_what_is_offered(house):
    for path in ("/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"):
        body = house.stranger().session.get(f"{house.origin}{path}", timeout=30).json()
        assert body["token_endpoint"] == f"{house.origin}/oauth/token"
        assert body["token_endpoint_auth_methods_supported"] == ["none", "private_key_jwt"]
        assert body["token_endpoint_auth_signing_alg_values_supported"] == ["ES384", "RS384"]
