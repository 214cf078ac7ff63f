"""A Kerberos realm on loopback: MIT's KDC with a database, keys and settings in a folder of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka_ports import HOST, free_ports, is_free

REALM = "TIDERACE.TEST"
# Debian puts the tools of an administrator where a user's PATH does not look.
_PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])


class Kdc:
    """`krb5_conf` is what clients want as KRB5_CONFIG. Kills its process at the end of `running`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        port = free_ports(1)
        self._port = port
        self.krb5_conf = folder / "krb5.conf"
        self.krb5_conf.write_text(f"""\
[libdefaults]
  default_realm = {REALM}
  dns_lookup_realm = false
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  {REALM} = {{
    kdc = {HOST}:{port}
  }}
""")
        (folder / "kdc.conf").write_text(f"""\
[kdcdefaults]
  kdc_listen = {HOST}:{port}
  kdc_tcp_listen = {HOST}:{port}
[realms]
  {REALM} = {{
    database_name = {folder}/principal
    key_stash_file = {folder}/stash
    acl_file = {folder}/acl
  }}
[logging]
  kdc = FILE:{folder}/kdc.log
""")
        self.environment = {"KRB5_CONFIG": str(self.krb5_conf), "KRB5CCNAME": f"FILE:{folder}/tickets"}

    @contextmanager
    def running(self) -> Iterator["Kdc"]:
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
        process = subprocess.Popen(["krb5kdc", "-n"], env=self._environment(), stdout=subprocess.DEVNULL)
        try:
            while is_free(self._port):
                assert process.poll() is None, (self._folder / "kdc.log").read_text()
            yield self
        finally:
            process.kill()
            process.wait()

    def keytab(self, principal: str) -> Path:
        """A file with the key of a new principal."""
        path = self._folder / f"{principal.replace('/', '-')}.keytab"
        for query in (f"addprinc -randkey {principal}", f"ktadd -k {path} {principal}"):
            self._run("kadmin.local", "-r", REALM, "-q", query)
        assert path.exists(), principal
        return path

    def _environment(self) -> dict[str, str]:
        own = {"KRB5_KDC_PROFILE": str(self._folder / "kdc.conf"), "PATH": _PATH}
        return {**os.environ, **self.environment, **own}

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self._environment(), check=True, capture_output=True)
