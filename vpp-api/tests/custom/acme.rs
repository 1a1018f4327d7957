//! The plugin: everything that VPP's API language has, once. The CRCs are those that VPP's own compiler of definitions,
//! `vppapigen` of 26.10, gives to `acme.api`.

use std::net::Ipv4Addr;

use vpp_api::codec::{As, HostOrder};
use vpp_api::message::Reply;
use vpp_api::types::{
    Address, AddressWithPrefix, Counted, F64, FixedString, InterfaceIndex, IpProto, MacAddress, Octets, Prefix, Rest,
    Retval, Text, Timedelta,
};

vpp_api::wire_enum! {
    /// What is done with a packet.
    enum acme_action: u8 as Action {
        /// It goes.
        ACME_API_DENY = 0 as Deny,
        /// It stays.
        ACME_API_PERMIT = 1 as Permit,
        ; ACME_API_N_ACTIONS = 2,
    }
}

vpp_api::wire_number! {
    /// Where a rule stands.
    alias acme_index: u32 as RuleIndex {
        /// Nowhere.
        NONE = u32::MAX,
    }

    /// How far a rule reaches.
    enum acme_scope: u16 as Scope {
        /// One interface.
        ACME_API_INTERFACE = 0 as INTERFACE,
    }

    /// What is on.
    enumflag acme_flags: u32 as Flags {
        /// Logged.
        ACME_API_LOG = 1 as LOG,
        /// Counted.
        ACME_API_COUNT = 2 as COUNT,
        ; ACME_API_TRACE = 4,
    }
}

vpp_api::wire_alias! {
    /// A key.
    #[derive(Copy)]
    alias acme_key as Key: [u8; 16];

    /// A typedef of a typedef.
    #[derive(Copy)]
    alias acme_peer as Peer: Address;
}

vpp_api::wire_union! {
    /// Who it is.
    union acme_who as Who of WhoArm {
        /// An address.
        ip as Ip: Ipv4Addr,
        /// A card.
        r#type as Mac: MacAddress,
    }
}

vpp_api::wire_struct! {
    /// What a rule looks at.
    #[derive(Copy)]
    struct acme_match as Match {
        /// VPP's definition has a number.
        protocol: IpProto as As<u8> = 255,
        /// VPP forgets to swap it.
        port: u16 as HostOrder = 8080,
        /// Below zero.
        bias: i16 = -2,
        /// Who.
        who: Who,
        /// Two of them.
        keys: [Key; 2],
    }

    /// A rule; the count does not stand right in front of what it counts.
    struct acme_rule as Rule {
        n_matches: u16 = len(matches),
        /// What is done.
        action: Action,
        /// Where it reaches.
        scope: Scope,
        /// Flags.
        flags: Flags,
        /// What it looks at.
        matches: Counted<Match, u16> [n_matches],
    }
}

vpp_api::messages! {
    /// Adds a rule.
    request acme_add "0288a809" as AcmeAdd => AcmeAddReply {
        /// Where it applies.
        sw_if_index: InterfaceIndex = 4294967295,
        /// Whether it is in force.
        is_enabled: bool = true,
        /// How long.
        timeout: F64 = 1.5,
        /// The rule.
        rule: Rule,
    }

    /// Answer to [`AcmeAdd`].
    reply acme_add_reply "a66c0ead" as AcmeAddReply {
        /// Where the rule stands.
        index: RuleIndex,
    }

    /// Asks for rules.
    dump acme_dump "e3864e06" as AcmeDump => AcmeDetails {
        /// For whom.
        pfx: Prefix as As<AddressWithPrefix>,
    }

    /// One rule.
    details acme_details "aa13388b" as AcmeDetails {
        /// Where it stands.
        index: RuleIndex,
        /// Its name.
        name: FixedString<16>,
        /// Who added it.
        peer: Peer,
        /// For how long.
        age: Timedelta,
        /// What it is for.
        comment: Text,
    }

    /// Asks for a log, in parts.
    get acme_log_get "f75ba505" as AcmeLogGet => AcmeLogGetReply stream AcmeLogDetails {
        /// Where to go on.
        cursor: u32,
    }

    /// Ends a part of the answer to [`AcmeLogGet`].
    reply acme_log_get_reply "53b48f5d" as AcmeLogGetReply {
        /// Where to go on.
        cursor: u32,
    }

    /// One line of the log.
    details acme_log_details "7dc74355" as AcmeLogDetails [client_index] {
        /// The packet.
        packet: Octets<80>,
    }

    /// Asks for [`AcmeHit`] and [`AcmeGone`].
    request want_acme_events "3ec6d6c2" as WantAcmeEvents => WantAcmeEventsReply [events AcmeHit, AcmeGone] {
        /// On or off.
        enable: bool,
        /// Copied into each event.
        pid: u32,
    }

    /// Answer to [`WantAcmeEvents`], with a result code of another name and a byte too many.
    answer want_acme_events_reply "b6db72a4" as WantAcmeEventsReply [client_index] [spare 1] {
        /// Result code.
        response: i32,
    }

    /// A rule was hit.
    event acme_hit "4dc5e45c" as AcmeHit {
        /// As asked.
        pid: u32,
        /// What hit it.
        packet: Rest<u16>,
    }

    /// A rule is gone.
    event acme_gone "bd5ff46a" as AcmeGone {
        /// As asked.
        pid: u32,
    }

    /// Takes the plugin's word for it.
    oneway acme_nudge "fe094a24" as AcmeNudge {
        /// Anything.
        dummy: i64,
    }

    /// Has no prefix at all.
    bare acme_bare "fd979b17" as AcmeBare {
        /// Anything.
        dummy: u64,
    }
}

impl Reply for WantAcmeEventsReply {
    fn retval(&self) -> Retval {
        Retval(self.response)
    }
}
