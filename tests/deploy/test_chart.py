"""The Helm chart: what it renders, and that Kubernetes would take it.

With TIDERACE_REWRITE set, the files in rendered/ are written anew; look at their diff as at code.
"""

import json
import os
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import mlflow.environment_variables
import pytest
import tiderace as tr
import yaml
from chart import CASES, CHART, ROOT, VALUES, container, environment, helm, manifests, of_kind, rendered

# The oldest that the chart allows, and the newest that there are schemas of.
KUBERNETES = ["1.27", kubernetes_validate.latest_version()]
# Of operators' own; nobody but they has schemas of them.
FOREIGN = {"monitoring.coreos.com/v1", "keda.sh/v1alpha1"}


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_lint_finds_nothing(values: Path) -> None:
    done = helm("lint", "--strict", CHART, "--values", values)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout


@pytest.mark.parametrize("case", CASES)
def test_it_renders_what_was_looked_at(case: str) -> None:
    golden = Path(__file__).parent / "rendered" / f"{case}.yaml"
    if os.environ.get("TIDERACE_REWRITE"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(rendered(case))
    assert rendered(case) == golden.read_text(), f"{golden} differs; TIDERACE_REWRITE=1 writes it anew"


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("case", CASES)
def test_kubernetes_knows_every_field(case: str, version: str) -> None:
    checked = 0
    for manifest in manifests(case):
        if manifest["apiVersion"] not in FOREIGN:
            kubernetes_validate.validate(manifest, version, strict=True)
            checked += 1
    assert checked >= 4


def test_the_schemas_notice_a_wrong_field() -> None:
    manifest = of_kind("default", "StatefulSet")
    manifest["spec"]["template"]["spec"]["containers"][0]["readyProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readyProbe"):
        kubernetes_validate.validate(manifest, KUBERNETES[0], strict=True)


def test_values_and_schema_have_the_same_names() -> None:
    """The schema refuses names that it lacks; here, none of its own is missing where users look."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    missing: list[str] = []

    def compare(values: dict[str, Any], properties: dict[str, Any], path: str) -> None:
        missing.extend(path + name for name in properties.keys() - values.keys() - {"global"})
        for name, value in values.items():
            if isinstance(value, dict) and (inner := properties[name].get("properties")):
                compare(value, inner, f"{path}{name}.")

    compare(yaml.safe_load((CHART / "values.yaml").read_text()), schema["properties"], "")
    # Limits and pages are the gateway's own where they are left out.
    assert [name for name in missing if not name.startswith(("gateway.limits.", "gateway.pages."))] == []


def test_the_version_is_the_library_s() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == tr.__version__


def is_read(variable: str) -> bool:
    """Whether somebody takes it from the environment: the library, the program, or a registry's client."""
    if setting := re.fullmatch(r"TIDERACE_SECURITY_(\w+)", variable):
        try:
            tr.KafkaSecurity(**{setting[1].lower(): "SSL"})  # type: ignore[arg-type]
        except tr.ConfigError:
            return False
        return True
    if variable.startswith("MLFLOW_"):
        return hasattr(mlflow.environment_variables, variable)
    return any(
        f'getenv("{variable}")' in path.read_text()
        for path in [*(ROOT / "src").rglob("*.cc"), ROOT / "deploy/service/crash_detector.cpp"]
    )


def test_a_variable_that_nobody_reads_is_noticed() -> None:
    assert not is_read("TIDERACE_SECURITY_PASSWORT")
    assert not is_read("TIDERACE_BROKERS")
    assert not is_read("MLFLOW_REGISTRY")
    assert not is_read("MODEL_REGISTRY")


@pytest.mark.parametrize("case", CASES)
def test_every_variable_is_one_that_is_read(case: str) -> None:
    for name in ("service", "gateway") if "-gateway" in rendered(case) else ("service",):
        set_here = set(environment(case, name))
        own = {"POD_NAME"}
        if name == "gateway":
            own |= {config["token_env"] for config in gateway_files(case)[0].get("tokens", [])}
        assert {variable for variable in set_here - own if not is_read(variable)} == set()
        assert "$(POD_NAME)" in " ".join(container(case, name)["args"]) or case == "kafka-sasl"


def test_kafka_security_is_whole() -> None:
    found = environment("kafka-sasl", "service")
    assert {name.removeprefix("TIDERACE_SECURITY_") for name in found if "SECURITY" in name} == {
        *("PROTOCOL", "MECHANISM", "USERNAME", "PASSWORD"),
        *("CA_LOCATION", "CERTIFICATE_LOCATION", "KEY_LOCATION"),
    }
    assert found["TIDERACE_SECURITY_PASSWORD"] is None, "a password comes from a Secret"


@pytest.mark.parametrize("case", CASES)
def test_what_a_container_mounts_is_a_volume_and_holds_the_files_it_names(case: str) -> None:
    for manifest in manifests(case):
        if manifest["kind"] != "StatefulSet":
            continue
        pod = manifest["spec"]["template"]["spec"]
        claims = manifest["spec"].get("volumeClaimTemplates", [])
        volumes = {v["name"] for v in pod["volumes"]} | {c["metadata"]["name"] for c in claims}
        (only,) = pod["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in only["volumeMounts"]}
        assert set(mounts) == volumes
        for entry in only["env"]:
            if entry["name"].endswith("_LOCATION"):
                assert str(Path(entry["value"]).parent) in mounts.values()


def hardened(pod: dict[str, Any]) -> bool:
    (only,) = pod["containers"]
    context = only["securityContext"]
    return (
        pod["securityContext"]["runAsNonRoot"]
        and pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        and context["readOnlyRootFilesystem"]
        and not context["allowPrivilegeEscalation"]
        and context["capabilities"] == {"drop": ["ALL"]}
        and pod["automountServiceAccountToken"] is False
        and "memory" in only["resources"]["limits"]
    )


@pytest.mark.parametrize("case", CASES)
def test_every_pod_is_locked_down_and_stops_in_time(case: str) -> None:
    pods = [m["spec"]["template"]["spec"] for m in manifests(case) if m["kind"] == "StatefulSet"]
    assert pods
    for pod in pods:
        assert hardened(pod)
        # docs/guide/scaling.md: a minute is plenty for a stop.
        assert pod["terminationGracePeriodSeconds"] >= 60


def test_the_gateway_is_not_killed_while_it_drains() -> None:
    source = (ROOT / "gateway" / "server.cc").read_text()
    found = dict(re.findall(r"constexpr std::chrono::seconds (\w+)\{(\d+)\};", source))
    drained = int(found["drain_time"]) + int(found["goodbye_time"])
    properties = json.loads((CHART / "values.schema.json").read_text())["properties"]["gateway"]["properties"]
    assert drained < properties["terminationGracePeriodSeconds"]["minimum"]


@pytest.mark.parametrize("case", CASES)
def test_names_lead_to_what_is_there(case: str) -> None:
    """Selectors find the pods, ports and Services exist by the names that are used."""
    found = manifests(case)
    pods = [m["spec"]["template"] for m in found if m["kind"] == "StatefulSet"]
    services = {m["metadata"]["name"]: m for m in found if m["kind"] == "Service"}
    for service in services.values():
        selector = service["spec"]["selector"].copy()
        selector.pop("statefulset.kubernetes.io/pod-name", None)
        (pod,) = [p for p in pods if selector.items() <= p["metadata"]["labels"].items()]
        ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for manifest in found:
        if manifest["kind"] == "StatefulSet":
            assert manifest["spec"]["serviceName"] in services
        if manifest["kind"] == "Ingress":
            for rule in manifest["spec"]["rules"]:
                assert rule["http"]["paths"][0]["backend"]["service"]["name"] in services
        if manifest["kind"] == "ServiceMonitor":
            wanted = manifest["spec"]["selector"]["matchLabels"].items()
            (service,) = [s for s in services.values() if wanted <= s["metadata"]["labels"].items()]
            assert manifest["spec"]["endpoints"][0]["port"] in {p["name"] for p in service["spec"]["ports"]}


def gateway_files(case: str) -> list[dict[str, Any]]:
    return [tomllib.loads(text) for text in of_kind(case, "ConfigMap", "-gateway")["data"].values()]


def test_each_gateway_has_an_id_a_file_an_address_and_a_host_of_its_own() -> None:
    name = "demo-tiderace-gateway"
    assert [file["id"] for file in gateway_files("gateway-tls")] == [f"riders-{name}-0", f"riders-{name}-1"]
    assert set(of_kind("gateway-tls", "ConfigMap", "-gateway")["data"]) == {
        f"{name}-0.toml",
        f"{name}-1.toml",
    }
    assert container("gateway-tls", "gateway")["args"][1] == "/etc/tiderace/gateway/$(POD_NAME).toml"
    for ordinal, rule in enumerate(of_kind("gateway-tls", "Ingress")["spec"]["rules"]):
        backend = rule["http"]["paths"][0]["backend"]["service"]["name"]
        selector = of_kind("gateway-tls", "Service", f"-gateway-{ordinal}")["spec"]["selector"]
        assert selector["statefulset.kubernetes.io/pod-name"] == backend == f"{name}-{ordinal}"


def test_the_gateway_s_file_says_what_the_values_say() -> None:
    (file, _) = gateway_files("gateway-tls")
    mounts = {m["mountPath"] for m in container("gateway-tls", "gateway")["volumeMounts"]}
    assert file["listen"] == "0.0.0.0:8080"
    assert {name: topic["partitions"] for name, topic in file["topics"].items()} == {
        "phone-data": 4,
        "alerts": 4,
    }
    assert {topic["replication_factor"] for topic in file["topics"].values()} == {3}
    assert file["limits"] == {
        "messages_per_second": 50,
        "message_bytes": "256kB",
        "connections_per_address": 10000,
    }
    assert file["tokens"][0]["keys"] == ["rider-*"]
    for path in (file["tls"]["certificate"], file["tls"]["key"], file["jwt"]["key_file"]):
        assert str(Path(path).parent) in mounts


def test_pages_at_the_hosts_of_the_ingress_may_ask() -> None:
    """TLS ends there: a browser says https, the gateway sees http."""
    (file,) = gateway_files("gateway-ingress")
    assert "tls" not in file
    assert file["allowed_origins"] == ["https://riders.example.org"]
    assert "https://b.riders.example.org" in gateway_files("gateway-tls")[1]["allowed_origins"]
    (wild,) = gateway_files("odd")
    assert wild["allowed_origins"] == ["https://a.riders.example.org"]


def test_clients_behind_the_ingress_are_not_counted_as_one() -> None:
    (file,) = gateway_files("gateway-ingress")
    assert file["limits"]["connections_per_address"] == 10_000
    (odd,) = gateway_files("odd")
    assert odd["limits"]["connections_per_address"] == odd["limits"]["connections"] == 1_000_000


def test_partitions_are_said_once() -> None:
    (file,) = gateway_files("gateway-ingress")
    assert {name: topic["partitions"] for name, topic in file["topics"].items()} == {
        "phone-data": 12,
        "alerts": 12,
        "notes": 1,
    }
    assert "--partitions=12" in container("gateway-ingress", "service")["args"]


def test_the_values_of_the_story_render(tmp_path: Path) -> None:
    """Each Secret that they name is made by a command of the page."""
    story = (ROOT / "docs/guide/story.md").read_text()
    (values,) = re.findall(r'^```text title="production.yaml"\n(.*?)^```$', story, re.MULTILINE | re.DOTALL)
    file = tmp_path / "production.yaml"
    file.write_text(values)
    done = helm("template", "riders", CHART, "--namespace", "riders", "--values", file)
    assert done.returncode == 0, done.stderr
    wanted = set(re.findall(r'(?:secretName|secretKeyRef:\n\s+name): "([^"]+)"', done.stdout))
    made = set(re.findall(r"^\$ kubectl create secret (?:generic|tls) (\S+)", story, re.MULTILINE))
    assert wanted == made == {"kafka-user", "kafka-gateway", "kafka-ca", "gateway-tokens", "riders-tls"}
    for image in ("crash-detector", "tiderace-gateway"):
        assert f'image: "registry.example.org/{image}:{tr.__version__}"' in done.stdout
        assert f"docker push $REGISTRY/{image}:{tr.__version__}" in story
    assert "name: riders-tiderace-service\n" in done.stdout


def test_what_else_a_gateway_s_file_has_can_be_said() -> None:
    (file,) = gateway_files("gateway-ingress")
    assert file["session_ttl"] == "30d"
    assert file["pages"]["tile_url"] == "https://tiles.example.org/{z}/{x}/{y}.png"


def test_the_gateway_logs_in_as_a_user_of_its_own() -> None:
    def entry(name: str, variable: str) -> dict[str, Any]:
        (found,) = [
            entry for entry in container("gateway-ingress", name)["env"] if entry["name"].endswith(variable)
        ]
        return dict(found)

    assert entry("gateway", "_USERNAME")["value"] == "gateway"
    assert entry("service", "_USERNAME")["value"] == "crash-detector"
    assert entry("gateway", "_PASSWORD")["valueFrom"]["secretKeyRef"]["name"] == "kafka-gateway"
    assert entry("service", "_PASSWORD")["valueFrom"]["secretKeyRef"]["name"] == "kafka-user"
    volumes = of_kind("gateway-ingress", "StatefulSet", "-gateway")["spec"]["template"]["spec"]["volumes"]
    assert {"gateway-client", "kafka-ca"} <= {
        volume.get("secret", {}).get("secretName") for volume in volumes
    }


def test_a_model_of_a_registry_and_a_database_reach_the_program() -> None:
    args = container("gateway-ingress", "service")["args"]
    assert {"--model=s3://models/shaking@champion", "--poll-interval=30", "--table=telemetry"} <= set(args)
    (url,) = [e for e in container("gateway-ingress", "service")["env"] if e["name"] == "DATABASE_URL"]
    assert url["valueFrom"]["secretKeyRef"] == {"name": "telemetry-database", "key": "url"}
    alone = container("default", "service")["args"]
    assert not [word for word in alone if word.startswith(("--model", "--poll", "--table", "--database"))]


def test_ports_of_the_brokers_are_let_out() -> None:
    """Those of the address, and those that were added."""

    def ports(case: str) -> list[int]:
        rules = of_kind(case, "NetworkPolicy", "-service")["spec"]["egress"]
        return [port["port"] for port in rules[1]["ports"]]

    assert ports("gateway-ingress") == [9094, 9095, 9096]
    assert ports("kafka-sasl") == [9093]
    assert ports("gateway-tls") == [9092]


def test_numbers_are_digits_and_texts_stay_texts() -> None:
    args = container("odd", "service")["args"]
    assert {"--session-timeout-ms=1200000", "--retention-ms=31536000000", "--state-memory-mib=2048"} <= set(
        args
    )
    assert not re.search(r"\de\+\d", rendered("odd"))
    (trigger,) = of_kind("odd", "ScaledObject")["spec"]["triggers"]
    wanted = {"consumerGroup": "123", "topic": "007", "lagThreshold": "1000000"}
    assert wanted.items() <= trigger["metadata"].items()
    pod = of_kind("odd", "StatefulSet", "-service")["spec"]["template"]
    assert pod["metadata"]["annotations"] == {"five": "5", "million": "1000000", "half": "0.5", "no": "false"}
    assert container("odd", "service")["image"].startswith("crash-detector@sha256:0123")
    assert container("odd", "gateway")["image"].startswith("tiderace-gateway@sha256:0123")
    ingress = of_kind("odd", "Ingress")["spec"]
    assert ingress["rules"][0]["host"] == "*.riders.example.org"
    assert ingress["tls"][0]["secretName"] == "5"
    (file,) = gateway_files("odd")
    assert file["queue_bytes"] == "128000000"
    assert file["limits"]["message_bytes"] == "2000000"
    assert file["limits"]["messages_per_second"] == 1_000_000


def test_autoscaling_looks_at_lag_and_at_cpu() -> None:
    """A busy service that keeps up has no lag; lag alone would take replicas away from it."""
    lag, cpu = of_kind("autoscaling", "ScaledObject")["spec"]["triggers"]
    assert (lag["type"], cpu["type"], cpu["metricType"]) == ("kafka", "cpu", "Utilization")
    assert cpu["metadata"]["containerName"] == container("autoscaling", "service")["name"]
    assert container("autoscaling", "service")["resources"]["requests"]["cpu"]
    assert "replicas" not in of_kind("autoscaling", "StatefulSet", "-service")["spec"]


def test_grafana_gets_the_dashboard_as_it_is() -> None:
    done = helm(
        "template", "demo", CHART, "--set", "metrics.dashboard.enabled=true", "-s", "templates/dashboard.yaml"
    )
    found = yaml.safe_load(done.stdout)
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["tiderace.json"]) == json.loads(
        (CHART / "files/dashboard.json").read_text()
    )


def test_notes_say_where_things_are(tmp_path: Path) -> None:
    """Helm shows them of a release in a cluster only, so that here a manifest of a copy holds them."""
    chart = shutil.copytree(CHART, tmp_path / "chart")
    notes = chart / "templates" / "NOTES.txt"
    text = '{{ define "notes" }}' + notes.read_text() + '{{ end }}notes: {{ include "notes" . | quote }}'
    notes.rename(notes.with_name("notes.yaml")).write_text(text)
    values = Path(__file__).parent / "values" / "gateway-tls.yaml"
    done = helm(
        "template", "demo", chart, "--namespace", "riders", "--values", values, "-s", "templates/notes.yaml"
    )
    assert done.returncode == 0, done.stderr
    shown = yaml.safe_load(done.stdout)["notes"]
    assert "The service demo-tiderace-service works on kafka:9092 with 3 replicas.\n" in shown
    assert "rollout status statefulset demo-tiderace-service\n" in shown
    assert "https://b.riders.example.org/ " in shown
