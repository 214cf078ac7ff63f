"""The demo's pages for the local network: a certificate of an authority of its own, tokens, a QR code."""

import contextlib
import fcntl
import io
import secrets
import shutil
import socket
import struct
import subprocess
from pathlib import Path

import segno
from processes import PAGES, Pipeline

ROOT = Path(__file__).resolve().parents[2]
AUTHORITY = ROOT / ".demo"
SIOCGIFADDR = 0x8915
DAYS = "365"


def addresses() -> list[str]:
    """This machine's IPv4 addresses but loopback, the one by which it reaches others first."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))  # sends nothing; chooses a route
            found.append(asking.getsockname()[0])
        except OSError:
            pass  # no route to anywhere: those of the interfaces are left
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(asking.fileno(), SIOCGIFADDR, request)
            except OSError:
                continue  # has no address
            found.append(socket.inet_ntoa(answer[20:24]))
    return [address for address in dict.fromkeys(found) if not address.startswith("127.")]


def openssl(*arguments: str | Path) -> None:
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, umask=0o077)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")


def make_authority(folder: Path) -> Path:
    """The certificate that phones are to trust; kept in `folder`, so that they need to be told once."""
    certificate, key = folder / "ca.pem", folder / "ca.key"
    usable = certificate.exists() and key.exists()
    # Long enough for the certificates that it is about to sign.
    check = ["openssl", "x509", "-checkend", "86400", "-noout", "-in", str(certificate)]
    if not usable or subprocess.run(check, capture_output=True).returncode != 0:
        folder.mkdir(mode=0o700, exist_ok=True)
        subject = f"/CN=Tiderace demo CA ({socket.gethostname()[:30]})"
        constraints = ["basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign"]
        extensions = [part for constraint in constraints for part in ("-addext", constraint)]
        new_key = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", DAYS, "-subj", subject]
        openssl(*new_key, *extensions, "-keyout", key, "-out", certificate)
    return certificate


def make_certificate(folder: Path, names: list[str]) -> tuple[Path, Path]:
    """Certificate and key of the gateway under these addresses, signed by the authority in `folder`."""
    request, extensions = folder / "request.pem", folder / "extensions"
    certificate, key = folder / "cert.pem", folder / "key.pem"
    alternatives = ",".join(["DNS:localhost", "IP:127.0.0.1", *(f"IP:{name}" for name in names)])
    extensions.write_text(
        f"subjectAltName={alternatives}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"
        "keyUsage=digitalSignature,keyEncipherment\n"
    )
    subject = ["-subj", "/CN=Tiderace demo gateway"]
    openssl("req", "-newkey", "rsa:2048", "-nodes", *subject, "-keyout", key, "-out", request)
    authority: list[str | Path] = ["-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial"]
    signing: list[str | Path] = [
        "x509",
        "-req",
        "-in",
        request,
        "-days",
        DAYS,
        "-extfile",
        extensions,
        "-out",
        certificate,
    ]
    openssl(*signing, *authority)
    return certificate, key


def configuration(port: int, certificate: Path, key: Path, phone: str, dashboard: str) -> str:
    """The gateway's file up to its topics."""
    return f"""listen = "0.0.0.0:{port}"
web_root = "{PAGES}"
[tls]
certificate = "{certificate}"
key = "{key}"
[[tokens]]
token = "{phone}"
subject = "phones"
write = ["phone-data"]
[[tokens]]
token = "{dashboard}"
subject = "dashboard"
read = ["phone-data", "alerts"]
"""


def serve(pipeline: Pipeline, port: int) -> None:
    """Runs gateway, service and history on, with the pages, until Ctrl-C."""
    authority = make_authority(AUTHORITY)
    names = addresses()
    certificate, key = make_certificate(AUTHORITY, names)
    phone, dashboard = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
    pipeline.stop_gateway()
    pipeline.start_gateway(configuration(port, certificate, key, phone, dashboard))
    pipeline.start_service()
    pipeline.start_history()
    host = names[0] if names else "localhost"
    announce(f"https://{host}:{port}", authority, phone, dashboard)
    with contextlib.suppress(KeyboardInterrupt):
        for _ in pipeline.arriving(until_s=float("inf")):
            pass  # only watches over the processes; the readers are elsewhere now


def announce(url: str, authority: Path, phone: str, dashboard: str) -> None:
    page = f"{url}/phone.html#token={phone}"
    print(qr_code(page))
    print(f"phone page   {page}")
    print(f"dashboard    {url}/?from=earliest#token={dashboard}")
    print(
        f"\nA phone gives its sensors to a page it trusts only: bring {authority} to it and install it as a"
    )
    print(
        "CA certificate (docs/guide/web.md says where). The key beside it stays here; anybody who has it can"
    )
    print("pretend to be any site to that phone, so take the certificate off the phone when you are done.")
    print("Whoever has an address above can use it until Ctrl-C.", flush=True)


def qr_code(text: str) -> str:
    """A QR code in half blocks."""
    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out, border=2, compact=True)
    return out.getvalue()


def check(port: int) -> None:
    """SystemExit if something is missing that pages and certificates want, or the port is taken."""
    if not (PAGES / "index.html").exists():
        raise SystemExit(f"no pages in {PAGES}; ./dev web builds them")
    if shutil.which("openssl") is None:
        raise SystemExit(
            "no openssl on the PATH to make a certificate with; on Debian: apt-get install openssl"
        )
    with socket.socket() as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind(("0.0.0.0", port))
        except OSError as error:
            raise SystemExit(
                f"port {port} is not to be had ({error}); choose another one by --port"
            ) from None
