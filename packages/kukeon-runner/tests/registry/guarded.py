"""A registry that lets in only who logs in, by password or by token."""

import base64
import json
from collections.abc import Callable

from kukeon_api.docker_config import Login
from kukeon_runner.testing.registry import PASS, Call, Reply, ServedRegistry, error

LOGIN = Login("ann", "secret")
BASIC = f"Basic {base64.b64encode(b'ann:secret').decode()}"


def only_for(host: str, login: Login = LOGIN) -> Callable[[str], Login | None]:
    return {host: login}.get


def demand_basic(call: Call, _writer: object) -> Reply:
    if call.headers.get("authorization") == BASIC:
        return PASS
    refusal = error(401, "UNAUTHORIZED", "authentication required")
    return Reply(401, refusal.body, {"WWW-Authenticate": 'Basic realm="Registry"'})


class Tokens:
    """A registry's and its token server's behaviour: tokens are numbered, and good until `spoil`."""

    def __init__(self, served: ServedRegistry, issuer: ServedRegistry, expires_in: float = 300) -> None:
        self.asked: list[Call] = []
        self.good: set[str] = set()
        self.expires_in = expires_in
        self.accepted = {BASIC}
        self._realm = f"http://{issuer.address}/token?kind=registry"
        served.behaviour = self.guard
        issuer.behaviour = self.issue if issuer is not served else self.both

    def guard(self, call: Call, _writer: object) -> Reply:
        if call.headers.get("authorization", "").removeprefix("Bearer ") in self.good:
            return PASS
        challenge = f'Bearer realm="{self._realm}",service="reg,istry",scope="repository:team/app:pull",error="x"'
        return Reply(401, headers={"WWW-Authenticate": challenge})

    def issue(self, call: Call, _writer: object) -> Reply:
        self.asked.append(call)
        if self.accepted and call.method == "GET" and call.headers.get("authorization", "") not in self.accepted:
            return Reply(401, b'{"details": "incorrect username or password"}')
        token = f"t{len(self.asked)}"
        self.good.add(token)
        return Reply(200, json.dumps({"token": token, "expires_in": self.expires_in}).encode())

    def both(self, call: Call, writer: object) -> Reply:
        return self.issue(call, writer) if call.path == "/token" else self.guard(call, writer)
