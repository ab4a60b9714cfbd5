"""A hospital's OpenID Connect provider, small and strict, served by the test itself.

It answers discovery, authorisation (code flow), token, user info and keys (OpenID Connect Core 1.0,
PKCE by RFC 7636) and refuses what a real provider refuses: a foreign client, a foreign redirect, a
code used twice, a wrong verifier.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "reader-study", "a client's secret"


class Hospital:
    """Who is signed in there (``person``, the claims), and what was asked."""

    def __init__(self) -> None:
        self.person: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.refused: list[str] = []
        self.url = ""
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            **{
                name: f"{self.url}/{path}"
                for name, path in (
                    ("authorization_endpoint", "authorize"),
                    ("token_endpoint", "token"),
                    ("userinfo_endpoint", "userinfo"),
                    ("jwks_uri", "keys"),
                )
            },
            "response_types_supported": ["code"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
        }

    def authorise(self, asked: dict[str, str]) -> str | None:
        """The address to send the browser back to, with a code; ``None`` for who must not have
        one."""
        if asked.get("client_id") != CLIENT or asked.get("code_challenge_method") != "S256":
            self.refused.append("client, or no PKCE")
            return None
        code = secrets.token_urlsafe()
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, given: dict[str, str]) -> dict[str, Any] | None:
        asked = self.codes.pop(given.get("code", ""), None)
        proof = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
        if (
            asked is None
            or (given.get("client_id"), given.get("client_secret")) != (CLIENT, SECRET)
            or asked["redirect_uri"] != given.get("redirect_uri")
            or asked["code_challenge"] != challenge
        ):
            self.refused.append("token")
            return None
        access, now = secrets.token_urlsafe(), int(time.time())
        self.tokens[access] = dict(self.person)
        claims = {
            **self.person, "iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300,
        }  # fmt: skip
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "1"}),
        }


@contextmanager
def hospital() -> Iterator[Hospital]:
    """The provider, answering at its ``url`` until the end of the block."""
    held = Hospital()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(address.query).items()}
            if address.path == "/.well-known/openid-configuration":
                self.say(held.discovery())
            elif address.path == "/authorize":
                back = held.authorise(asked)
                self.send_response(302 if back else 400)
                if back:
                    self.send_header("Location", back)
                self.end_headers()
            elif address.path == "/userinfo":
                bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
                self.say(held.tokens.get(bearer))
            elif address.path == "/keys":
                key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(held.key.public_key()))
                self.say({"keys": [{**key, "kid": "1", "alg": "RS256", "use": "sig"}]})
            else:
                self.say(None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.say(held.token({name: values[0] for name, values in parse_qs(body).items()}))

        def say(self, answer: dict[str, Any] | None) -> None:
            content = json.dumps(answer or {"error": "invalid_request"}).encode()
            self.send_response(200 if answer is not None else 400)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
