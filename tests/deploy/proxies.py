"""nginx and Caddy with the files of docs/deploy: only addresses, ports and certificates are put in their place."""

import os
import re
import socket
import ssl
import subprocess
from pathlib import Path

from engine import ROOT, until

DEPLOY = ROOT / "docs/deploy"
PUBLIC_NAME = "trade.example.com"
PRIVATE_ADDRESS = "10.8.0.1"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def adapted(name, changes):
    """A file of docs/deploy with these texts in the place of those; each of them must be there."""
    text = (DEPLOY / name).read_text()
    for old, new in changes.items():
        assert old in text, f"{name} does not hold {old!r}"
        text = text.replace(old, new)
    return text


class Proxy:
    """Runs for as long as its block. `public` and `private` are its ports."""

    def __init__(self, directory, upstream):
        self.at = Path(directory)
        self.upstream = upstream
        self.public, self.private = free_port(), free_port()

    def __enter__(self):
        self.at.mkdir()
        self.output = (self.at / "output").open("w")
        command, env = self.prepare()
        self.process = subprocess.Popen(command, cwd=self.at, env={"PATH": os.environ["PATH"], **env}, stdout=self.output, stderr=self.output)
        try:
            until(f"{type(self).__name__} listens", lambda: all(self.answers(port) for port in (self.public, self.private)))
        except BaseException:
            self.__exit__()
            print((self.at / "output").read_text())
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.output.close()

    def answers(self, port):
        assert self.process.poll() is None, (self.at / "output").read_text()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as plain:
                with context.wrap_socket(plain, server_hostname=PUBLIC_NAME if port == self.public else None):
                    return True
        except OSError:
            return False

    def written(self):
        """All that it wrote down anywhere: logs, temporary files."""
        self.output.flush()
        return "\n".join(path.read_bytes().decode(errors="replace") for path in self.at.rglob("*") if path.is_file() and path.name not in self.SETTINGS)


class Nginx(Proxy):
    SETTINGS = {"nginx.conf", "public.conf", "private.conf"}

    def prepare(self):
        for name, subject in (("public", f"DNS:{PUBLIC_NAME}"), ("private", "IP:127.0.0.1")):
            make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
            make += ["-addext", f"subjectAltName={subject}", "-keyout", f"{name}.key", "-out", f"{name}.crt"]
            subprocess.run(make, cwd=self.at, check=True, capture_output=True)
        self.authorities = {self.public: self.at / "public.crt", self.private: self.at / "private.crt"}
        engine = {"http://127.0.0.1:8080": self.upstream}
        logs = {"/var/log/nginx/": f"{self.at}/"}
        public = adapted("nginx.conf", {
            **engine,
            **logs,
            "listen 443 ssl": f"listen 127.0.0.1:{self.public} ssl",
            "    listen [::]:443 ssl http2;\n": "",
            f"/etc/letsencrypt/live/{PUBLIC_NAME}/fullchain.pem": f"{self.at}/public.crt",
            f"/etc/letsencrypt/live/{PUBLIC_NAME}/privkey.pem": f"{self.at}/public.key",
        })
        private = adapted("nginx-private.conf", {
            **engine,
            **logs,
            f"listen {PRIVATE_ADDRESS}:8443": f"listen 127.0.0.1:{self.private}",
            "/etc/nginx/ordergate.key;": f"{self.at}/private.key;",
            "/etc/nginx/ordergate.crt;": f"{self.at}/private.crt;",
        })
        (self.at / "public.conf").write_text(public)
        (self.at / "private.conf").write_text(private)
        # What Debian's own nginx.conf is for: where the files of conf.d stand.
        temporary = "".join(f"{kind}_temp_path {self.at}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.at / "nginx.conf").write_text(
            f"daemon off; user root; worker_processes 1; pid {self.at}/pid; error_log stderr notice;"
            f"events {{}} http {{ access_log {self.at}/access.log; {temporary} include public.conf; include private.conf; }}"
        )
        return ["/usr/sbin/nginx", "-p", f"{self.at}/", "-e", "stderr", "-c", f"{self.at}/nginx.conf"], {}


class Caddy(Proxy):
    SETTINGS = {"Caddyfile", "private.caddy"}

    def prepare(self):
        # No other certificate authority than its own is here to be asked, and nothing but loopback is listened on.
        here = f"{{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\tdefault_bind 127.0.0.1\n\tauto_https disable_redirects\n\thttps_port {self.public}\n"
        public = adapted("Caddyfile", {"127.0.0.1:8080": self.upstream.removeprefix("http://")})
        public, count = re.subn(r"^\{\n", here.replace("\\", r"\\"), public, count=1, flags=re.M)
        assert count == 1, "the Caddyfile has no global options"
        private = adapted("private.caddy", {
            "127.0.0.1:8080": self.upstream.removeprefix("http://"),
            f"{PRIVATE_ADDRESS}:8443": f"127.0.0.1:{self.private}",
            f"bind {PRIVATE_ADDRESS}": "bind 127.0.0.1",
        })
        (self.at / "Caddyfile").write_text(public)
        (self.at / "private.caddy").write_text(private)
        root = self.at / "caddy/pki/authorities/local/root.crt"
        self.authorities = {self.public: root, self.private: root}
        env = {"HOME": str(self.at), "XDG_DATA_HOME": str(self.at), "XDG_CONFIG_HOME": str(self.at)}
        return ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"], env
