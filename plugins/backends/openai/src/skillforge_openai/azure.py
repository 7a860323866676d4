"""Azure: where Azure OpenAI has its endpoints, and how it is given the key.

https://learn.microsoft.com/azure/ai-foundry/openai/reference
"""

from __future__ import annotations

from urllib.parse import quote

from skillforge import Target
from skillforge_openai.address import Address

_BELOW_THE_DEPLOYMENT = ("/chat/completions", "/completions")


class AzureAddress(Address):
    """A resource of Azure OpenAI. In its older form, each deployment of a model has a path of its own."""

    lists_models = False  # the list has what could be deployed, not what is
    batch_prefix = ""

    def __init__(self, plain: Address, model: str, version: str) -> None:
        """Of `plain`, whose path may be that of the resource, of its `/openai/v1`, or of a deployment."""
        super().__init__(plain.url, plain.authorization, (), plain.key_env)
        self._secret = plain._secret
        self._version = version
        if plain.authorization and plain.authorization.startswith("Bearer "):
            self.authorization = plain.authorization.removeprefix("Bearer ")
            self.authorization_header = "api-key"
        base, named, _ = plain.url.partition("/openai/deployments/")
        if plain.url.endswith("/openai/v1"):
            self._all = self._deployment = plain.url
        elif named:
            self._all, self._deployment = f"{base}/openai", plain.url
        else:
            self._all = base.removesuffix("/v1").removesuffix("/openai") + "/openai"
            self._deployment = f"{self._all}/deployments/{quote(model, safe='')}"

    @classmethod
    def of_target(cls, target: Target, key_env: str, version: str) -> AzureAddress:
        """The address of `target`. Raises UsageError for a URL that cannot be used."""
        return cls(Address.of(target, key_env), target.model.name, version)

    def at(self, path: str) -> str:
        where = self._deployment if path in _BELOW_THE_DEPLOYMENT else self._all
        return f"{where}{path}{'&' if '?' in path else '?'}api-version={quote(self._version, safe='')}"
