from __future__ import annotations

import pytest

from skillforge.testing import check_sandbox
from skillforge_local_sandbox import LocalOptions, LocalSandbox


@pytest.mark.parametrize("checkpoint", [False, True])
def test_contract(checkpoint: bool) -> None:
    results = check_sandbox(LocalSandbox(), options=LocalOptions(checkpoint=checkpoint))
    assert [result for result in results if result.state != "ok"] == []
