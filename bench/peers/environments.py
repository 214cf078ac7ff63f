"""What the other systems need, each apart, in `.bench/`: fetched once, from PyPI and Maven Central."""

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".bench"
QUIX = ["quixstreams==3.28.1", "scikit-learn==1.7.2"]
BYTEWAX = ["bytewax[kafka]==0.21.1", "orjson==3.13.0"]
REST = ["fastapi==0.121.3", "uvicorn[standard]==0.38.0", "scikit-learn==1.7.2"]
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


def python(name: str) -> Path:
    return FOLDER / name / "bin" / "python"


def make_python(name: str, requirements: list[str]) -> None:
    """A virtual environment with these packages; nothing, if it is there."""
    folder, stamp = FOLDER / name, FOLDER / name / "requirements.txt"
    if stamp.exists() and stamp.read_text().split("\n") == requirements:
        return
    shutil.rmtree(folder, ignore_errors=True)
    print(f"== making .bench/{name}: {', '.join(requirements)}", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    subprocess.run([python(name), *install], check=True)
    stamp.write_text("\n".join(requirements))


def make_java(source: Path) -> None:
    """The jars that `source`/pom.xml names and the class Job, compiled; nothing, if it is as it was."""
    folder = FOLDER / source.name
    pom, code, stamp = source / "pom.xml", source / "Job.java", folder / "made"
    wanted = pom.read_text() + code.read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"== making .bench/{source.name}", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copy = [_COPY, f"-DoutputDirectory={folder / 'jars'}", "-DincludeScope=runtime"]
    subprocess.run(["mvn", "--batch-mode", "--quiet", "--strict-checksums", "--file", pom, *copy], check=True)
    (folder / "classes").mkdir()
    compiled = ["javac", "-cp", f"{folder / 'jars'}/*", "-d", folder / "classes", code]
    subprocess.run(compiled, check=True)
    stamp.write_text(wanted)


def java(name: str, arguments: list[str]) -> list[str]:
    folder = FOLDER / name
    # Flink's serialisers look into classes of Java; Kafka's documentation gives its clients no options.
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ("java.util", "java.lang")]
    path = f"{folder / 'classes'}:{folder / 'jars'}/*"
    return ["java", *opened, "-cp", path, "Job", *arguments]
