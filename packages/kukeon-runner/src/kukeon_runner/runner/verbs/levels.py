"""Realms, spaces and stacks."""

from __future__ import annotations

from kukeon_api import model
from kukeon_runner.runner.verbs.nouns import Nouns, within


class LevelVerbs(Nouns):
    async def get_realm(self, realm: model.RealmDoc) -> model.RealmDoc:
        return self.realms.get(model.ref_of(realm))

    async def list_realms(self) -> tuple[model.RealmDoc, ...]:
        return tuple(await self.listed(model.RealmDoc))

    async def create_realm(self, realm: model.RealmDoc) -> model.RealmDoc:
        return (await self.realms.converge(realm, update=False)).doc

    async def ensure_realm(self, realm: model.RealmDoc) -> model.RealmDoc:
        return (await self.realms.converge(self.realms.get(model.ref_of(realm)), update=False)).doc

    async def update_realm(self, realm: model.RealmDoc) -> model.RealmDoc:
        return (await self.realms.update(realm)).doc

    async def update_realm_metadata(self, realm: model.RealmDoc) -> model.RealmDoc:
        return await self.relabel(realm)

    async def delete_realm(self, realm: model.RealmDoc) -> None:
        await self.realms.delete(model.ref_of(realm), cascade=False)

    async def purge_realm(self, realm: model.RealmDoc) -> bool:
        return (await self.realms.purge(model.ref_of(realm), cascade=True)).namespace_removed

    async def refresh_realm(self, realm: model.RealmDoc) -> tuple[model.RealmDoc, bool]:
        found, changed = await self.realms.refresh(model.ref_of(realm))
        return found or self.realms.get(model.ref_of(realm)), changed

    async def get_space(self, space: model.SpaceDoc) -> model.SpaceDoc:
        return self.spaces.get(model.ref_of(space))

    async def list_spaces(self, realm_name: str = "") -> tuple[model.SpaceDoc, ...]:
        docs = await self.listed(model.SpaceDoc)
        return tuple(each for each in docs if within(each, realm_name))

    async def create_space(self, space: model.SpaceDoc) -> model.SpaceDoc:
        return (await self.spaces.converge(space, update=False)).doc

    async def ensure_space(self, space: model.SpaceDoc) -> model.SpaceDoc:
        return (await self.spaces.converge(self.spaces.get(model.ref_of(space)), update=False)).doc

    async def update_space(self, space: model.SpaceDoc) -> model.SpaceDoc:
        return (await self.spaces.update(space)).doc

    async def update_space_metadata(self, space: model.SpaceDoc) -> model.SpaceDoc:
        return await self.relabel(space)

    async def exists_space_cni_config(self, space: model.SpaceDoc) -> bool:
        return await self.spaces.network_exists(model.ref_of(space))

    async def delete_space(self, space: model.SpaceDoc) -> None:
        await self.spaces.delete(model.ref_of(space), cascade=False)

    async def purge_space(self, space: model.SpaceDoc) -> None:
        await self.spaces.purge(model.ref_of(space), cascade=True)

    async def refresh_space(self, space: model.SpaceDoc) -> tuple[model.SpaceDoc, bool]:
        found, changed = await self.spaces.refresh(model.ref_of(space))
        return found or self.spaces.get(model.ref_of(space)), changed

    async def get_stack(self, stack: model.StackDoc) -> model.StackDoc:
        return self.stacks.get(model.ref_of(stack))

    async def list_stacks(self, realm_name: str = "", space_name: str = "") -> tuple[model.StackDoc, ...]:
        docs = await self.listed(model.StackDoc)
        return tuple(each for each in docs if within(each, realm_name, space_name))

    async def create_stack(self, stack: model.StackDoc) -> model.StackDoc:
        return (await self.stacks.converge(stack, update=False)).doc

    async def ensure_stack(self, stack: model.StackDoc) -> model.StackDoc:
        return (await self.stacks.converge(self.stacks.get(model.ref_of(stack)), update=False)).doc

    async def update_stack(self, stack: model.StackDoc) -> model.StackDoc:
        return (await self.stacks.update(stack)).doc

    async def update_stack_metadata(self, stack: model.StackDoc) -> model.StackDoc:
        return await self.relabel(stack)

    async def delete_stack(self, stack: model.StackDoc) -> None:
        await self.stacks.delete(model.ref_of(stack), cascade=False)

    async def purge_stack(self, stack: model.StackDoc) -> None:
        await self.stacks.purge(model.ref_of(stack), cascade=True)

    async def refresh_stack(self, stack: model.StackDoc) -> tuple[model.StackDoc, bool]:
        found, changed = await self.stacks.refresh(model.ref_of(stack))
        return found or self.stacks.get(model.ref_of(stack)), changed
