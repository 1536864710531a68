"""A schedule as the requests that have groups of crossbars follow it, one crossbar for each expert of a group."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.pe.crossbar_requests import Requests
from axhw.pim.choices import Choices
from axhw.pim.grouping import Grouping
from axhw.pim.schedule import IDLE, Schedule


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupRequests:
    """What one group is asked to do.

    Attributes
    ----------
    requests : Requests
        Tags are the low bits of tokens.
    token : (requests,) int64 array
        Whose vector each request uses.
    """

    requests: Requests
    token: npt.NDArray[np.int64]


def group_requests(
    schedule: Schedule, choices: Choices, grouping: Grouping, *, spec: CrossbarGroupSpec
) -> tuple[GroupRequests, ...]:
    """The requests of every group. The crossbar of an expert has the number of its place in the group.

    A result that belongs to cycle c of the schedule is at the output c slots, and the latency of `spec`, behind the
    cycle in which the first request entered, if nobody has to wait.

    Parameters
    ----------
    spec : CrossbarGroupSpec
        Of each group, with a crossbar for every expert in it.

    Raises
    ------
    AxhwError
        If a group has more experts than crossbars.
    VerificationError
        If the schedule is not one of these choices.
    """
    most = max(map(len, grouping.groups))
    if most > spec.crossbars:
        raise AxhwError(f"Expected a crossbar in {spec.name} for each of the {most} experts of a group, found too few.")
    schedule.check(grouping.loads(choices))
    matrix = choices.matrix
    found = []
    for column, group in zip(schedule.slots.T, grouping.groups):
        token = column.astype(np.int64)
        busy = np.flatnonzero(token != IDLE)
        # The n-th slot of a token is for the n-th of its experts in the group.
        order = np.argsort(token[busy], kind="stable")
        crossbar = np.zeros(len(token), np.int64)
        crossbar[busy[order]] = np.nonzero(matrix[:, list(group)])[1]
        requests = Requests.of_slots(token=token, crossbar=crossbar, most_idle=(1 << spec.idle_bits) - 1)
        tags = replace(requests, token=requests.token % (1 << spec.tag_bits))
        found.append(GroupRequests(requests=tags, token=requests.token))
    return tuple(found)
