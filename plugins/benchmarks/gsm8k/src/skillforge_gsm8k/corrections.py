"""Wrong answers in the upstream train file, with the right ones.

The list is that of NeMo Skills' data preparation (`nemo_skills/dataset/gsm8k/prepare.py`), which overrides them too.
"""

from __future__ import annotations

from typing import NamedTuple


class Correction(NamedTuple):
    """What the upstream row says (commas removed), and what is right."""

    upstream: str
    right: str


TRAIN_CORRECTIONS: dict[int, Correction] = {
    167: Correction("1920", "19200"),
    356: Correction("66", "64"),
    657: Correction("730", "07:30"),
    1081: Correction("2460", "2740"),
    1342: Correction("885000", "531000"),
    2770: Correction("106", "108"),
    3529: Correction("3", "13"),
    4795: Correction("4", "6"),
    6670: Correction("12", "15"),
    7182: Correction("4", "10"),
    7401: Correction("10850", "10750"),
}
"""0-based row of the train file -> Correction."""
