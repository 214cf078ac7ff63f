"""The chart as Helm renders it, for the tests beside this file."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm/tiderace"
HELM = ROOT / ".cache/bin/helm"
VALUES = sorted((Path(__file__).parent / "values").glob("*.yaml"))
CASES = [path.stem for path in VALUES]

Manifest = dict[str, Any]


def helm(*words: str | Path) -> subprocess.CompletedProcess[str]:
    assert HELM.exists(), f"{HELM} is missing: ./dev test builds it"
    return subprocess.run([HELM, *words], capture_output=True, text=True, check=False, timeout=60)


@cache
def rendered(case: str) -> str:
    """What `helm template` prints for values/CASE.yaml."""
    values = Path(__file__).parent / "values" / f"{case}.yaml"
    done = helm("template", "demo", CHART, "--namespace", "riders", "--values", values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifests(case: str) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(rendered(case)) if document]


def of_kind(case: str, kind: str, suffix: str = "") -> Manifest:
    """The one manifest of the kind whose name ends so."""
    found = [m for m in manifests(case) if m["kind"] == kind and m["metadata"]["name"].endswith(suffix)]
    assert len(found) == 1, f"{case}: {len(found)} of {kind} *{suffix}"
    return found[0]


def container(case: str, name: str) -> Manifest:
    """The one container of the StatefulSet `name` (service, gateway)."""
    (only,) = of_kind(case, "StatefulSet", f"-{name}")["spec"]["template"]["spec"]["containers"]
    return dict(only)


def environment(case: str, name: str) -> dict[str, str | None]:
    """The variables of a container; None for what comes from a secret or the pod."""
    return {entry["name"]: entry.get("value") for entry in container(case, name)["env"]}


def dashboard_metrics() -> set[str]:
    """Every metric that the dashboard asks for."""
    board = json.loads((CHART / "files/dashboard.json").read_text())
    text = "\n".join(target["expr"] for panel in board["panels"] for target in panel.get("targets", []))
    found = set(re.findall(r"\b(?:tiderace|process)_\w+", text))
    assert len(found) > 30
    return found
