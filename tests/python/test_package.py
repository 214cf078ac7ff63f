"""The package as it is installed, as it is made, and with the pages that come with the gateway."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import gateway_support
import pytest
import tiderace

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"index.html": "the dashboard", "phone.html": "the phone page"}


def test_one_version() -> None:
    assert tiderace.__version__ == importlib.metadata.version("tiderace")


def make_tree(folder: Path) -> Path:
    """The sources with pages of the test's own, since those of the tree may not be built."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in {path.split("/")[0] for path in tracked.stdout.splitlines()} - {"web"}:
        (folder / name).symlink_to(ROOT / name)
    pages = folder / "web" / "dist"
    pages.mkdir(parents=True)
    shutil.copy(ROOT / "web" / ".gitignore", folder / "web")
    for name, text in PAGES.items():
        (pages / name).write_text(text)
    return folder


def in_a_line(said: str) -> str:
    """CMake breaks its warnings where they are long."""
    return " ".join(said.split())


def make(kind: str, tree: Path, settings: dict[str, str | list[str]]) -> tuple[Path, str]:
    """What the build backend makes of `tree`, an "sdist" or a "wheel", and what it said in one line."""
    call = f"""
import json, sys
from scikit_build_core import build
print("made", build.build_{kind}(sys.argv[1], json.loads(sys.argv[2])))
"""
    words = [sys.executable, "-c", call, str(tree / "made"), json.dumps(settings)]
    done = subprocess.run(words, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return tree / "made" / done.stdout.rstrip().rpartition("made ")[2], in_a_line(done.stdout)


def make_wheel(tree: Path) -> tuple[Path, str]:
    """With what is compiled in place of compiling it again: the target that is built makes nothing."""
    build = tree / "build"
    (build / "python" / "tiderace").mkdir(parents=True, exist_ok=True)
    for library in (ROOT / "build").glob("libtiderace.so*"):
        shutil.copy(library, build, follow_symlinks=False)
    shutil.copy(ROOT / "build" / "tiderace", build)
    for file in (ROOT / "python" / "tiderace").glob("_tiderace*"):
        shutil.copy(file, build / "python" / "tiderace")
    return make("wheel", tree, {"build-dir": str(build), "build.targets": ["help"]})


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In its `build/` is what can be installed; in `prefix/` what pip has installed of its wheel."""
    tree = make_tree(tmp_path_factory.mktemp("tree"))
    wheel, said = make_wheel(tree)
    assert "has no pages" not in said
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-cache-dir"]
    subprocess.run([*pip, "--prefix", tree / "prefix", "--ignore-installed", wheel], check=True)
    return tree


def test_a_source_package_has_the_pages(tmp_path: Path) -> None:
    package, _ = make("sdist", make_tree(tmp_path), {})
    with tarfile.open(package) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"web/dist/{name}" for name in PAGES} <= names
    assert "CMakeLists.txt" in names


def test_what_pip_installed_is_the_package(tree: Path) -> None:
    (packages,) = (tree / "prefix").glob("lib*/python*/site-packages")
    # Without `site`, which would find the package of the tree first.
    call = "import sys; sys.path[:0] = sys.argv[1:]; import tiderace as t; print(t.__file__, t.__version__)"
    words = [sys.executable, "-S", "-c", call, packages, sysconfig.get_path("purelib")]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(packages / "tiderace" / "__init__.py"), tiderace.__version__]


def answers(gateway: gateway_support.Gateway) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for name in PAGES:
        try:
            address = f"http://127.0.0.1:{gateway.port}/{name}"
            with urllib.request.urlopen(address, timeout=gateway_support.TIMEOUT) as answer:
                found[name] = answer.read().decode()
        except urllib.error.HTTPError as error:
            found[name] = error.code
    return found


Start = Callable[..., gateway_support.Gateway]
OWN_PAGES = "# no web_root: the pages that come with it\n[topics]\nphone-data = {}\n"


def test_a_gateway_that_pip_installed_serves_the_pages_that_came_with_it(
    tree: Path, start_gateway: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_support, "COMMAND", tree / "prefix" / "bin" / "tiderace")
    gateway = start_gateway(OWN_PAGES)
    assert answers(gateway) == PAGES
    assert "pages" not in gateway.stop()


def test_a_gateway_that_cmake_installed_serves_them_too_and_says_if_it_has_none(
    tree: Path, tmp_path: Path, start_gateway: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tmp_path / "prefix"
    install = ["cmake", "--install", str(tree / "build"), "--prefix", str(prefix)]
    done = subprocess.run(install, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    monkeypatch.setattr(gateway_support, "COMMAND", prefix / "bin" / "tiderace")
    gateway = start_gateway(OWN_PAGES)
    assert answers(gateway) == PAGES
    gateway.stop()
    shutil.rmtree(prefix / "share" / "tiderace" / "web")
    gateway.start()
    assert set(answers(gateway).values()) == {404}
    assert "its pages were not built with it" in gateway.stop()


def test_a_package_without_pages_says_so_where_it_is_made(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    shutil.rmtree(tree / "web" / "dist")
    wheel, said = make_wheel(tree)
    assert "has no pages" in said
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert any(name.endswith(".data/scripts/tiderace") for name in names)
    assert not any("share/tiderace/web" in name for name in names)
    install = ["cmake", "--install", str(tree / "build"), "--prefix", str(tmp_path / "prefix")]
    done = subprocess.run(install, check=True, capture_output=True, text=True)
    assert re.search(r"CMake Warning .* has no pages.*; ./dev web builds them", in_a_line(done.stderr))
