"""The extras of the core: named sets of plugins, such as `pip install '.[math]'`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LIBRARIES = {"hub": ["datasets>=3"], "plots": ["matplotlib>=3.9"], "tables": ["pyarrow>=15"]}

PLUGINS = {
    "math": {
        "skillforge-gsm8k": "plugins/benchmarks/gsm8k",
        "skillforge-forge-arith": "plugins/benchmarks/forge-arith",
        "skillforge-chat": "plugins/prompts/chat",
        "skillforge-math-grader": "plugins/graders/math",
        "skillforge-exact-grader": "plugins/graders/exact",
        "skillforge-choice-grader": "plugins/graders/choice",
        "skillforge-judge-grader": "plugins/graders/judge",
        "skillforge-openai": "plugins/backends/openai",
    },
    "tir": {
        "skillforge-openmath": "plugins/prompts/openmath",
        "skillforge-numina": "plugins/prompts/numina",
        "skillforge-tora": "plugins/prompts/tora",
        "skillforge-qwen-math": "plugins/prompts/qwen-math",
        "skillforge-deepseek-math": "plugins/prompts/deepseek-math",
        "skillforge-plurality-voters": "plugins/voters/plurality",
        "skillforge-sc-tir": "plugins/voters/sc-tir",
        "skillforge-genselect": "plugins/voters/genselect",
        "skillforge-judge-grader": "plugins/graders/judge",
        "skillforge-math-grader": "plugins/graders/math",
        "skillforge-local-sandbox": "plugins/sandboxes/local",
    },
    "code": {
        "skillforge-local-sandbox": "plugins/sandboxes/local",
        "skillforge-http-sandbox": "plugins/sandboxes/http",
        "skillforge-docker-sandbox": "plugins/sandboxes/docker",
        "skillforge-code-tests-grader": "plugins/graders/code-tests",
    },
    "servers": {
        "skillforge-openai": "plugins/backends/openai",
        "skillforge-trtllm": "plugins/backends/trtllm",
        "skillforge-vllm": "plugins/backends/vllm",
        "skillforge-nemo-backend": "plugins/backends/nemo",
        "skillforge-llama-cpp": "plugins/backends/llama-cpp",
        "skillforge-litellm": "plugins/backends/litellm",
    },
    "local": {
        "skillforge-transformers": "plugins/backends/transformers",
        "skillforge-tiny": "plugins/models/tiny",
        "skillforge-local-sandbox": "plugins/sandboxes/local",
    },
}
"""Extra -> package -> its folder in a checkout."""


class Extras(MetadataHookInterface):
    """Writes the optional dependencies.

    From a checkout the plugins are installed from their folders, since an index may not have these versions. A release
    (`SKILLFORGE_RELEASE=1`) names them plainly.
    """

    def update(self, metadata: dict[str, Any]) -> None:
        extras = dict(LIBRARIES)
        for extra, packages in PLUGINS.items():
            extras[extra] = [self._requirement(name, folder) for name, folder in packages.items()]
        extras["all"] = [f"skillforge[{','.join(extras)}]"]
        metadata["optional-dependencies"] = extras

    def _requirement(self, name: str, folder: str) -> str:
        released = bool(os.environ.get("SKILLFORGE_RELEASE"))
        return name if released else f"{name} @ {(Path(self.root) / folder).as_uri()}"
