"""What figures of a synthesised circuit depend on, as a key of the store."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from axhw.characterize import code_digest
from axhw.measure import Conditions
from axhw.synth.synthesis import SynthesisJob


def measurement_key(job: SynthesisJob, conditions: Conditions) -> str:
    """Of the synthesis, the conditions, and the code that makes and measures circuits."""
    text = json.dumps([job.key, dataclasses.asdict(conditions), code_digest()])
    return hashlib.sha256(text.encode()).hexdigest()
