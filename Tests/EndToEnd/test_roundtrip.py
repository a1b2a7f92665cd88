"""Real records in and out: `ward import`, then `ward export`, and every resource is what it was.

Identical means: the same JSON with every number as it was written, apart from meta.versionId and meta.lastUpdated,
ids given here, and references resolved here.
"""

import collections
import hashlib
import json
import random
import re
import shutil
import signal
import subprocess

import pytest

from conftest import exact, wait_until

RULE = re.compile(r"^rejected  (?P<path>.+?\.(?:json|ndjson))(?::(?P<place>\d+))?  (?P<expression>.*?)  (?P<reason>.+)$")
SUMMARY = re.compile(r"^(\d+) resources imported \(\d+/s\), (\d+) already there from an earlier run, (\d+) problems$")


class Imported:
    """What an import said."""

    def __init__(self, done):
        self.status = done.returncode
        self.errors = done.stderr
        self.rejections = [found.groupdict() for found in map(RULE.match, done.stdout.splitlines()) if found]
        lines = done.stdout.strip().splitlines()
        found = SUMMARY.match(lines[-1]) if lines else None
        self.stored, self.skipped, self.problems = map(int, found.groups()) if found else (None, None, None)
        self.output = done.stdout

    def rejected_files(self):
        return {each["path"].rsplit("/", 1)[-1] for each in self.rejections}


def run_import(house, *paths, timeout=1200):
    return Imported(house.ward("import", *paths, "--client", "integration", timeout=timeout))


def export(house, folder, *options):
    """All exported resources with exact numbers, by type."""
    done = house.ward("export", "--out", folder, "--client", "integration", *options, timeout=600)
    assert done.returncode == 0, done.stderr
    found = {}
    for path in folder.glob("*.ndjson"):
        assert path.stat().st_mode & 0o777 == 0o600
        with open(path, encoding="utf-8", newline="\n") as lines:
            found[path.stem] = [exact(line) for line in lines]
        assert all(each["resourceType"] == path.stem for each in found[path.stem])
    assert done.stdout.split()[0] == str(sum(map(len, found.values())))
    return found


def essence(resource, without_id=False):
    """A resource without what a server assigns."""
    kept = dict(resource)
    meta = {name: value for name, value in kept.pop("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    if meta:
        kept["meta"] = meta
    if without_id:
        kept.pop("id", None)
    return kept


def canonical(value):
    """One text for equal JSON; numbers count with every character."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str, separators=(",", ":"))


# MARK: HL7's examples

#: The official examples that R4 itself forbids, with what is wrong; each was checked against the definitions.
INVALID = {
    "ActivityDefinition-blood-tubes-supply.json": "ActivityDefinition.text.div",
    "ActivityDefinition-heart-valve-replacement.json": "ActivityDefinition.text.div",
    "EventDefinition-example.json": "EventDefinition.text.div",
    "Questionnaire-zika-virus-exposure-assessment.json": "Questionnaire.text.div",
    "DeviceMetric-example.json": "DeviceMetric.parent",
    "DeviceUseStatement-example.json": "DeviceUseStatement.reasonReference[0]",
    "MedicationRequest-medrx0301.json": "MedicationRequest.dispenseRequest.performer",
    "Observation-clinical-gender.json": "Observation.performer[0]",
    "ImplementationGuide-fhir.json": "ImplementationGuide.name",
    "ig-r4.json": "ImplementationGuide.name",
    "Questionnaire-qs1.json": "Questionnaire.item[0].item[0].linkId",
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json": "SearchParameter.id",
    **{
        f"SearchParameter-{kind}-extensions-{name}-{code}.json": "SearchParameter.base"
        for kind, name in (("codesystem", "CodeSystem"), ("valueset", "ValueSet"))
        for code in ("author", "effective", "end", "keyword", "workflow")
    },
    "package.json": "Resource",
    # Requests rather than records: reads alone, a conditional update, an address that is no resource.
    "Bundle-bundle-request-medsallergies.json": "Bundle.entry",
    "Bundle-bundle-request-simplesummary.json": "Bundle.entry",
    "Bundle-bundle-transaction.json": "Bundle.entry[7].request.url",
    "Bundle-ussg-fht.json": "Bundle.entry[0].request.url",
}


def resources_in(document):
    """What an import makes of a file: resources of a transaction or collection, or the resource itself.

    Gives resources under their own id, and resources that get one, each with what its references lead to.
    """
    kind = document.get("type") if document.get("resourceType") == "Bundle" else None
    entries = [each for each in document.get("entry", []) if "resource" in each]
    if kind == "collection":
        return [each["resource"] for each in entries], []
    if kind not in ("transaction", "batch"):
        return [document], []
    created = [each for each in entries if each["request"]["method"] == "POST"]
    targets = {each["fullUrl"]: each["resource"] for each in created}
    # A relative reference within the bundle means the entry below the same base.
    targets.update({
        "/".join(each["fullUrl"].split("/")[-2:]): each["resource"] for each in created
        if each["fullUrl"].startswith("http")})
    kept = [each["resource"] for each in entries if each["request"]["method"] == "PUT"]
    return kept, [(each["resource"], targets.get) for each in created]


@pytest.fixture(scope="module")
def hl7(houses, examples, tmp_path_factory):
    house = houses(roles=("administrator", "integration"))
    first = run_import(house, examples)
    return house, first, export(house, tmp_path_factory.mktemp("hl7") / "out")


def test_every_official_example_is_stored_or_listed_with_its_location(hl7, examples):
    _, first, _ = hl7
    assert first.status == 2
    assert first.rejected_files() == {name for name in INVALID if (examples / name).exists()}
    for each in first.rejections:
        assert each["expression"], each
        assert each["reason"], each
    for name, place in INVALID.items():
        found = {each["expression"] for each in first.rejections if each["path"].endswith(f"/{name}")}
        assert place in found, (name, found)
    assert first.problems == len(first.rejections)


def is_labelled(text):
    """Whether a resource says of itself, or of one inside it, that it is sensitive."""
    return any(f'"{word}":' in text for word in ("security", "securityLabel", "confidentiality"))


def test_every_official_example_comes_back_as_it_was(hl7, examples):
    _, first, exported = hl7
    expected = collections.defaultdict(set)
    nameless = collections.defaultdict(list)
    for path in sorted(examples.glob("*.json")):
        if path.name in first.rejected_files():
            continue
        kept, created = resources_in(exact(path.read_text(encoding="utf-8")))
        for resource in kept:
            if "id" in resource:
                expected[resource["resourceType"], resource["id"]].add(canonical(essence(resource)))
            else:
                created.append((resource, {}.get))
        for resource, target in created:
            nameless[resource["resourceType"]].append(portrait(resource, target))
    found = {
        (kind, each["id"]): each for kind, resources in exported.items() for each in resources}
    assert len(found) == sum(map(len, exported.values())), "an id stands twice"
    # A backend system does not get what labels keep for others.
    withheld = {key for key, texts in expected.items() if key not in found and all(map(is_labelled, texts))}
    assert len(withheld) < 10
    differing = [key for key, texts in expected.items() if key not in withheld
                 and (key not in found or canonical(essence(found[key])) not in texts)]
    assert differing == []
    new = {f"{kind}/{name}": each for (kind, name), each in found.items() if (kind, name) not in expected}
    fresh = collections.defaultdict(list)
    for resource in new.values():
        fresh[resource["resourceType"]].append(portrait(resource, new.get))
    assert {kind: sorted(texts) for kind, texts in fresh.items()} == {kind: sorted(texts) for kind, texts in nameless.items()}
    assert len(expected) > 5000


def test_examples_are_read_over_http_as_they_are_exported(hl7):
    house, _, exported = hl7
    client = house.client("integration")
    chosen = random.Random(4)
    for kind, resources in exported.items():
        for resource in chosen.sample(resources, min(2, len(resources))):
            answer = client.get(f"{kind}/{resource['id']}")
            assert exact(answer.content.decode()) == resource


def test_at_least_137_types_of_examples_are_stored(hl7):
    _, _, exported = hl7
    assert len(exported) >= 137


def test_importing_again_stores_nothing_anew(hl7, examples, tmp_path):
    house, first, before = hl7
    paths = sorted(examples.glob("*.json"))[::6]
    again = run_import(house, *paths)
    assert again.stored == 0
    assert again.skipped > 800
    assert again.rejected_files() == first.rejected_files() & {path.name for path in paths}
    after = export(house, tmp_path / "out")
    assert {kind: len(each) for kind, each in after.items()} == {kind: len(each) for kind, each in before.items()}
    # Not even a new version.
    assert canonical(after["Patient"]) == canonical(before["Patient"])


def test_export_of_some_types_holds_only_these(hl7, tmp_path):
    house, _, _ = hl7
    assert set(export(house, tmp_path / "out", "--types", "Patient,Observation")) == {"Patient", "Observation"}


def test_an_export_never_overwrites_a_file(hl7, tmp_path):
    house, _, _ = hl7
    (tmp_path / "Patient.ndjson").write_text("mine")
    done = house.ward("export", "--out", tmp_path, "--types", "Patient", "--client", "integration")
    assert done.returncode == 1
    assert (tmp_path / "Patient.ndjson").read_text() == "mine"


def test_an_export_and_its_import_into_another_store_are_the_same(hl7, houses, tmp_path):
    house, _, exported = hl7
    other = houses(roles=("integration",), start=False)
    for kind in ("Patient", "Observation", "ValueSet"):
        shutil.copy(next(house.folder.parent.glob(f"hl7*/out/{kind}.ndjson")), tmp_path)
    done = run_import(other, tmp_path)
    assert done.status == 0, done.output
    again = export(other, other.folder / "out")
    for kind, resources in again.items():
        assert sorted(canonical(essence(each)) for each in resources) == sorted(
            canonical(essence(each)) for each in exported[kind])
    assert set(again) == {"Patient", "Observation", "ValueSet"}


# MARK: Synthea


def smallest(folder, count):
    bundles = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_size)
    patients = [path for path in bundles if not path.name.startswith("0-")]
    return sorted(folder.glob("0-*.json")) + patients[:count]


class People:
    """Bundles, and what their resources are once references are resolved; references stand for what they lead to."""

    def __init__(self, paths):
        self.bundles = [exact(path.read_text(encoding="utf-8")) for path in paths]
        self.by_url, self.by_identifier = {}, {}
        for bundle in self.bundles:
            for entry in bundle["entry"]:
                self.by_url[entry["fullUrl"]] = entry["resource"]
                self.index(entry["resource"])

    def index(self, resource):
        for identifier in resource.get("identifier", []):
            key = (resource["resourceType"], identifier.get("system"), identifier.get("value"))
            self.by_identifier[key] = resource

    def target(self, reference):
        if "?" in reference:
            kind, _, condition = reference.partition("?")
            system, _, value = condition.removeprefix("identifier=").partition("|")
            return self.by_identifier[kind, system, value]
        return self.by_url.get(reference)

    def texts(self):
        return sorted(
            portrait(entry["resource"], self.target) for bundle in self.bundles for entry in bundle["entry"])


def portrait(resource, target):
    """A resource without id, and each local reference replaced by a hash of what it leads to, one step deep."""

    def resolved(value, place):
        if isinstance(value, dict):
            return {name: place(each) if name in ("reference", "url") and isinstance(each, str) else resolved(each, place)
                    for name, each in value.items()}
        if isinstance(value, list):
            return [resolved(each, place) for each in value]
        return value

    def kind_of(reference):
        found = target(reference)
        return f"->{found['resourceType']}" if found else reference

    def hashed(reference):
        found = target(reference)
        if found is None:
            return reference
        text = canonical(resolved(essence(found, without_id=True), kind_of))
        return f"->{found['resourceType']} {hashlib.sha256(text.encode()).hexdigest()}"

    return canonical(resolved(essence(resource, without_id=True), hashed))


def exported_texts(exported):
    by_reference = {f"{kind}/{each['id']}": each for kind, resources in exported.items() for each in resources}
    return sorted(portrait(each, by_reference.get) for each in by_reference.values())


def assert_same_people(exported, people):
    found, expected = exported_texts(exported), people.texts()
    assert len(found) == len(expected)
    assert found == expected


def test_synthea_patients_come_back_with_every_reference_resolved(houses, synthea, tmp_path):
    house = houses(roles=("integration",))
    paths = smallest(synthea, 12)
    done = run_import(house, *paths)
    assert done.status == 0, done.output
    assert done.stored == sum(len(bundle["entry"]) for bundle in People(paths).bundles)
    assert_same_people(export(house, tmp_path / "out"), People(paths))
    again = run_import(house, *paths)
    assert (again.status, again.stored, again.skipped) == (0, 0, done.stored)
    integration = house.client("integration")
    for person in integration.search("Patient?_count=3")["entry"]:
        assert integration.search(f"Observation?patient={person['resource']['id']}&_count=0")["total"] > 0


def test_references_lead_to_records_that_are_there(houses, synthea, tmp_path):
    house = houses(roles=("integration",), start=False)
    assert run_import(house, *smallest(synthea, 3)).status == 0
    exported = export(house, tmp_path / "out")
    known = {f"{kind}/{each['id']}" for kind, resources in exported.items() for each in resources}
    dangling = [
        reference for resources in exported.values() for each in resources
        for reference in re.findall(r'"reference": ?"([^"#][^"]*)"', json.dumps(each)) if reference not in known]
    assert dangling == []


@pytest.mark.slow
def test_all_synthea_bundles_come_back_as_they_were(houses, synthea, tmp_path):
    house = houses(roles=("integration",))
    done = run_import(house, synthea, timeout=3600)
    assert done.status == 0, done.output
    assert done.stored > 92_000
    assert_same_people(export(house, tmp_path / "out"), People(sorted(synthea.glob("*.json"))))


# MARK: Interruptions


@pytest.fixture
def flood(tmp_path):
    """NDJSON of resources without ids: each import that were not remembered would make them anew."""
    path = tmp_path / "flood"
    path.mkdir()
    for number in range(12):
        with open(path / f"part-{number:02}.ndjson", "w") as lines:
            for line in range(700):
                lines.write(json.dumps({
                    "resourceType": "Patient", "identifier": [{"system": "urn:flood", "value": f"{number}-{line}"}]}) + "\n")
    return path


COUNT = 12 * 700


def start_import(house, path):
    return subprocess.Popen(
        [str(house.binary), "import", str(path), "--client", "integration", "--data", str(house.data)], cwd=house.folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        # A shell has what it runs in the background ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def stored(house):
    return house.client("integration").search("Patient?_count=0")["total"]


def finish(house, path):
    """Imports to the end; an import that still runs is waited for."""

    def attempt():
        done = run_import(house, path)
        return done if done.status == 0 else None

    return wait_until(attempt, timeout=120, interval=0.5, what="the second import")


def assert_whole(house, tmp_path):
    values = sorted(
        each["identifier"][0]["value"] for each in export(house, tmp_path / "out")["Patient"])
    assert len(values) == COUNT
    assert len(set(values)) == COUNT


def test_an_import_of_a_killed_server_goes_on_where_it_was(houses, flood, tmp_path):
    house = houses(roles=("integration",))
    command = start_import(house, flood)
    wait_until(lambda: stored(house) > 1000, timeout=60, what="a part of the import")
    house.kill()
    command.communicate(timeout=30)
    assert command.returncode != 0
    house.start()
    before = stored(house)
    assert 1000 < before < COUNT
    done = finish(house, flood)
    assert done.stored + done.skipped == COUNT
    assert done.stored == COUNT - before
    assert_whole(house, tmp_path)


def test_an_import_of_an_interrupted_command_goes_on_where_it_was(houses, flood, tmp_path):
    house = houses(roles=("integration",))
    command = start_import(house, flood)
    wait_until(lambda: stored(house) > 100, timeout=60, what="a part of the import")
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=30)
    assert command.returncode != 0
    done = finish(house, flood)
    assert done.stored + done.skipped == COUNT
    assert_whole(house, tmp_path)


def test_an_import_without_a_server_that_is_killed_goes_on_where_it_was(houses, flood, tmp_path):
    house = houses(roles=("integration",), start=False)
    size = house.data.joinpath("ward.db").stat().st_size
    command = start_import(house, flood)
    wait_until(
        lambda: sum(path.stat().st_size for path in house.data.glob("ward.db*")) > size + 2_000_000, timeout=60,
        what="a part of the import")
    command.kill()
    command.communicate(timeout=30)
    done = finish(house, flood)
    assert done.stored + done.skipped == COUNT
    assert_whole(house, tmp_path)


def test_two_imports_of_the_same_files_at_the_same_time_store_them_once(houses, flood, tmp_path):
    house = houses(roles=("integration",))
    commands = [start_import(house, flood) for _ in range(2)]
    for command in commands:
        command.communicate(timeout=120)
    finish(house, flood)
    assert_whole(house, tmp_path)


# MARK: What is not taken


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture(scope="module")
def quiet(houses):
    """A store without a server: commands open it themselves."""
    return houses(roles=("integration",), start=False)


@pytest.mark.parametrize("name,content,place", [
    ("a.json", "", "byte 0"), ("a.json", "{", "byte 1"), ("a.json", '{"resourceType":"Patient"', "byte 25"),
    ("a.json", b'{"resourceType":"Patient","id":"\xff"}', "byte "), ("a.json", '{"a":1,"a":2}', "byte "),
    ("a.json", "[" * 100, "byte "), ("a.json", "{}", "Resource"), ("a.json", "[]", "Resource"),
    ("a.json", '{"resourceType":"Patient","gender":"Zq7Secret"}', "Patient.gender"),
    ("a.json", '{"resourceType":"Patient","Zq7Secret":1}', "Patient"),
    ("a.json", '{"resourceType":"Bundle","type":"transaction","entry":[{}]}', "Bundle.entry[0]"),
    ("a.json", '{"resourceType":"Bundle","type":"transaction","entry":{}}', "Bundle.entry"),
    ("a.json", '{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","gender":"Zq7Secret"},'
               '"request":{"method":"POST","url":"Patient"}}]}', "Bundle.entry[0].resource.gender"),
    ("a.json", '{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Observation","status":"final",'
               '"code":{"text":"x"},"subject":{"reference":"Patient?identifier=Zq7Secret"}},"request":{"method":"POST","url":"Observation"}}]}',
     "Bundle.entry[0]"),
])
def test_a_file_that_is_not_valid_is_listed_with_its_place_and_without_its_values(quiet, tmp_path, name, content, place):
    done = run_import(quiet, write(tmp_path, name, content))
    assert done.status == 2
    assert done.stored == 0
    assert [each["path"] for each in done.rejections] == [str(tmp_path / name)] * len(done.rejections)
    assert any(each["expression"].startswith(place) for each in done.rejections), done.output
    assert "Zq7Secret" not in done.output + done.errors


def test_one_bad_line_does_not_keep_the_others_out_and_is_told_by_its_number(quiet, tmp_path):
    lines = [json.dumps({"resourceType": "Basic", "id": f"line-{n}", "code": {"text": "x"}}) for n in range(1, 8)]
    lines[2] = '{"resourceType":"Basic"}'
    lines[5] = "{"
    lines.insert(4, "")
    done = run_import(quiet, write(tmp_path, "lines.ndjson", "\n".join(lines)))
    assert (done.status, done.stored, done.problems) == (2, 5, 2)
    assert {each["place"] for each in done.rejections} == {"3", "7"}


def test_windows_line_ends_and_a_missing_last_line_end_are_taken(quiet, tmp_path):
    lines = [json.dumps({"resourceType": "Basic", "id": f"crlf-{n}", "code": {"text": "x"}}) for n in range(3)]
    done = run_import(quiet, write(tmp_path, "lines.ndjson", "\r\n".join(lines)))
    assert (done.status, done.stored) == (0, 3)


def test_a_path_that_is_not_there_is_one_clear_line(quiet, tmp_path):
    done = run_import(quiet, tmp_path / "none.json")
    assert done.status == 1
    assert len(done.errors.strip().splitlines()) == 1
    assert "none.json" in done.errors


def test_a_folder_without_records_is_one_clear_line(quiet, tmp_path):
    write(tmp_path, "notes.txt", "x")
    done = run_import(quiet, tmp_path)
    assert done.status == 1
    assert len(done.errors.strip().splitlines()) == 1
