"""What a broker is made of: Java, and Apache Kafka's jars, which Maven fetches once."""

import contextlib
import fcntl
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

VERSION = "4.3.1"
JAVA_VERSION = 17  # the oldest that runs this Kafka
_WANTED = f"Kafka {VERSION} wants Java {JAVA_VERSION} or later"

# slf4j-simple writes warnings and errors to standard error; without it a broker that cannot start is silent.
_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tiderace</groupId>
  <artifactId>development-broker</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


class KafkaError(Exception):
    """Something that the caller has to put right; says what was wanted, what was found and what to do."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock between processes, which the operating system frees when the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def last_lines(text: str, count: int = 20) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines()[-count:] if line.strip()) or "  (nothing)"


def find_java() -> str:
    """The path of a Java that runs Kafka: that of JAVA_HOME if it is set, else the first on the PATH."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        where = f"in JAVA_HOME, which is {home}" if home else "on the PATH, and JAVA_HOME is not set"
        raise KafkaError(
            f"{_WANTED}; there is no java {where}: install default-jre-headless or set JAVA_HOME"
        )
    found = _java_version(java)
    if found < JAVA_VERSION:
        todo = "install default-jre-headless, or set JAVA_HOME to a newer one"
        raise KafkaError(f"{_WANTED}; {java} is Java {found}: {todo}")
    return java


@functools.cache
def _java_version(java: str) -> int:
    done = subprocess.run([java, "-version"], capture_output=True, text=True)
    # "17.0.15", "21", and until Java 8 "1.8.0_392"
    found = re.search(r'version "(?:1\.)?(\d+)[^"]*"', done.stderr)
    if found is None or done.returncode != 0:
        said = last_lines(done.stdout + done.stderr)
        raise KafkaError(f"{_WANTED}; {java} -version does not say what it is:\n{said}")
    return int(found[1])


class Jars:
    """Kafka's jars in `folder`/VERSION, for any number of clusters and processes at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve() / VERSION
        # Classes as a JVM has once loaded them, which saves a third of a start or more. Without the file, or
        # if it is of another Java, a JVM loads them itself.
        self.archive = self.folder / "classes.jsa"

    @property
    def fetched(self) -> bool:
        return self.folder.exists()

    def fetch(self) -> bool:
        """Sees to it that the jars are there; True if they had to be fetched."""
        if self.fetched:
            return False
        with locked(self.folder.parent / "jars.lock"):
            if self.fetched:
                return False
            self._fetch()
            return True

    def _fetch(self) -> None:
        find_java()
        maven = shutil.which("mvn")
        if maven is None:
            raise KafkaError(
                f"Kafka {VERSION} is fetched with Maven, once; there is no mvn on the PATH: install maven"
            )
        partial = self.folder.with_name(f"{VERSION}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        pom = partial / "pom.xml"
        pom.write_text(_POM)
        command = [maven, "--batch-mode", "--quiet", "--strict-checksums", "--file", str(pom), _COPY]
        command += [f"-DoutputDirectory={partial}", "-DincludeScope=runtime"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0 or not any(partial.glob("kafka_*.jar")):
            raise KafkaError(
                f"Maven could not fetch Kafka {VERSION}; it needs the network this once. Its last lines:\n"
                f"{last_lines(done.stdout + done.stderr)}\n"
                "If a proxy or mirror is wanted, it belongs in ~/.m2/settings.xml."
            )
        partial.rename(self.folder)

    def environment(self) -> dict[str, str]:
        """The environment of a JVM that runs Kafka."""
        jars = sorted(str(jar) for jar in self.folder.glob("*.jar"))
        return os.environ | {"CLASSPATH": ":".join(jars)}

    def command(self, main: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
        """Runs a main class of Kafka, quickly started: `options` are the JVM's, and the later ones win."""
        quick = ["-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xlog:disable", "-Xlog:all=error:stderr"]
        if self.archive.exists():
            quick.append(f"-XX:SharedArchiveFile={self.archive}")
        log = [
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
        ]
        return [find_java(), *quick, *log, *options, main, *arguments]
