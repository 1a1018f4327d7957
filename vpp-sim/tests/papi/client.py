"""FD.io's own Python client, unchanged, against the simulator; every check is an assertion.

    client.py hello API_SOCKET                           the API without definitions: what the client brings itself
    client.py calls API_SOCKET DEFINITIONS               the API with the definitions recorded from VPP
    client.py moving STATS_SOCKET VIP TO VIA [VIA ...]   the stats segment while flows go through a VIP
    client.py read STATS_SOCKET VIP TO VIA [VIA ...]     the VIP's counters as one JSON object on the last line

VIP is the VIP's number in the pool, TO and VIA are the stats indices of the VIP's route and of its servers' routes.
`calls` holds for a real VPP as well, as long as it has none of the VIPs used here.
"""

import json
import re
import sys
import time

from vpp_papi import VPPApiClient
from vpp_papi.vpp_stats import VPPStats

INSTANCE_IN_USE = -81
INVALID_ARGUMENT = -73
INVALID_VALUE = -70
NO_SUCH_ENTRY = -6

PLUGIN_COUNTERS = (
    "packet from existing sessions",
    "first session packet",
    "untracked packet",
    "no server configured",
)
SCALAR, SIMPLE, COMBINED, NAMES, SYMLINK, GAUGE = 1, 2, 3, 4, 6, 9


def check(what, got, expected):
    assert got == expected, f"{what}: {got!r}, expected {expected!r}"
    print(f"ok: {what}")


def eventually(what, condition):
    """Asks until the answer is yes. A minute is far beyond what a loaded machine needs."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"waited a minute for {what}"
        time.sleep(0.02)
    print(f"ok: {what}")


# --- API --------------------------------------------------------------------------------------------------------


def hello(api_socket):
    vpp = VPPApiClient(bootstrapapi=True, server_address=api_socket, read_timeout=30)
    check("connected with the definitions that VPP tells", vpp.connect("papi-hello"), 0)
    try:
        pong = vpp.api.control_ping()
        check("ping", pong.retval, 0)
        check("the same VPP answers the next ping", vpp.api.control_ping().vpe_pid, pong.vpe_pid)
        modules = {module["module"] for module in json.loads(vpp.api.get_api_json().json)}
        check("VPP tells its definitions", {"lb", "ip", "memclnt"} <= modules, True)
        # The client has learnt these from there.
        check("a call that only VPP's definitions have", vpp.api.lb_conf_get().retval, 0)
        check("a dump that only VPP's definitions have", len(vpp.api.lb_vip_dump()), 1)
    finally:
        vpp.disconnect()


def calls(api_socket, definitions):
    vpp = VPPApiClient(apidir=definitions, server_address=api_socket, read_timeout=30)
    vpp.connect("papi-calls")
    try:
        print("version", vpp.api.show_version().version)
        # The first two fields are message id and context.
        before = [row[2:] for row in vpp.api.lb_vip_dump()]
        Calls(vpp).all()
        check("other VIPs are as before", [row[2:] for row in vpp.api.lb_vip_dump()], before)
    finally:
        vpp.disconnect()


class Calls:
    """The calls a controller makes, and VPP's answers to those it should not make."""

    web = dict(pfx="192.0.2.10/32", protocol=6, port=80)
    ip6 = dict(pfx="2001:db8:ffff::1/128", protocol=17, port=53)
    everything = dict(pfx="192.0.2.11/32", protocol=255, port=0)

    def __init__(self, vpp):
        self.api = vpp.api
        self.encap = vpp.get_type("vl_api_lb_encap_type_t").enum

    def all(self):
        self.settings()
        self.vips()
        self.servers()
        self.filters()
        self.text_and_routes()
        self.lingering()

    def settings(self):
        sources = dict(ip4_src_address="10.2.0.1", ip6_src_address="fd02::1")
        conf = dict(sources, sticky_buckets_per_core=2048, flow_timeout=41)
        check("settings", self.api.lb_conf(**conf).retval, 0)
        odd = dict(conf, ip4_src_address="10.9.9.9", sticky_buckets_per_core=1000)
        check("buckets that are no power of two", self.api.lb_conf(**odd).retval, INVALID_VALUE)
        has = self.api.lb_conf_get()
        has = {name: str(getattr(has, name)) for name in conf}
        check("settings read back", has, {name: str(value) for name, value in conf.items()})

    def vips(self):
        gre4, gre6 = self.encap.LB_API_ENCAP_TYPE_GRE4, self.encap.LB_API_ENCAP_TYPE_GRE6
        add = self.api.lb_add_del_vip_v2
        other_port, all_ports = dict(self.web, port=81), dict(self.web, protocol=255, port=0)
        check("VIP", add(**self.web, encap=gre4, new_flows_table_length=1024).retval, 0)
        check("VIP again", add(**self.web, encap=gre4, new_flows_table_length=1024).retval, INSTANCE_IN_USE)
        check("its address with another encapsulation", add(**other_port, encap=gre6).retval, INVALID_ARGUMENT)
        check("all ports beside one", add(**all_ports, encap=gre4).retval, INSTANCE_IN_USE)
        check("a table of 1000", add(**other_port, encap=gre4, new_flows_table_length=1000).retval, INVALID_VALUE)
        check("IPv6 VIP", add(**self.ip6, encap=gre6, new_flows_table_length=65536, src_ip_sticky=True).retval, 0)
        of_tcp = dict(self.everything, protocol=6)
        check("VIP of all ports", add(**of_tcp, encap=gre4, new_flows_table_length=2048).retval, 0)
        seen = {
            (str(row.vip.pfx), int(row.vip.protocol), row.vip.port): (row.encap.name, row.flow_table_length)
            for row in self.api.lb_vip_dump()
        }
        for vip, expected in (
            (self.web, ("LB_API_ENCAP_TYPE_GRE4", 1024)),
            (self.ip6, ("LB_API_ENCAP_TYPE_GRE6", 0)),  # 65,536 in 16 bits
            (self.everything, ("LB_API_ENCAP_TYPE_GRE4", 2048)),
        ):
            check(f"{vip['pfx']} in the dump", seen.get(tuple(vip.values())), expected)

    def servers(self):
        add = self.api.lb_add_del_as_v2
        for address, weight in (("10.0.0.1", 100), ("10.0.0.2", 100), ("10.0.0.3", 50)):
            check(f"server {address}", add(**self.web, as_address=address, weight=weight).retval, 0)
        check("a server again", add(**self.web, as_address="10.0.0.1", weight=7).retval, INSTANCE_IN_USE)
        nowhere = dict(self.web, port=9)
        check("a server of a VIP that is not there", add(**nowhere, as_address="10.0.0.1").retval, NO_SUCH_ENTRY)
        check("IPv6 server", add(**self.ip6, as_address="2001:db8::1", weight=100).retval, 0)
        self.expect(self.web, {"10.0.0.1": (100, 408, 1), "10.0.0.2": (100, 408, 1), "10.0.0.3": (50, 208, 1)})
        self.expect(self.ip6, {"2001:db8::1": (100, 65536, 1)})

        set_weight = self.api.lb_as_set_weight
        check("weight", set_weight(**self.web, as_address="10.0.0.3", weight=100).retval, 0)
        self.expect(self.web, {"10.0.0.1": (100, 342, 1), "10.0.0.2": (100, 341, 1), "10.0.0.3": (100, 341, 1)})
        check("weight 0 and flush", set_weight(**self.web, as_address="10.0.0.3", weight=0, is_flush=True).retval, 0)
        self.expect(self.web, {"10.0.0.1": (100, 512, 1), "10.0.0.2": (100, 512, 1), "10.0.0.3": (0, 0, 1)})
        check("weight of nobody", set_weight(**self.web, as_address="10.0.0.9", weight=1).retval, NO_SUCH_ENTRY)
        check("flush of a VIP", self.api.lb_flush_vip(**self.web).retval, 0)

    def filters(self):
        """What an AS dump is asked for and what it answers are not the same thing."""
        dump = self.api.lb_as_v2_dump
        check("an IPv4 filter in its place finds nothing", dump(**self.web), [])
        mapped = dict(self.web, pfx="::192.0.2.10/128")
        three = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
        check("in the last four bytes it does", [str(row.app_srv) for row in dump(**mapped)], three)
        check("an IPv6 filter", [str(row.app_srv) for row in dump(**self.ip6)], ["2001:db8::1"])
        old = [row for row in self.api.lb_as_dump() if self.is_of(row, self.web)]
        old = [(str(row.app_srv), int(row.flags)) for row in old]
        check("the old dump, which knows no weights", old, [(server, 1) for server in three])

    def text_and_routes(self):
        text = self.api.cli_inband(cmd="show lb vips verbose")
        check("CLI", text.retval, 0)
        block = re.compile(
            r"^ ip4-gre4 \[\d+\] 192\.0\.2\.10/32\n  new_size:1024\n  protocol:6 port:80\n  counters:\n"
            r"(    [a-z ]+: \d+\n){4}  #as:3\n"
            r"    10\.0\.0\.1 weight:100 buckets:512 flows:\d+ dpo:(\d+) used\n"
            r"    10\.0\.0\.2 weight:100 buckets:512 flows:\d+ dpo:\d+ used\n"
            r"    10\.0\.0\.3 weight:0 buckets:0 flows:\d+ dpo:\d+ used\n\n",
            re.MULTILINE,
        ).search(text.reply)
        assert block, f"the VIP in\n{text.reply}"
        assert "192.0.2.11/32\n" in text.reply and "2001:db8:ffff::1/128 src_ip_sticky\n" in text.reply, text.reply
        print("ok: text of the VIPs")
        refused = self.api.cli_inband(cmd="lb vip 192.0.2.10/32 protocol tcp port 80")
        check("a refused command", (refused.retval, refused.reply), (-1, "lb vip: lb_vip_add error -81\n"))

        look_up = self.api.ip_route_lookup
        vip = look_up(table_id=0, exact=1, prefix="192.0.2.10/32")
        check("route of the VIP", (vip.retval, str(vip.route.prefix)), (0, "192.0.2.10/32"))
        server = look_up(table_id=0, exact=1, prefix="10.0.0.1/32").route.stats_index
        check("the server's route and the text agree", server, int(block.group(2)))
        assert vip.route.stats_index != server
        nobody = look_up(table_id=0, exact=1, prefix="192.0.2.99/32")
        check("an address without a route of its own", nobody.retval, NO_SUCH_ENTRY)

    def lingering(self):
        """What is removed stays in the dump for a while, and comes back as what it was."""
        change, set_weight = self.api.lb_add_del_as_v2, self.api.lb_as_set_weight
        check("server removed", change(**self.web, as_address="10.0.0.2", is_del=True).retval, 0)
        self.expect(self.web, {"10.0.0.1": (100, 1024, 1), "10.0.0.2": (100, 0, 0), "10.0.0.3": (0, 0, 1)})
        check("removed twice", change(**self.web, as_address="10.0.0.2", is_del=True).retval, 0)
        check("weight of a removed one", set_weight(**self.web, as_address="10.0.0.2", weight=1).retval, NO_SUCH_ENTRY)
        check("added again", change(**self.web, as_address="10.0.0.2", weight=100).retval, 0)
        self.expect(self.web, {"10.0.0.1": (100, 512, 1), "10.0.0.2": (100, 512, 1), "10.0.0.3": (0, 0, 1)})
        for vip in (self.web, self.ip6, self.everything):
            check(f"{vip['pfx']} removed", self.api.lb_add_del_vip_v2(**vip, is_del=True).retval, 0)
        check("a VIP removed twice", self.api.lb_add_del_vip_v2(**self.web, is_del=True).retval, NO_SUCH_ENTRY)
        self.expect(self.web, {"10.0.0.1": (100, 0, 0), "10.0.0.2": (100, 0, 0), "10.0.0.3": (0, 0, 0)})

    def expect(self, vip, expected):
        """Weight, buckets and flags of a VIP's servers."""
        rows = [row for row in self.api.lb_as_v2_dump() if self.is_of(row, vip)]
        found = {str(row.app_srv): (row.weight, row.num_buckets, int(row.flags)) for row in rows}
        check(f"servers of {vip['pfx']}", found, expected)

    @staticmethod
    def is_of(row, vip):
        return (str(row.vip.pfx), int(row.vip.protocol), row.vip.port) == tuple(vip.values())


# --- Stats segment ----------------------------------------------------------------------------------------------


def moving(stats, vip, to, via):
    kind = {name: entry.type for name, entry in stats}
    check("kinds of entries", {name: kind.get(name) for name in EXPECTED_KINDS}, EXPECTED_KINDS)
    interfaces = stats["/if/names"]
    check("names of interfaces", interfaces[0], "local0")
    uplink = 1
    check("a boot time in this century", 1_700_000_000 < stats["/sys/boottime"] <= time.time(), True)

    heartbeat = stats["/sys/heartbeat"]
    first, arrived = simple(stats, "first session packet", vip), packets(stats, "/net/route/to", to)
    eventually("new flows of the VIP", lambda: simple(stats, "first session packet", vip) > first + 10)
    eventually("packets to the VIP", lambda: packets(stats, "/net/route/to", to) > arrived + 10)
    for server in via:
        sent = packets(stats, "/net/route/via", server)
        eventually(f"packets to server {server}", lambda: packets(stats, "/net/route/via", server) > sent)
    # Nothing is lost on the way: what had arrived by now has soon left again.
    arrived = packets(stats, "/net/route/to", to)
    eventually("what arrived has left", lambda: sum(packets(stats, "/net/route/via", at) for at in via) >= arrived)

    link = f"/interfaces/{interfaces[uplink].replace('/', '_')}/tx"
    before = stats["/if/tx"][:, uplink].sum_octets()
    linked = stats[link].sum_octets()
    after = stats["/if/tx"][:, uplink].sum_octets()
    check("a symlink leads to its column", before <= linked <= after and linked > 0, True)
    # VPP, and so the simulator, moves its heartbeat and its rates every 10 s.
    eventually("a heartbeat", lambda: stats["/sys/heartbeat"] > heartbeat)
    eventually("a rate in a gauge", lambda: stats["/sys/input_rate"] > 0)

    unreadable = [name for name in stats.ls(".*") if stats[name] is None]
    check("every entry can be read", unreadable, [])


EXPECTED_KINDS = {
    "/sys/heartbeat": SCALAR,
    "/sys/boottime": SCALAR,
    "/sys/input_rate": GAUGE,
    "/if/names": NAMES,
    "/if/drops": SIMPLE,
    "/if/tx": COMBINED,
    "/net/route/to": COMBINED,
    "/net/route/via": COMBINED,
    "/interfaces/local0/tx": SYMLINK,
    "/mem/stat segment/free": SYMLINK,
    **{name: SIMPLE for name in PLUGIN_COUNTERS},
}


def read(stats, vip, to, via):
    column = stats["/net/route/to"][:, to]
    servers = [stats["/net/route/via"][:, server] for server in via]
    found = {
        "plugin": [simple(stats, name, vip) for name in PLUGIN_COUNTERS],
        "to": [column.sum_packets(), column.sum_octets()],
        "via": [[server.sum_packets(), server.sum_octets()] for server in servers],
    }
    print(json.dumps(found))


def simple(stats, name, column):
    return stats[name][:, column].sum()


def packets(stats, name, column):
    return stats[name][:, column].sum_packets()


def with_stats(act, stats_socket, vip, to, *via):
    stats = VPPStats(socketname=stats_socket, timeout=30)
    stats.connect()
    try:
        act(stats, int(vip), int(to), [int(server) for server in via])
    finally:
        stats.disconnect()


def main(what, *arguments):
    if what in ("hello", "calls"):
        {"hello": hello, "calls": calls}[what](*arguments)
    else:
        with_stats({"moving": moving, "read": read}[what], *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
