"""What is shipped to run Ward: unit, firewall, image and stack, each as far as it can be tried here."""

import contextlib
import datetime
import ipaddress
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT, wait_until

DEPLOY = ROOT / "deploy"


# MARK: systemd


def unit():
    """Directives by name, in their order."""
    found = {}
    for line in (DEPLOY / "ward.service").read_text().splitlines():
        if re.match(r"[A-Za-z]+=", line):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("name, value", [
    ("User", "ward"), ("NoNewPrivileges", "yes"), ("CapabilityBoundingSet", ""), ("AmbientCapabilities", ""),
    ("ProtectSystem", "strict"), ("ProtectHome", "yes"), ("PrivateTmp", "yes"), ("PrivateDevices", "yes"),
    ("ProtectKernelModules", "yes"), ("ProtectKernelTunables", "yes"), ("ProtectControlGroups", "yes"),
    ("ProtectProc", "invisible"), ("MemoryDenyWriteExecute", "yes"), ("RestrictNamespaces", "yes"),
    ("RestrictSUIDSGID", "yes"), ("SystemCallArchitectures", "native"), ("LimitCORE", "0"), ("LimitMEMLOCK", "infinity"),
    ("UMask", "0077"), ("StateDirectoryMode", "0700"), ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX")])
def test_the_unit_is_hardened(name, value):
    assert unit()[name] == [value]


def test_the_unit_hands_the_secret_over_as_a_credential_and_has_none_itself():
    found = unit()
    assert found["LoadCredential"] == ["ward-passphrase:/etc/ward/credentials/passphrase"]
    assert "Environment" not in found and "EnvironmentFile" not in found and "SetCredential" not in found
    assert found["ExecStart"] == ["/usr/bin/ward serve --config /etc/ward/ward.conf"]


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("no systemd-analyze")
    done = subprocess.run(
        [tool, "security", "--offline=yes", "--threshold=15", str(DEPLOY / "ward.service")], capture_output=True,
        text=True, timeout=60)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze does not look at files")
    assert done.returncode == 0, done.stdout[-400:] + done.stderr
    weak = tmp_path / "ward.service"
    weak.write_text(re.sub(r"(?m)^(Protect|Private|Restrict|SystemCall|Capab|NoNew).*\n", "",
                           (DEPLOY / "ward.service").read_text()))
    done = subprocess.run([tool, "security", "--offline=yes", "--threshold=15", str(weak)], capture_output=True, timeout=60)
    assert done.returncode != 0, "the threshold tells a weak unit"


# MARK: Firewall


def nft(*arguments, **more):
    if shutil.which("nft") is None or os.geteuid() != 0:
        pytest.skip("needs nft and root")
    done = subprocess.run(["nft", *arguments], capture_output=True, text=True, timeout=30, **more)
    if "Operation not permitted" in done.stderr or "cache initialization failed" in done.stderr:
        pytest.skip("the kernel does not let this machine have rules")
    return done


@pytest.fixture(scope="module")
def register(houses):
    """A register with an open destination by address, one by name, one whose agreement is revoked, and one without."""
    house = houses()
    clauses = [json.loads(line)["clause"] for line in
               house.ward_program("vendor", "clauses", "--json").stdout.splitlines()]
    document = house.folder / "agreement.pdf"
    document.write_bytes(b"signed")
    today = datetime.datetime.now(datetime.timezone.utc)
    days = [(today + datetime.timedelta(days=offset)).strftime("%Y-%m-%d") for offset in (-1, 30)]

    def do(*arguments):
        done = house.ward(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)

    for vendor in ("current", "former"):
        do("vendor", "add", vendor, "--kind", "mail")
        do("vendor", "sign", vendor, "--document", document, *[word for each in clauses for word in ("--clause", each)],
           "--service", "smtp", "--region", "us-east-1", "--effective", days[0], "--ends", days[1], "--signed-by", "A",
           "--signed-for-vendor", "B")
    bound = ("--region", "us-east-1", "--service", "smtp")
    do("vendor", "destination", "add", "by-address", "--kind", "mail", "--host", "mail.example", "--port", "465",
       "--address", "192.0.2.25", "--vendor", "current", *bound)
    do("vendor", "destination", "add", "by-six", "--kind", "mail", "--host", "six.example", "--port", "465",
       "--address", "2001:db8::25", "--vendor", "current", *bound)
    do("vendor", "destination", "add", "shut", "--kind", "mail", "--host", "old.example", "--port", "2525",
       "--address", "192.0.2.99", "--vendor", "former", *bound)
    do("vendor", "revoke", "former")
    return house


def rules(register, *options):
    done = register.ward("vendor", "firewall", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rules_let_through_what_is_open_and_nothing_else(register):
    text = rules(register, "--user", "0")
    assert 'ip daddr { 192.0.2.25 } tcp dport 465 accept comment "by-address"' in text
    six = re.search(r'ip6 daddr \{ (\S+) \} tcp dport 465 accept comment "by-six"', text).group(1)
    assert ipaddress.ip_address(six) == ipaddress.ip_address("2001:db8::25")
    assert "# closed: shut" in text and "192.0.2.99" not in text and "dport 53" not in text
    lines = [line.strip() for line in text.splitlines() if "meta skuid" in line]
    assert lines[-1] == "meta skuid 0 counter reject with icmpx type admin-prohibited"
    assert all("accept" in line for line in lines[:-1])


@pytest.mark.parametrize("user", ["-x", "ward accept", "ward;flush", 'w"', "ward\naccept", "WARD", "w" * 33])
def test_a_user_that_is_none_is_refused(register, user):
    done = register.ward("vendor", "firewall", f"--user={user}")
    assert done.returncode == 1 and "--user" in done.stderr and not done.stdout


def test_the_kernel_takes_the_rules(register, tmp_path):
    file = tmp_path / "rules.nft"
    file.write_text(rules(register, "--user", "0"))
    done = nft("-c", "-f", str(file))
    assert done.returncode == 0, done.stderr
    done = nft("-c", "-f", str(DEPLOY / "planes.nft"))
    assert done.returncode == 0, done.stderr


# MARK: Networks

RECORDS, OFFICE, NUMBERS = 8443, 9443, 9464


@contextlib.contextmanager
def namespaces():
    """Three machines: a server with an interface to the people and one to the office."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and ip")
    tag = f"w{os.getpid() % 100_000}"
    names = {each: f"{tag}-{each}" for each in ("server", "people", "office")}

    def ip(*words):
        return subprocess.run(["ip", *words], capture_output=True, text=True, timeout=30)

    def must(*words):
        done = ip(*words)
        if done.returncode != 0:
            pytest.skip(f"no network namespaces here: {done.stderr.strip()[:80]}")

    try:
        for name in names.values():
            must("netns", "add", name)
            must("-n", name, "link", "set", "lo", "up")
        for side, interface, subnet in (("people", "records0", "10.91.1"), ("office", "office0", "10.91.2")):
            must("link", "add", f"{tag}{side[0]}", "netns", names["server"], "type", "veth", "peer", "name", "eth0",
                 "netns", names[side])
            must("-n", names["server"], "link", "set", f"{tag}{side[0]}", "name", interface)
            must("-n", names["server"], "addr", "add", f"{subnet}.1/24", "dev", interface)
            must("-n", names["server"], "link", "set", interface, "up")
            must("-n", names[side], "addr", "add", f"{subnet}.2/24", "dev", "eth0")
            must("-n", names[side], "link", "set", "eth0", "up")
            # The attack: a route to the other side's address, through the server.
            must("-n", names[side], "route", "add", "default", "via", f"{subnet}.1")
        yield names
    finally:
        for name in names.values():
            ip("netns", "delete", name)


PROBE = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    print("open")
except OSError:
    print("shut")
"""


def reach(namespace, address, port):
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, sys.executable, "-c", PROBE, address, str(port)], capture_output=True,
        text=True, timeout=60)
    return done.stdout.strip()


def test_the_office_is_not_reached_from_the_people_s_network(houses):
    """With a route of the attacker's own: first that there is a way, then that the rules shut it."""
    house = houses(start=False, roles=())
    with namespaces() as names:
        server = subprocess.Popen(
            ["ip", "netns", "exec", names["server"], str(house.binary), "serve", "--data", str(house.data), "--listen",
             f"10.91.1.1:{RECORDS}", "--admin-listen", f"10.91.2.1:{OFFICE}", "--metrics-listen", f"10.91.2.1:{NUMBERS}"],
            cwd=house.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: reach(names["people"], "10.91.1.1", RECORDS) == "open", timeout=120, interval=0.5,
                       what="the server")
            assert reach(names["office"], "10.91.2.1", OFFICE) == "open"
            # Nothing listens on the people's address for the office, rules or not.
            assert reach(names["people"], "10.91.1.1", OFFICE) == "shut"
            assert reach(names["people"], "10.91.1.1", NUMBERS) == "shut"
            # But Linux answers for the other address as well: what planes.nft is for.
            assert reach(names["people"], "10.91.2.1", OFFICE) == "open"
            if shutil.which("nft") is None:
                pytest.skip("no nft: the rules were not tried")
            done = subprocess.run(
                ["ip", "netns", "exec", names["server"], "nft", "-f", str(DEPLOY / "planes.nft")], capture_output=True,
                text=True, timeout=30)
            if done.returncode != 0:
                pytest.skip(f"no rules in a namespace here: {done.stderr.strip()[:80]}")
            assert reach(names["people"], "10.91.2.1", OFFICE) == "shut"
            assert reach(names["people"], "10.91.2.1", NUMBERS) == "shut"
            assert reach(names["office"], "10.91.1.1", RECORDS) == "shut"
            assert reach(names["people"], "10.91.1.1", RECORDS) == "open"
            assert reach(names["office"], "10.91.2.1", OFFICE) == "open"
            assert reach(names["office"], "10.91.2.1", NUMBERS) == "open"
        finally:
            server.terminate()
            server.wait(30)


def test_rules_from_the_register_hold_what_the_server_s_user_sends(register, tmp_path):
    file = tmp_path / "rules.nft"
    file.write_text(rules(register, "--user", "0"))
    with namespaces() as names:
        def run(*words):
            return subprocess.run(["ip", "netns", "exec", names["server"], *words], capture_output=True, text=True, timeout=30)

        for address in ("192.0.2.25", "192.0.2.99"):
            subprocess.run(["ip", "-n", names["office"], "addr", "add", f"{address}/32", "dev", "lo"], check=True)
        subprocess.run(["ip", "-n", names["server"], "route", "add", "192.0.2.0/24", "via", "10.91.2.2"], check=True)
        listener = "import socket, time\nkept = []\nfor port in (465, 2525):\n kept.append(socket.create_server(('', port)))\n" \
            "print('up', flush=True)\ntime.sleep(300)"
        sink = subprocess.Popen(
            ["ip", "netns", "exec", names["office"], sys.executable, "-c", listener], stdout=subprocess.PIPE, text=True)
        try:
            assert sink.stdout.readline().strip() == "up"
            places = [("192.0.2.25", 465), ("192.0.2.25", 2525), ("192.0.2.99", 465), ("192.0.2.99", 2525)]
            assert [reach(names["server"], *place) for place in places] == ["open"] * 4
            if shutil.which("nft") is None or run("nft", "-f", str(file)).returncode != 0:
                pytest.skip("no rules in a namespace here")
            assert [reach(names["server"], *place) for place in places] == ["open", "shut", "shut", "shut"]
            # Loaded again it is the same table, not a second one.
            assert run("nft", "-f", str(file)).returncode == 0
            assert run("nft", "list", "tables").stdout.split() == ["table", "inet", "ward_egress"]
        finally:
            sink.terminate()
            sink.wait(10)


# MARK: Image


def instructions():
    text = re.sub(r"\\\n", " ", (DEPLOY / "Containerfile").read_text())
    return [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_the_image_is_built_in_stages_runs_without_rights_and_has_no_secret():
    found = instructions()
    stages = [index for index, (word, _) in enumerate(found) if word == "FROM"]
    assert len(stages) == 2 and found[stages[0]][1].endswith("AS unpack")
    last = found[stages[-1]:]
    assert {word for word, _ in last} <= {"FROM", "COPY", "ENV", "USER", "WORKDIR", "VOLUME", "EXPOSE", "STOPSIGNAL",
                                          "ENTRYPOINT", "CMD"}, "nothing is run in what is shipped"
    users = [rest for word, rest in last if word == "USER"]
    assert users and users[-1].split(":")[0] not in ("0", "root")
    assert not any(word == "ADD" for word, _ in found), "nothing is fetched"
    assert "sha256sum --check --strict" in " ".join(rest for word, rest in found if word == "RUN")
    assert all(rest.startswith("[") for word, rest in last if word in ("ENTRYPOINT", "CMD")), "no shell in between"
    assert [rest for word, rest in last if word == "VOLUME"] == ["/var/lib/ward"]
    text = (DEPLOY / "Containerfile").read_text()
    assert "--read-only" in text and "--cap-drop=all" in text and "no-new-privileges" in text
    assert not re.search(r"(?i)(password|secret|token|passphrase)\s*=", text)


# MARK: Stack

#: Resource types that may be there; services that hold or carry records are HIPAA eligible, IAM holds none.
ELIGIBLE = {"EC2", "S3", "KMS", "Logs", "IAM"}


def template():
    cfnlint = pytest.importorskip("cfnlint.decode", reason="no cfn-lint")
    return cfnlint.decode(str(DEPLOY / "cloudformation.yaml"))[0]


def test_the_stack_is_clean():
    tool = pathlib.Path(sys.executable).parent / "cfn-lint"
    if not tool.exists():
        pytest.skip("no cfn-lint")
    done = subprocess.run([str(tool), str(DEPLOY / "cloudformation.yaml")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_the_stack_uses_eligible_services_alone_and_encrypts_everything():
    resources = template()["Resources"]
    assert {each["Type"].split("::")[1] for each in resources.values()} <= ELIGIBLE
    assert resources["Data"]["Properties"]["Encrypted"] is True
    assert resources["Instance"]["Properties"]["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    bucket = resources["BackupBucket"]["Properties"]
    assert bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]["Mode"] == "COMPLIANCE"
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert all(resources[name]["DeletionPolicy"] in ("Retain", "Snapshot") for name in ("BackupBucket", "StorageKey", "Data"))
    assert resources["Instance"]["Properties"]["MetadataOptions"]["HttpTokens"] == "required"
    assert resources["Instance"]["Properties"]["NetworkInterfaces"][0]["AssociatePublicIpAddress"] is False


def test_nothing_of_the_stack_is_open_to_the_internet_or_to_everything():
    text = (DEPLOY / "cloudformation.yaml").read_text()
    assert "0.0.0.0/0" not in text and "::/0" not in text
    for name, each in template()["Resources"].items():
        policies = each["Properties"].get("Policies", [])
        for statement in [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert statement["Resource"] != "*" and not any("*" in action for action in actions), name
            assert not any("Delete" in action or "BypassGovernance" in action for action in actions), name


@pytest.mark.parametrize("value", ["0.0.0.0/0", "10.0.0.0/8", "8.8.8.0/24", "10.0.0.0/15", ""])
@pytest.mark.parametrize("name", ["RecordsCidr", "AdminCidr", "MonitoringCidr"])
def test_a_wide_or_public_network_is_no_parameter(name, value):
    assert not re.fullmatch(template()["Parameters"][name]["AllowedPattern"], value)


def test_the_stack_can_be_created():
    """In moto, which knows the interfaces of most of these services, and makes no bucket policy and no rule of its own."""
    boto3, moto = pytest.importorskip("boto3"), pytest.importorskip("moto")
    pytest.importorskip("cfnlint")
    from unittest import mock

    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    with mock.patch.dict(os.environ, keys), moto.mock_aws():
        ec2 = boto3.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        image = ec2.describe_images()["Images"][0]["ImageId"]
        values = {
            "VpcId": vpc, "SubnetId": subnet, "RouteTableId": table, "S3PrefixListId": "pl-63a5400a",
            "RecordsCidr": "10.0.1.0/24", "AdminCidr": "10.0.2.0/24", "MonitoringCidr": "10.0.3.0/24",
            "HostName": "records.example.org", "ImageId": image, "ReleaseBucket": "releases", "ReleaseObject": "ward.tar.gz",
            "ReleaseDigest": "0" * 64}
        stacks = boto3.client("cloudformation")
        stacks.create_stack(
            StackName="ward", TemplateBody=(DEPLOY / "cloudformation.yaml").read_text(),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
            Capabilities=["CAPABILITY_IAM"])
        stack = stacks.describe_stacks(StackName="ward")["Stacks"][0]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        boto3.client("s3").head_bucket(Bucket=outputs["BackupBucket"])
        found = ec2.describe_instances(InstanceIds=[outputs["Instance"]])["Reservations"][0]["Instances"]
        assert len(found) == 1
