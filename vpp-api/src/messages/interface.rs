//! Interfaces, VPP `src/vnet/interface.api`.

use crate::codec::{As, HostOrder};
use crate::messages;
use crate::types::{FixedString, IfStatusFlags, IfType, InterfaceIndex, LinkDuplex, MacAddress, SubIfFlags, Text};

messages! {
    //!
    //! ```
    //! use vpp_api::message::Message;
    //! use vpp_api::messages::{Visitor, interface};
    //!
    //! /// The events that VPP can be asked for.
    //! struct Events(Vec<&'static str>);
    //!
    //! impl Visitor for Events {
    //!     fn visit<M: Message>(&mut self) {
    //!         self.0.extend(M::SERVICE.iter().flat_map(|service| service.events));
    //!     }
    //! }
    //!
    //! let mut events = Events(Vec::new());
    //! interface::visit(&mut events);
    //! assert_eq!(events.0, ["sw_interface_event"]);
    //! ```

    /// Asks for [`SwInterfaceEvent`]s until the connection ends; -31 if already so. 18 bytes.
    ///
    /// ```
    /// use vpp_api::messages::interface::WantInterfaceEvents;
    ///
    /// let want = WantInterfaceEvents { enable_disable: 1, pid: std::process::id() };
    /// ```
    request want_interface_events "476f5a08" as WantInterfaceEvents => WantInterfaceEventsReply [events SwInterfaceEvent] {
        /// 1 on, 0 off.
        enable_disable: u32,
        /// Copied into each event.
        pid: u32,
    }

    /// Answer to [`WantInterfaceEvents`]. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{messages::interface::WantInterfaceEventsReply, types::Retval};
    ///
    /// let again = WantInterfaceEventsReply { retval: Retval(-31) };
    /// assert_eq!(again.retval.name(), Some("INVALID_REGISTRATION"));
    /// ```
    reply want_interface_events_reply "e8d4e804" as WantInterfaceEventsReply {}

    /// An interface went up or down or away. 19 bytes.
    ///
    /// Has a client index where replies have their context.
    ///
    /// ```
    /// use vpp_api::{messages::interface::SwInterfaceEvent, types::IfStatusFlags};
    ///
    /// /// Whether packets can pass now.
    /// fn is_up(event: &SwInterfaceEvent) -> bool {
    ///     !event.deleted && event.flags.0 & IfStatusFlags::LINK_UP.0 != 0
    /// }
    /// ```
    event sw_interface_event "2d3d95a7" as SwInterfaceEvent {
        /// As given in [`WantInterfaceEvents`].
        pid: u32,
        /// Interface.
        sw_if_index: InterfaceIndex,
        /// What is up now.
        flags: IfStatusFlags,
        /// It is gone.
        deleted: bool,
    }

    /// One interface. 295 bytes.
    ///
    /// ```
    /// /// Such as `1 eth0 02:fe:00:00:00:11`.
    /// fn title(interface: &vpp_api::messages::interface::SwInterfaceDetails) -> String {
    ///     format!("{} {} {}", interface.sw_if_index, interface.interface_name, interface.l2_address)
    /// }
    /// ```
    details sw_interface_details "6c221fc7" as SwInterfaceDetails {
        /// Interface.
        sw_if_index: InterfaceIndex,
        /// The interface it belongs to; itself unless it is a sub-interface.
        sup_sw_if_index: u32,
        /// Hardware address.
        l2_address: MacAddress,
        /// Administrative and link state.
        flags: IfStatusFlags,
        /// Kind of interface.
        r#type: IfType,
        /// Duplex.
        link_duplex: LinkDuplex,
        /// Speed in kbit/s.
        link_speed: u32,
        /// Largest frame.
        link_mtu: u16,
        /// Largest packet of L3, IPv4, IPv6, MPLS.
        mtu: [u32; 4],
        /// Number of a sub-interface.
        sub_id: u32,
        /// VLAN tags.
        sub_number_of_tags: u8,
        /// Outer VLAN.
        sub_outer_vlan_id: u16,
        /// Inner VLAN.
        sub_inner_vlan_id: u16,
        /// [`SubIfFlags`], bits.
        sub_if_flags: u32 as As<SubIfFlags>,
        /// VLAN tag rewrite operation.
        vtr_op: u32,
        /// VLAN tag rewrite: push 802.1Q.
        vtr_push_dot1q: u32,
        /// VLAN tag rewrite: first tag.
        vtr_tag1: u32,
        /// VLAN tag rewrite: second tag.
        vtr_tag2: u32,
        /// Not filled in by VPP.
        outer_tag: u16,
        /// Backbone destination.
        b_dmac: MacAddress,
        /// Backbone source.
        b_smac: MacAddress,
        /// Backbone VLAN, in host order.
        b_vlanid: u16 as HostOrder,
        /// Service instance, in host order.
        i_sid: u32 as HostOrder,
        /// Name.
        interface_name: FixedString<64>,
        /// Driver.
        interface_dev_type: FixedString<64>,
        /// Tag set by an operator.
        tag: FixedString<64>,
    }

    /// Asks for interfaces. At least 19 bytes. VPP stops its workers for it.
    ///
    /// ```
    /// use vpp_api::messages::interface::SwInterfaceDump;
    ///
    /// let loops = SwInterfaceDump { name_filter_valid: true, name_filter: "loop".into(), ..SwInterfaceDump::all() };
    /// ```
    dump sw_interface_dump "aa610c27" as SwInterfaceDump => SwInterfaceDetails {
        /// All ones or 0: all; else just that one.
        sw_if_index: InterfaceIndex = 4294967295,
        /// Whether `name_filter` counts; then `sw_if_index` does not.
        name_filter_valid: bool,
        /// Part of a name, in any case.
        name_filter: Text,
    }
}

impl SwInterfaceDump {
    /// Every interface.
    #[must_use]
    pub fn all() -> Self {
        Self { sw_if_index: InterfaceIndex::NONE, name_filter_valid: false, name_filter: Text::default() }
    }
}
