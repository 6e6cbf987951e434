# SPDX-License-Identifier: Apache-2.0
"""The broker: every queue there, as it should be, read, and without dead letters."""

from collections.abc import Iterator, Sequence

from analytics.worker import TOPOLOGY
from common.amqp import BrokerUnavailable, Topology
from common.amqp.inspection import QueueState, inspect
from common.contracts import SUBSCRIPTIONS
from soukctl.checks.finding import Finding, well, wrong
from soukctl.config import Config

TOPOLOGIES = [
    TOPOLOGY if service == TOPOLOGY.service else Topology(service=service, events=events)
    for service, events in SUBSCRIPTIONS.items()
]


def broker(config: Config) -> Iterator[Finding]:
    """Whether it can be reached, and each reader's queues are in order."""
    [url] = config.need("amqp_url")
    try:
        states = {state.name: state for state in inspect(url, TOPOLOGIES)}
    except BrokerUnavailable as error:
        fix = "start RabbitMQ, or correct AMQP_URL; its user must be allowed to configure all."
        yield wrong("broker", f"can't be asked: {error}", fix)
        return
    yield well("broker", f"answers, {sum(state.exists for state in states.values())} queues")
    for topology in TOPOLOGIES:
        mine = [states[queue.name] for queue in topology.queues()]
        found = list(faults(topology, mine))
        yield from found
        if not found:
            said = "are there, read, and without dead letters"
            yield well(f"{topology.service} queues", said)


def faults(topology: Topology, states: Sequence[QueueState]) -> Iterator[Finding]:
    """What is wrong with the queues of one reader."""
    subject, service = f"{topology.service} queues", topology.service
    worker = f"start `python -m {service} worker`"
    if missing := [state.name for state in states if not state.exists]:
        yield wrong(subject, f"missing: {', '.join(missing)}", f"{worker}, which declares them.")
    for state in states:
        if state.conflict:
            fix = (
                f"stop {service}'s worker, move what the queue holds, "
                f"`rabbitmqctl delete_queue {state.name}`, and start it again."
            )
            yield wrong(subject, f"{state.name} is another one: {state.conflict}", fix)
    events = [state for state in states if state.name in topology.queue_names()]
    if unread := [state.name for state in events if state.exists and not state.consumers]:
        yield wrong(subject, f"nobody reads {', '.join(unread)}", f"{worker}.")
    if dead := sum(state.messages for state in states if state.name.endswith(".dead")):
        fix = "`soukctl dead-letters list` says why; `requeue` tries them again."
        yield wrong(subject, f"{dead:,} dead letters", fix)
