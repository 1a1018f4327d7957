"""gRPC's own Python client, without a line of generated code, against a running maglevd.

    client.py TARGET CONFIG BROKEN_CONFIG

TARGET is an address as gRPC writes it, CONFIG a file that the daemon would take and that changes something, BROKEN_CONFIG one that it
would not. Everything that is known of the API comes from the daemon by reflection. The daemon has to have the backends web0 and web1, both
up, and the frontend web-v4 with both in the pool primary; web0 is disabled and web1 gets weight 40.

What was answered is printed as one JSON object on the last line: one member for each question.
"""

import json
import sys
import time

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

# Far beyond what a loaded machine needs.
PATIENCE = 60

# For a Unix socket gRPC's C core makes the authority from the path, `tmp%2Fmaglev.sock` (grpc/grpc#38142). Servers in Rust take no
# percent sign there and answer with a PROTOCOL_ERROR (hyperium/h2#487): such clients have to say this.
AUTHORITY = ("grpc.default_authority", "localhost")


class Service:
    """A service as reflection describes it. Answers are dictionaries with the field names of the .proto, zeros included."""

    def __init__(self, channel, descriptor):
        self.channel = channel
        self.descriptor = descriptor

    def __getattr__(self, name):
        method = self.descriptor.methods_by_name[name]
        request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        kind = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        call = kind(
            f"/{self.descriptor.full_name}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )

        def ask(**fields):
            answer = call(request(**fields), timeout=PATIENCE, wait_for_ready=True)
            return map(as_dict, answer) if method.server_streaming else as_dict(answer)

        return ask


def as_dict(message):
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def refusal(ask, **fields):
    """Status and message of a call that must not succeed."""
    try:
        return {"answered": ask(**fields)}
    except grpc.RpcError as error:
        return {"code": error.code().name, "message": error.details()}


def snapshot(events):
    """What a stream of events begins with, up to the word that it is complete."""
    parts = []
    for event in events:
        if "snapshot_end" in event:
            return parts
        parts.append(event)
    raise AssertionError(f"the stream ended within its snapshot: {parts}")


def weights(state):
    """Weights of the only VIP in VPP, by backend."""
    return {server["backend"]: server["weight"] for server in state["vips"][0]["ases"]}


def eventually(what, ask, wanted):
    """Asks until the answer is the wanted one, and returns it."""
    end = time.monotonic() + PATIENCE
    while not wanted(answer := ask()):
        assert time.monotonic() < end, f"waited {PATIENCE} s for this: {what}; last: {answer}"
        time.sleep(0.02)
    return answer


def main(target, config, broken):
    config, broken = (open(path, encoding="utf-8").read() for path in (config, broken))
    with grpc.insecure_channel(target, options=[AUTHORITY] if target.startswith("unix:") else []) as channel:
        grpc.channel_ready_future(channel).result(PATIENCE)
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        services = sorted(database.get_services())
        maglev, health = (
            Service(channel, pool.FindServiceByName(name)) for name in ("maglev.v1.Maglev", "grpc.health.v1.Health")
        )
        seen = {
            "services": services,
            "methods": [method.name for method in maglev.descriptor.methods],
            "health": [health.Check(service=name) for name in ("", "maglev.v1.Maglev")],
            "health_of_nobody": refusal(health.Check, service="maglev.v1.Nobody"),
        }

        events = maglev.WatchEvents(backend=True, frontend=True)
        seen["snapshot"] = snapshot(events)
        seen["frontends"] = maglev.ListFrontends()["frontends"]
        seen["backend"] = maglev.GetBackend(name="web0")
        seen["checked"] = maglev.CheckConfig(text=config, file="new.yaml")
        seen["broken"] = maglev.CheckConfig(text=broken, file="broken.yaml")
        seen["plan"] = maglev.PlanVPPLBState(text=config, file="new.yaml")

        seen["disabled"] = maglev.DisableBackend(name="web0", reason="disk swap")
        seen["transition"] = next(events)
        seen["weighed"] = maglev.SetFrontendPoolBackendWeight(
            frontend="web-v4", pool="primary", backend="web1", weight=40, reason="a trial"
        )
        seen["overrides"] = maglev.ListOverrides()
        seen["state"] = eventually(
            "VPP has the new weights, and has told its flows",
            lambda: maglev.GetVPPLBState(flows=True),
            lambda state: weights(state) == {"web0": 0, "web1": 40} and "flows_read" in state,
        )

        seen["refusals"] = {
            "unknown backend": refusal(maglev.GetBackend, name="web9"),
            "weight 101": refusal(
                maglev.SetFrontendPoolBackendWeight, frontend="web-v4", pool="primary", backend="web1", weight=101
            ),
            "pause of a disabled backend": refusal(maglev.PauseBackend, name="web0"),
            "plan of a broken config": refusal(maglev.PlanVPPLBState, text=broken, file="broken.yaml"),
        }
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
