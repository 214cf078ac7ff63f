"""The Dockerfile, without a container engine: it is read, and what can be run outside is run."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import tiderace as tr
from chart import DEPLOY, ROOT, of_kind
from dockerfile import Copy, Stage, copies, ignored, lineage, stages

FILE = DEPLOY / "docker/Dockerfile"
STAGES = stages(FILE)
IMAGES = ["python-service", "cpp-service", "gateway"]
IGNORED = [
    line
    for line in FILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    if line and not line.startswith("#")
]


def packages(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def run(*words: str | Path, **variables: str) -> str:
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, **variables}, timeout=300
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("stage", STAGES.values(), ids=lambda stage: stage.name)
def test_every_base_is_a_stage_or_has_a_tag(stage: Stage) -> None:
    known = list(STAGES)[: list(STAGES).index(stage.name)]
    assert stage.base in known or re.fullmatch(r"[a-z/]+:(?!latest)[\w.-]+", stage.base)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_as_nobody_and_stops_when_told_to(name: str) -> None:
    instructions = [instruction for stage in lineage(STAGES, name) for instruction in stage.instructions]
    last = {instruction.word: instruction for instruction in instructions}
    assert last["USER"].rest == "10001:10001"
    assert last["STOPSIGNAL"].rest == "SIGTERM"
    for word in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
        assert word not in last or last[word].exec_form, f"{word} would start a shell"
    entry = last["ENTRYPOINT"].exec_form
    assert entry
    assert entry[:2] == ["/usr/bin/tini", "--"]
    user = of_kind("default", "StatefulSet")["spec"]["template"]["spec"]["securityContext"]
    assert f"{user['runAsUser']}:{user['runAsGroup']}" == last["USER"].rest


@pytest.mark.parametrize(
    ("name", "port"), [("python-service", 9464), ("cpp-service", 9464), ("gateway", 9100)]
)
def test_the_health_check_asks_a_port_that_is_open(name: str, port: int) -> None:
    check, exposed = STAGES[name].all("HEALTHCHECK")[0], STAGES[name].all("EXPOSE")[0]
    assert check.exec_form == ["/usr/local/bin/probe", str(port)]
    assert str(port) in exposed.rest.split()


@pytest.mark.parametrize("stage", STAGES.values(), ids=lambda stage: stage.name)
def test_a_run_ends_at_its_first_failure_and_leaves_no_lists_behind(stage: Stage) -> None:
    for instruction in stage.all("RUN"):
        assert not re.search(r";|\|\|", instruction.rest), f"line {instruction.line}"
        if "apt-get install" in instruction.rest:
            assert instruction.commands[0] == "apt-get update"
            assert "--no-install-recommends" in instruction.rest
            assert "rm -rf /var/lib/apt/lists/*" in instruction.rest


@pytest.mark.parametrize("stage", STAGES.values(), ids=lambda stage: stage.name)
def test_what_is_copied_from_the_context_is_in_it(stage: Stage) -> None:
    for copy in copies(stage):
        for source in copy.sources if copy.stage is None else []:
            assert (ROOT / source).exists()
            assert source == "." or not ignored(source, IGNORED)


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        (".git/HEAD", True),
        (".venv", True),
        ("build/tiderace", True),
        ("python/tiderace/_tiderace.abi3.so", True),
        ("docs/guide/README.md", True),
        ("python/tiderace/series.py", False),
        ("deploy/service/crash_detector.py", False),
        ("deploy/docker/probe", False),
        ("tools/librdkafka.sh", False),
        ("LICENSE", False),
        ("web/dist/index.html", True),
        ("web/node_modules/esbuild", True),
        ("web/static/index.html", False),
    ],
)
def test_the_context_has_sources_alone(path: str, gone: bool) -> None:
    assert ignored(path, IGNORED) == gone


def test_every_option_of_cmake_is_one_of_ours() -> None:
    text = FILE.read_text()
    lists = (ROOT / "CMakeLists.txt").read_text()
    known = set(re.findall(r"(?:option|set)\((TIDERACE_\w+)", lists))
    used = set(re.findall(r"(?:-D|cmake\.define\.)(TIDERACE_\w+)=", text))
    assert used <= known
    assert "TIDERACE_LIBRDKAFKA" in used, "the mended librdkafka (docs/decisions/0022)"


def test_the_build_s_first_command_configures(tmp_path: Path) -> None:
    """With the options of the Dockerfile, and the paths of this machine."""
    command = STAGES["library"].all("RUN")[0].commands[0]
    words = command.replace("/source", str(ROOT)).replace("-B build", f"-B {tmp_path}").split()
    assert words[:3] == ["cmake", "-S", "."]
    words[2] = str(ROOT)
    run(*words)
    assert "libtiderace.so" in run("ninja", "-C", tmp_path, "-t", "targets", "all")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Dockerfile's last command of the library puts into /install, of the build that is here."""
    folder = tmp_path_factory.mktemp("install")
    assignment, *words = STAGES["library"].all("RUN")[0].commands[-1].split()
    assert assignment == "DESTDIR=/install"
    run(*[str(ROOT / "build") if word == "build" else word for word in words], DESTDIR=str(folder))
    return folder


def test_what_is_copied_from_the_library_is_installed(installed: Path) -> None:
    checked = 0
    for stage in STAGES.values():
        for copy in copies(stage):
            # The program's own file comes from a stage of its own; test_service.py builds it.
            for source in copy.sources if copy.stage in ("library", "program") else []:
                if not source.endswith("/crash_detector"):
                    pattern = source.removeprefix("/install/")
                    assert list(installed.glob(pattern)), f"{source} is nowhere"
                    checked += 1
    assert checked >= 3


def test_the_pages_are_built_and_in_the_image() -> None:
    """A clone has none: web/dist is made, and the installation takes it only where it is there."""
    pages, library, gateway = STAGES["pages"], STAGES["library"], STAGES["gateway"]
    dev = (ROOT / "dev").read_text()
    for command in [run.commands[0] for run in pages.all("RUN")]:
        assert command in dev, "as ./dev web does"
    assert pages.all("RUN")[-1].commands[-1] == "test -f dist/index.html"
    made = f"{pages.all('WORKDIR')[0].rest}/dist"
    assert Copy("pages", [made], "web/dist") in copies(library)
    assert library.instructions[0].word == "COPY", "before it is installed"
    install = (ROOT / "cmake/install.cmake").read_text()
    found = re.search(r"tiderace_install_pages\(\$\{CMAKE_INSTALL_DATADIR\}/(\S+)\)", install)
    assert found
    assert gateway.all("RUN")[-1].rest == f"test -f /usr/local/share/{found[1]}/index.html"


def test_the_pages_are_built_by_a_node_that_their_packages_run_on() -> None:
    packages = json.loads((ROOT / "web/package-lock.json").read_text())["packages"].values()
    engines = [package.get("engines", {}).get("node", "") for package in packages]
    oldest = max(int(major) for engine in engines for major in re.findall(r"^>=\s*(\d+)", engine))
    major = re.fullmatch(r"node:(\d+)-\S+", STAGES["pages"].base)
    assert major
    assert int(major[1]) >= oldest


def test_the_library_is_compiled_once() -> None:
    """The package's build goes on in the folder of the library's; their compiler's commands are the same."""
    assert STAGES["package"].base == "library"
    assert "-B build " in STAGES["library"].all("RUN")[0].commands[0]
    assert "--config-settings=build-dir=build " in STAGES["package"].all("RUN")[0].rest


@pytest.mark.parametrize("name", ["s3", "mlflow", "duckdb"])
def test_extras_are_those_of_the_package(name: str) -> None:
    """EXTRAS and PACKAGES are what a registry's models want; the image has none unless it is told."""
    stage = STAGES["environment"]
    assert [argument.rest for argument in stage.all("ARG")] == ['EXTRAS=""', 'PACKAGES=""']
    (install,) = stage.all("RUN")
    assert install.rest.endswith('"tiderace${EXTRAS:+[$EXTRAS]}" $PACKAGES')
    assert copies(STAGES["python-service"])[0].stage == "environment"
    assert name in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@cache
def owner(library: Path) -> str:
    """The Debian package that a file is from."""
    for path in {
        library,
        library.resolve(),
        Path("/usr") / library.relative_to("/"),
        Path("/") / str(library)[5:],
    }:
        done = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    raise AssertionError(f"no package has {library}")


def with_dependencies(names: list[str]) -> set[str]:
    """These packages, and what Debian installs with them."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Pre-Depends},${Depends}", name],
            capture_output=True,
            text=True,
            check=False,
        )
        waiting += [
            w for w in re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", done.stdout) if w not in found
        ]
    return found


def test_the_runtime_has_every_library_that_is_wanted(installed: Path) -> None:
    module = Path(sys.modules["tiderace._tiderace"].__file__ or "")
    programs = [
        installed / "usr/local/bin/tiderace",
        *installed.glob("usr/local/lib/libtiderace.so.*.*.*"),
        module,
    ]
    listed = packages(DEPLOY / "docker/runtime-packages.txt")
    there = with_dependencies(listed)
    missing = set()
    for program in programs:
        for line in run("ldd", program).splitlines():
            assert "not found" not in line, f"{program}: {line}"
            if match := re.search(r"=> (/\S+)", line):
                package = owner(Path(match[1]))
                missing |= {package} - there
    assert len(programs) == 3
    assert not missing, f"deploy/docker/runtime-packages.txt lacks {', '.join(sorted(missing))}"
    assert tr.__version__ in run(programs[0], "--version")


@pytest.mark.parametrize("name", [*packages(DEPLOY / "docker/runtime-packages.txt"), "python3"])
def test_debian_has_the_package(name: str) -> None:
    done = subprocess.run(["dpkg-query", "-W", name], capture_output=True, check=False)
    assert done.returncode == 0 or run("apt-cache", "show", name)


def test_the_environment_is_made_from_what_pyproject_says() -> None:
    """The model's packages are those that the tests train with."""
    wanted = re.findall(r"'([a-z-]+[^']+)'", STAGES["model"].all("RUN")[0].rest)
    assert wanted
    for requirement in wanted:
        assert f'"{requirement}"' in (ROOT / "pyproject.toml").read_text()


def test_probe_needs_nothing_but_bash() -> None:
    probe = DEPLOY / "docker/probe"
    assert os.access(probe, os.X_OK)
    assert probe.read_text().startswith("#!/bin/bash\n")
    assert shutil.which("bash")
    run("bash", "-n", probe)
