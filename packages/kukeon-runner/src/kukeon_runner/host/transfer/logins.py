"""Who logs in to a registry: the realm, then whoever asks, then kukeond's own user."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kukeon_api import docker_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_api import model
    from kukeon_runner.host.registry.authority import Credentials


def credentials(realm: Sequence[model.RegistryCredentials], own: model.RegistryLogin) -> Credentials:
    """Return what gives the login for a host: never one that is kept for another.

    The realm's entry for exactly this registry comes first, then `own`, which somebody sent along, then what docker
    keeps for the user that this process runs as.
    """

    def login(host: str) -> docker_config.Login | None:
        wanted = docker_config.host_of(host)
        for each in realm:
            # Any image may name any registry: one that is for no registry in particular is for none but the Hub.
            if docker_config.host_of(each.server_address or docker_config.HUB) == wanted:
                return docker_config.Login(each.username, each.password)
        if own.server_address and docker_config.host_of(own.server_address) == wanted:
            return docker_config.Login(own.username, own.password, own.identity_token)
        return docker_config.load(docker_config.default_path(os.environ)).login(wanted)

    return login
