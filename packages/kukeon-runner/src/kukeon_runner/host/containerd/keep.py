"""Ties the parts of an image together, so that the garbage collector keeps all of them as long as its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_runner.host.containerd.unpack import unpack

if TYPE_CHECKING:
    from kukeon_runner.host.containerd.client import Namespaced
    from kukeon_runner.host.containerd.inventory import Inventory, Variant
    from kukeon_runner.host.containerd.platforms import Platform
    from kukeon_runner.host.containerd.unpack import Ready

# The collector follows these from a blob to what it needs.  The keys are those that `ctr image import` of containerd
# 1.6 and later sets (seen with `ctr content ls`; docs/content-flow.md and docs/garbage-collection.md there).
CONFIG_LABEL = "containerd.io/gc.ref.content.config"
LAYER_LABEL = "containerd.io/gc.ref.content.l."
MANIFEST_LABEL = "containerd.io/gc.ref.content.m."
SNAPSHOT_LABEL = "containerd.io/gc.ref.snapshot."


async def keep(leased: Namespaced, image: Inventory, host: Platform, ready: Ready | None = None) -> None:
    """Unpack what `host` can run and label everything; its documents have to be in the store, its layers when `ready`.

    Raises InvalidArchive for layers that are not what the config says.  Layers of other platforms are not unpacked.
    """
    for variant in image.variants:
        await _keep(leased, variant, host, ready)
    kept = {variant.descriptor.digest for variant in image.variants} | {
        index.descriptor.digest for index in image.indexes
    }
    for index in reversed(image.indexes):
        labels = {
            MANIFEST_LABEL + str(i): entry.descriptor.digest
            for i, entry in enumerate(index.entries)
            if entry.descriptor.digest in kept
        }
        if labels:
            await leased.content.set_labels(index.descriptor.digest, labels)


async def _keep(leased: Namespaced, variant: Variant, host: Platform, ready: Ready | None) -> None:
    labels = {}
    if variant.parts:
        config, *layers = variant.parts
        labels = {LAYER_LABEL + str(i): layer.digest for i, layer in enumerate(layers)}
        labels[CONFIG_LABEL] = config.digest
        if variant.config and variant.platform.misfit(host) is not None:
            chain_id = await unpack(leased, layers, variant.config.diff_ids, ready)
            if chain_id:
                await leased.content.set_labels(config.digest, {SNAPSHOT_LABEL + leased.snapshotter: chain_id})
    if labels:
        await leased.content.set_labels(variant.descriptor.digest, labels)
