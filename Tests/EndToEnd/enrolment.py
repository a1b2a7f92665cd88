"""Enrolment without a browser: a password and an authenticator app, by the forms of the pages."""

import base64
import hashlib
import hmac
import html
import re
import struct
import time
import urllib.parse

import requests

PASSWORD = "plum tractor violet anchorage"
FORM = re.compile(r'name="form" value="([^"]*)"')
CODES = re.compile(r"<li>([^<]*)</li>")


def one_time_code(seed, moment=None, step=0):
    """RFC 6238, by itself."""
    counter = struct.pack(">Q", int((time.time() if moment is None else moment) // 30) + step)
    digest = hmac.new(base64.b32decode(seed), counter, hashlib.sha1).digest()
    place = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[place:place + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


class Visitor:
    """A browser without script: keeps cookies and sends forms with the token of the page they are on."""

    def __init__(self, house):
        self.origin = house.origin
        self.session = requests.Session()
        self.session.verify = str(house.authority)
        self.session.trust_env = False

    def get(self, path):
        return self.session.get(self.origin + path, allow_redirects=False, timeout=30)

    def post(self, path, page, **fields):
        token = FORM.search(self.get(page).text).group(1)
        return self.session.post(
            self.origin + path, data={"form": token, **fields}, headers={"Origin": self.origin}, allow_redirects=False,
            timeout=30)


def enrol_by_password(house, link):
    """Gives the visitor, signed in, the seed of the app, and the recovery codes."""
    visitor = Visitor(house)
    assert visitor.session.get(link, allow_redirects=False, timeout=30).status_code == 200
    done = visitor.post("/enrol/password", "/enrol", password=PASSWORD, again=PASSWORD)
    assert done.status_code == 303, done.text
    uri = html.unescape(re.search(r'href="(otpauth:[^"]*)"', visitor.get("/enrol/code").text).group(1))
    seed = urllib.parse.parse_qs(urllib.parse.urlsplit(uri).query)["secret"][0]
    done = visitor.post("/enrol/code", "/enrol/code", code=one_time_code(seed))
    assert done.status_code == 200, done.text
    return visitor, seed, CODES.findall(done.text[done.text.index('class="codes"'):])
