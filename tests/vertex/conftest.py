"""A local Vertex AI and a local Cloud Storage, with Google's own SDKs and credentials in front of them."""

import datetime
import json
import socket

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from vertex_bench import BUCKET, Bench
from vertex_server import PROJECT, Vertex


class Storage:
    """The bucket, as the provider's side sees it."""

    def __init__(self, url):
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        self._client = storage.Client(
            project="provider", credentials=AnonymousCredentials(), client_options={"api_endpoint": url}
        )
        self.bucket = self._client.create_bucket(BUCKET)
        self.put = []

    def _blob(self, uri):
        assert uri.startswith(f"gs://{BUCKET}/"), uri
        return self.bucket.blob(uri.removeprefix(f"gs://{BUCKET}/"))

    def read(self, uri):
        return self._blob(uri).download_as_bytes()

    def write(self, uri, data):
        self._blob(uri).upload_from_string(data)

    def names(self):
        return sorted(blob.name for blob in self.bucket.list_blobs())


@pytest.fixture(scope="session")
def emulator():
    """Cloud Storage in this process; its address."""
    from gcp_storage_emulator.server import create_server

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True)
    server.start()
    yield server, f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(scope="session")
def key_text():
    """A private key of a service account that exists nowhere."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """The certificate of an authority that signs nothing: every client of the SDK loads it three times."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2096, 1, 1, tzinfo=datetime.UTC))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("authority") / "nobody.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def storage(emulator, monkeypatch):
    """An empty bucket."""
    server, url = emulator
    server.wipe()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    return Storage(url)


@pytest.fixture
def vertex(storage, key_text, authority, tmp_path, monkeypatch):
    """The service, and application default credentials that it accepts."""
    with Vertex(storage) as server:
        account = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "1",
            "private_key": key_text,
            "client_email": f"nobody@{PROJECT}.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{server.url}/token",
        }
        path = tmp_path / "account.json"
        path.write_text(json.dumps(account))
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        # Google's library asks a fixed address in the background where a token may be used: it goes nowhere.
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", server.url)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
        monkeypatch.setenv("AQA_STAGING_BUCKET", BUCKET)
        yield server


@pytest.fixture
def bench(tmp_path):
    """A model's file, cells, media and journals."""
    return Bench(tmp_path)
