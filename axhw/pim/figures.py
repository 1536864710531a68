"""Time, energy, tiles and resource of the operations of each node of a model's graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.pim.accounting import Accounting
from axhw.pim.cache import go_bytes, go_written_bytes, kv_bytes
from axhw.pim.model import DecoderModel
from axhw.pim.operations import PS_PER_NS, IntArray, Kind
from axhw.pim.parameters import Parameters
from axhw.pim.places import Places

_ATTENTION, _DRAM = 0, 1
"""Resources that there always are."""

Columns = dict[str, Any]
"""Arrays of `axhw.pim.operations.Program` by their names, or a number that all operations have."""


class Figures:
    """What operations of a model take on some hardware.

    Parameters
    ----------
    model : DecoderModel
    places : Places
    parameters : Parameters
    accounting : Accounting
    group : int
        Crossbars at a shared periphery.

    Attributes
    ----------
    capacity : list of int
        Room of each resource that was asked for so far.
    """

    def __init__(
        self, model: DecoderModel, places: Places, *, parameters: Parameters, accounting: Accounting, group: int
    ) -> None:
        self._model, self._places, self._parameters, self._accounting = model, places, parameters, accounting
        factor = parameters.core.sharing_factor(group)
        self._expert_mvm_nj = parameters.core.mvm_nj * factor
        self._mvm_nj = parameters.core.mvm_nj * (1.0 if accounting.experts_share else factor)
        self.capacity = [parameters.attention_units, 1]

    def of(self, name: str, node: Mapping[str, Any]) -> tuple[npt.NDArray[np.bool_], Columns]:
        """Which operations of a node there are, and their columns, those that are not there included."""
        pass_index, token = self._places.of(node["scope"], node["layer"])
        columns: Columns = {
            "kind": int(node["kind"]),
            "token": token,
            "pass_index": pass_index,
            "rows": 0,
            "columns": 0,
            "enters": False,
            "entering": 0,
            "resource": -1,
            "duration_ps": 0,
            "energy_nj": 0.0,
            "moved_bytes": 0.0,
        }
        if node["kind"] == Kind.PRODUCT:
            columns |= self._product(node, pass_index)
        elif node["kind"] == Kind.DIGITAL:
            columns |= self._digital(node)
        elif "traffic" in node:
            columns |= self._transfer(node)
        elif node["kind"] == Kind.SHARED:
            columns |= self._attention()
        elif node["scope"] == "cycle":
            columns |= self._cycles(node["layer"])
        elif node["category"] == "scheduler":
            columns |= self._scheduler(node)
        else:
            # Logits on their way from crossbars to a digital unit.
            crossing = self._parameters.crossing_time_ns(self._parameters.core.columns)
            columns |= {"entering": 1, "duration_ps": whole_ps(crossing)}
        present = np.asarray(columns.pop("present", np.ones(len(pass_index), np.bool_)))
        if node.get("merges"):
            present = ~self._places.choices[node["layer"]].first_of_token
        return present, columns

    def _product(self, node: Mapping[str, Any], pass_index: IntArray) -> Columns:
        core, layer, inputs = self._parameters.core, node["layer"], node["inputs"]
        rows = 1 if inputs is None else core.tiles(inputs=inputs, outputs=1)
        columns = core.tiles(inputs=1, outputs=node["outputs"])
        tiles = rows * columns
        if node["scope"] != "choice":
            enters = self._places.passes.sampled[pass_index] if inputs is None else np.ones(len(pass_index), np.bool_)
            return {
                "rows": rows,
                "columns": columns,
                "enters": enters,
                "entering": enters * tiles,
                "resource": self._resources(1),
                "energy_nj": tiles * self._mvm_nj,
            }
        choices = self._places.choices[layer]
        # Cycles pay for the inputs that they send.
        paid = (choices.cycle >= 0) & (node["inputs"] == self._model.hidden) & (node["outputs"] != self._model.hidden)
        return {
            "rows": rows,
            "columns": columns,
            "enters": True,
            "entering": np.where(paid, 0, tiles),
            "resource": self._resources(len(self._places.routing[layer].grouping.groups)) + choices.group,
            "energy_nj": tiles * self._expert_mvm_nj,
        }

    def _digital(self, node: Mapping[str, Any]) -> Columns:
        parameters, width, smooth = self._parameters, node["width"], self._model.smooth
        if node["category"] == "add":
            time, energy = parameters.add_time_ns(width), parameters.add_nj(width)
        elif node["category"] == "norm":
            time, energy = parameters.norm_time_ns(width), parameters.norm_nj(width)
        elif node["category"] == "activation":
            time = parameters.activation_time_ns(width, smooth=smooth)
            energy = parameters.activation_nj(width, smooth=smooth)
        else:
            time, energy = parameters.sampling_ns, 0.0
        return {"duration_ps": whole_ps(time), "energy_nj": energy}

    def _transfer(self, node: Mapping[str, Any]) -> Columns:
        model, places, dram, traffic = self._model, self._places, self._parameters.dram, node["traffic"]
        passes, sizes = places.passes, {"experts": model.experts, "width": model.hidden}
        if traffic == "kv_read":
            moved = kv_bytes(passes.length, model.kv_width) * passes.reads_kv
        elif traffic == "kv_write":
            moved = kv_bytes(passes.tokens, model.kv_width) * passes.writes_kv
        elif traffic == "go_read":
            moved = go_bytes(passes.length, **sizes) * passes.reads_go
        else:
            chosen = _counted(places.choices[node["layer"]].pass_index, len(passes))
            moved = go_written_bytes(passes.tokens, chosen, **sizes) * passes.writes_go
        time = dram.transfer_ns(moved)
        return {
            "present": moved > 0,
            "resource": _DRAM,
            "duration_ps": _whole_ps(time),
            "energy_nj": time * dram.active_w,
            "moved_bytes": moved,
        }

    def _attention(self) -> Columns:
        passes, width = self._places.passes, self._model.query_width
        length = passes.length.astype(np.float64)
        share = np.where(passes.one_query, 1.0 / length, 1.0)
        share *= np.where(passes.one_query & self._accounting.whole_query, 1.0, 0.5)
        return {
            "resource": _ATTENTION,
            "duration_ps": _whole_ps(self._parameters.attention_time_ns(length, width) * share),
            "energy_nj": self._parameters.attention_nj(length, width) * share,
        }

    def _cycles(self, layer: int) -> Columns:
        """Every cycle is an MVM long; the first begins at once. A token that several groups take is sent once."""
        core, model = self._parameters.core, self._model
        schedule = self._places.routing[layer].schedule
        if schedule is None:
            return {}
        duration = np.full(schedule.cycles, whole_ps(core.mvm_ns))
        duration[0] = 0
        tiles = core.tiles(inputs=model.hidden, outputs=model.expert_width) * (2 if model.gated else 1)
        return {"duration_ps": duration, "entering": schedule.transfers_by_cycle * tiles}

    def _scheduler(self, node: Mapping[str, Any]) -> Columns:
        """A plan of all choices of a pass where there is a schedule, token by token where there is none."""
        places, layer, scheduler = self._places, node["layer"], self._parameters.scheduler
        passes, choices = len(places.passes), places.choices[layer]
        planned = np.arange(passes) < min(1, places.cycles(layer))
        if node["scope"] == "pass":
            count, present = _counted(choices.pass_index, passes), planned
        else:
            count = _counted(choices.token, len(places.pass_of_token))
            costs = scheduler.ns_per_choice > 0 or scheduler.nj_per_choice > 0
            present = ~planned[places.pass_of_token] & (count > 0) & costs
        return {
            "present": present,
            "duration_ps": _whole_ps(count * scheduler.ns_per_choice),
            "energy_nj": count * scheduler.nj_per_choice,
        }

    def _resources(self, count: int) -> int:
        """The first of so many new resources with room for one operation."""
        self.capacity += [1] * count
        return len(self.capacity) - count


def whole_ps(ns: float) -> int:
    """A time in whole ps."""
    return round(ns * PS_PER_NS)


def _whole_ps(ns: npt.ArrayLike) -> IntArray:
    found: IntArray = np.rint(np.asarray(ns) * PS_PER_NS).astype(np.int64)
    return found


def _counted(places: IntArray, count: int) -> IntArray:
    found: IntArray = np.bincount(places, minlength=count).astype(np.int64)
    return found
