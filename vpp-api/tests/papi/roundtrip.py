"""Reads bodies with FD.io's serializer, by the definitions in FILE, and writes them again.

Usage: roundtrip.py FILE BODIES. BODIES has a line per body: name, and the bytes in hexadecimal. What each was read as goes to standard
output, one JSON object a line; a body that comes out changed ends the program."""

import json
import sys

from vpp_papi.vpp_papi import VPPApiJSONFiles
from vpp_papi.vpp_serializer import VPPType, VPPTypeAlias, VPPUnionType


def plain(packer, value):
    """The value as it goes back into the packer: of a union the longest arm alone."""
    if isinstance(packer, VPPTypeAlias):
        return plain(packer.packer, value)
    if isinstance(packer, VPPUnionType):
        arms = list(packer.packers.items())
        at = max(range(len(arms)), key=lambda at: arms[at][1].size)
        return {arms[at][0]: plain(arms[at][1], value[at])}
    if isinstance(packer, VPPType):
        # By position: a tuple cannot have a name like _vl_msg_id.
        return {name: plain(*both) for name, *both in zip(packer.fields, packer.packers, value)}
    if isinstance(value, list):
        return [plain(packer.packer, each) for each in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


with open(sys.argv[1]) as file:
    messages, _ = VPPApiJSONFiles.process_json_array_str(file.read())
with open(sys.argv[2]) as file:
    for line in file:
        name, text = line.split()
        body = bytes.fromhex(text)
        message = messages[name]
        value = plain(message, message.unpack(body, 0, ntc=True)[0])
        again = message.pack(value)
        if again != body:
            sys.exit(f"{name}: {value}\n{text}\n{again.hex()}")
        print(json.dumps(value, default=list))
