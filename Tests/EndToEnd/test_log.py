"""Reading the log: FHIR AuditEvent, the pages in a real browser, who opened a record, accounting of disclosures."""

import base64
import json
import pathlib
import re

import pytest

from conftest import receipt
from test_people import Browser, chromium, enrol, link_for  # noqa: F401 (fixtures)


@pytest.fixture(scope="module")
def furnished(houses):
    house = houses()
    house.add_client("watcher", "auditor", "HOPERAT")
    house.add_client("officer", "privacy-officer", "HOPERAT")
    house.add_client("registry", "integration", "HOPERAT")
    integration = house.client("integration")
    for name in ("anna", "berta"):
        answer = integration.put(f"Patient/{name}", {
            "resourceType": "Patient", "id": name, "name": [{"family": "Muster"}]})
        assert answer.status_code == 201, answer.text
        integration.put(f"Observation/o-{name}", {
            "resourceType": "Observation", "id": f"o-{name}", "status": "final", "code": {"text": "Weight"},
            "subject": {"reference": f"Patient/{name}"}})
    assert integration.search("Patient?family=Muster")["total"] == 2
    return house


def entries(answer):
    assert answer.status_code == 200, answer.text
    return [each["resource"] for each in answer.json().get("entry", [])]


def test_the_log_is_searched_as_fhir_and_the_search_is_in_it(furnished):
    auditor = furnished.client("watcher")
    answer = auditor.get("AuditEvent?patient=anna&_sort=-date")
    found = entries(answer)
    assert [each["subtype"][-1]["code"] for each in found] == ["search", "update", "update"]
    search = found[0]
    assert search["meta"]["profile"] == [
        "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientQuery"]
    query = next(each["query"] for each in search["entity"] if "query" in each)
    # What was typed stays sealed.
    assert base64.b64decode(query) == b"Patient?family=*"
    assert "Muster" not in answer.text
    # The answer names the event that its own look is.
    index, _ = receipt(answer)
    looks = furnished.events("--kind", "audit-read")
    assert [each["patients"] for each in looks if each["index"] == index] == [["anna"]]
    # Each can be read, and its id stays.
    one = auditor.get(f"AuditEvent/{found[1]['id']}")
    assert one.status_code == 200 and one.json()["id"] == found[1]["id"]
    assert one.json()["recorded"] == found[1]["recorded"]
    assert auditor.get("AuditEvent/log-999999-0").status_code == 404


def test_who_may_not_read_the_log_does_not(furnished):
    for name in ("clinician", "front-desk"):
        client = furnished.client(name)
        answer = client.get("AuditEvent?patient=anna")
        assert answer.status_code == 403 or answer.json().get("entry") is None
        assert client.get("AuditEvent/log-1-0").status_code == 403
        assert client.get("Patient/anna/$accounting-of-disclosures").status_code == 403
    assert furnished.client("watcher").get("Patient/anna/$accounting-of-disclosures").status_code == 403
    assert furnished.client("watcher").get("Patient/anna").status_code == 403
    denied = furnished.events("--outcome", "denied")
    assert {"audit-read", "accounting-made", "read"} <= {each["kind"] for each in denied}


def test_who_opened_a_record_in_plain_words(furnished):
    furnished.client("clinician").get("Patient/anna")
    done = furnished.ward("audit", "report", "--patient", "anna", "--client", "watcher")
    assert done.returncode == 0, done.stderr
    assert re.search(r"clinician, clinician, read the personal details on \d+ \w+ \d{4} for treatment", done.stdout)
    assert "integration, another system, wrote" in done.stdout and "berta" not in done.stdout
    assert furnished.ward("audit", "report", "--patient", "nobody", "--client", "watcher").stdout.startswith("nobody did")
    assert furnished.ward("audit", "report", "--patient", "anna", "--client", "clinician").returncode != 0


def test_an_id_is_found_at_once(furnished):
    auditor = furnished.client("watcher")
    oldest = auditor.get("AuditEvent?patient=anna&_sort=-date&_count=100").json()["entry"][-1]["resource"]["id"]
    found = auditor.get(f"AuditEvent?_id={oldest}").json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [oldest]
    assert [link["relation"] for link in found["link"]] == ["self"]
    for other in ("log-99999999-0", "log-9223372036854775807-0", "log-0-99", "nobody"):
        found = auditor.get(f"AuditEvent?_id={other}")
        assert found.status_code == 200 and "entry" not in found.json(), other
    both = auditor.get(f"AuditEvent?_id={oldest}&patient=berta").json()
    assert "entry" not in both


def test_disclosures_are_accounted_for(furnished, tmp_path):
    assert furnished.ward(
        "export", "--client", "registry", "--out", tmp_path / "out", "--types", "Patient,Observation").returncode == 0

    def account(*options):
        done = furnished.ward("audit", "accounting", "--patient", "anna", "--client", "officer", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # Operations need no accounting, and are told where they are asked for.
    assert "0 disclosures" in account() and "are left out" in account()
    told = account("--tpo")
    assert re.search(r"to registry  1 Patient .*HOPERAT \(TPO\)", told) and re.search(r"1 Observation", told)
    assert "to integration  1 Patient" in told
    account("--record", "2026-11-02", "--recipient", "County Court, 1 Main St", "--what", "visit notes 2025",
            "--why", "subpoena")
    assert "to County Court, 1 Main St" in account() and "subpoena" in account()
    account("--suspend-until", "2999-12-31", "--recipient", "County Court, 1 Main St", "--what", "written request")
    held = account()
    assert "0 disclosures" in held and "held back until 2999-12-31" in held
    account("--suspend-until", "2020-01-01", "--recipient", "County Court, 1 Main St", "--what", "lifted")
    assert "1 disclosures" in account()
    assert furnished.ward(
        "audit", "accounting", "--patient", "anna", "--client", "watcher").returncode != 0
    answer = furnished.client("officer").get("Patient/anna/$accounting-of-disclosures?tpo=true&start=2020")
    assert answer.status_code == 200 and len(answer.json()["entry"]) >= 3
    written = [entry["resource"] for entry in answer.json()["entry"] if "period" in entry["resource"]]
    assert [each["period"] for each in written] == [{"start": "2026-11-02", "end": "2026-11-02"}]
    assert "visit notes 2025" in [entity.get("description") for entity in written[0]["entity"]]
    # What was given out may be clinical: other readers of the log do not see it.
    listed = furnished.client("watcher").get("AuditEvent?patient=Patient/anna&_count=100")
    assert listed.status_code == 200 and f"log-{written[0]['id'].split('-')[1]}-" in listed.text
    assert "visit notes 2025" not in listed.text
    for bad in ("start=x", "tpo=maybe", "nonsense=1"):
        assert furnished.client("officer").get(f"Patient/anna/$accounting-of-disclosures?{bad}").status_code == 400
    assert "accounting-made" in {each["kind"] for each in furnished.events()}


def test_the_page_filters_shows_and_hands_out(furnished, chromium, tmp_path):
    browser = Browser(chromium, furnished.origin)
    enrol(browser, link_for(furnished, "otto", "auditor"))
    shots = pathlib.Path(tmp_path)
    for width in (1280, 390):
        browser.page.set_viewport_size({"width": width, "height": 900})
        for number, path in enumerate(("/app/log", "/app/log?patient=anna&sort=kind", "/app/log/patient/anna",
                                       "/app/log/event/3")):
            assert browser.open(path).status == 200
            # Nothing is wider than the screen.
            assert browser.page.evaluate("document.documentElement.scrollWidth") <= width, (width, path)
            assert browser.faults() == [], (width, path)
            browser.page.screenshot(path=shots / f"{width}-{number}.png", full_page=True)
    browser.open("/app/log")
    browser.page.get_by_label("Patient").fill("anna")
    browser.press("Show")
    assert "patient=anna" in browser.page.url
    rows = browser.page.locator("tbody tr").all_inner_texts()
    assert rows and all("anna" in row for row in rows)
    browser.page.get_by_role("row").nth(1).get_by_role("link").first.click()
    assert re.search(r"\d+:[0-9a-f]{64}", browser.page.inner_text("main"))
    browser.open("/app/log?patient=anna")
    with browser.page.expect_download() as download:
        browser.page.get_by_role("link", name="NDJSON").click()
    lines = download.value.path().read_text().splitlines()
    assert lines and all("anna" in json.loads(line)["patients"] for line in lines)
    # Browsers ask for an icon, which there is none of.
    assert [problem for problem in browser.problems if "404" not in problem] == []
    events = furnished.events("--kind", "audit-exported")
    assert events and events[0]["session"] and events[0]["role"] == "auditor"
    sign_in = furnished.events("--kind", "signed-in")
    assert sign_in[0]["device"] and sign_in[0]["newDevice"]
    browser.context.close()
