# SPDX-License-Identifier: Apache-2.0
"""The operators' own kinds as far as our manifests use them; Kubernetes' schemas do not have them.

Each knows the fields that we give and no others, so a misspelt one is found. What an operator makes
of them only a cluster can tell.
"""

TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 1}
ANY = {"type": "object"}


def _object(required, **optional):
    """An object with these fields and no others."""
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
    }


def _resource(spec):
    return _object({"apiVersion": TEXT, "kind": TEXT, "metadata": ANY, "spec": spec})


RESOURCES = _object({"requests": ANY, "limits": ANY})
RABBITMQ_TRIGGER = _object(
    {
        "type": {"const": "rabbitmq"},
        "metadata": _object(
            {
                "protocol": {"const": "http"},  # the only one that knows regular expressions
                "queueName": TEXT,
                "useRegex": {"const": "true"},
                "operation": {"enum": ["sum", "max", "avg"]},
                "mode": {"enum": ["QueueLength", "MessageRate"]},
                "value": {"type": "string", "pattern": "^[0-9]+$"},
            }
        ),
        "authenticationRef": _object({"name": TEXT}),
    }
)

SCHEMAS = {
    ("ScaledObject", "keda.sh/v1alpha1"): _resource(
        _object(
            {
                "scaleTargetRef": _object({"name": TEXT}),
                "triggers": {"type": "array", "items": RABBITMQ_TRIGGER, "minItems": 1},
            },
            minReplicaCount=COUNT,
            maxReplicaCount=COUNT,
            fallback=_object({"failureThreshold": COUNT, "replicas": COUNT}),
        )
    ),
    ("TriggerAuthentication", "keda.sh/v1alpha1"): _resource(
        _object(
            {
                "secretTargetRef": {
                    "type": "array",
                    "items": _object({"parameter": TEXT, "name": TEXT, "key": TEXT}),
                }
            }
        )
    ),
    ("RabbitmqCluster", "rabbitmq.com/v1beta1"): _resource(
        _object(
            {"replicas": COUNT},
            image=TEXT,
            resources=RESOURCES,
            persistence=_object({}, storage=TEXT, storageClassName=TEXT),
            affinity=ANY,
            rabbitmq=_object({}, additionalConfig=TEXT, additionalPlugins={"type": "array"}),
            override=_object({}, statefulSet=_object({"spec": ANY})),
        )
    ),
    ("InnoDBCluster", "mysql.oracle.com/v2"): _resource(
        _object(
            {"secretName": TEXT, "instances": {"type": "integer", "minimum": 1, "maximum": 9}},
            version={"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
            tlsUseSelfSigned={"type": "boolean"},
            router=_object({"instances": COUNT}),
            datadirVolumeClaimTemplate=ANY,
            mycnf=TEXT,
            podSpec=ANY,
        )
    ),
}
