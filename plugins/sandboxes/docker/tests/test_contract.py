from typing import Any

import pytest

from skillforge.testing import check_command, check_sandbox
from skillforge_docker_sandbox import BuildCommand, DockerSandbox

pytestmark = pytest.mark.xdist_group("docker")


def test_sandbox_keeps_the_contract(docker: Any) -> None:
    results = check_sandbox(DockerSandbox(), options={"image": docker.image, "preload": ("json",)})
    assert not [result for result in results if result.state == "skipped"], results


def test_command_keeps_the_contract() -> None:
    check_command(BuildCommand())
