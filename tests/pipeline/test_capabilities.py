"""What is said of a backend that lacks what a run needs."""

from __future__ import annotations

import pytest

from skillforge import Message, Sampling, UsageError
from skillforge.pipeline.capabilities import needed, refuse_lacking


def test_a_backend_without_chats_leads_to_raw_text() -> None:
    lacking = needed(Sampling(max_tokens=8), (Message("user", "2 + 2?"),), None) - {"text", "max_tokens"}
    with pytest.raises(UsageError, match=r"the backend 'b' takes no chat prompts; .*-o prompt.format=text .*--backend"):
        refuse_lacking(lacking, "the backend 'b'", "b")


def test_a_setting_is_named_as_it_is_given() -> None:
    with pytest.raises(UsageError, match=r"cannot do --top-k; leave it out, or see 'skillforge plugins show b'"):
        refuse_lacking(needed(Sampling(top_k=5), "2 + 2 =", None) - {"text"}, "the backend 'b'", "b")
