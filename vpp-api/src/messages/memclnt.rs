//! Connection handling, VPP `src/vlibmemory/memclnt.api`. These have the same ids, 1 to 28, in every VPP.

use crate::message::Reply;
use crate::types::{Counted, FixedString, Retval, Text};
use crate::{messages, wire_struct};

messages! {
    //!
    //! ```
    //! use vpp_api::message::Message;
    //! use vpp_api::messages::{Visitor, memclnt};
    //!
    //! /// What clients send.
    //! struct Requests(Vec<&'static str>);
    //!
    //! impl Visitor for Requests {
    //!     fn visit<M: Message>(&mut self) {
    //!         self.0.extend(M::KIND.is_from_client().then_some(M::NAME));
    //!     }
    //! }
    //!
    //! let mut requests = Requests(Vec::new());
    //! memclnt::visit(&mut requests);
    //! assert!(requests.0.contains(&"control_ping") && !requests.0.contains(&"control_ping_reply"));
    //! ```

    /// Asks for the first id of a module's range by `<module>_<file crc>`. 74 bytes.
    ///
    /// ```
    /// use vpp_api::{messages::memclnt::GetFirstMsgId, types::FixedString};
    ///
    /// let request = GetFirstMsgId { name: FixedString::try_from("lb_487dee0a")? };
    /// # Ok::<_, vpp_api::types::TooLong>(())
    /// ```
    request get_first_msg_id "ebf79a66" as GetFirstMsgId => GetFirstMsgIdReply {
        /// Range name, such as `lb_487dee0a`.
        name: FixedString<64>,
    }

    /// Answer to [`GetFirstMsgId`]; -7 for an unknown range. 12 bytes.
    ///
    /// ```
    /// /// The first id, if VPP has the range.
    /// fn first(reply: &vpp_api::messages::memclnt::GetFirstMsgIdReply) -> Option<u16> {
    ///     reply.retval.is_ok().then_some(reply.first_msg_id)
    /// }
    /// ```
    reply get_first_msg_id_reply "7d337472" as GetFirstMsgIdReply {
        /// First id of the range, 65535 if there is none.
        first_msg_id: u16,
    }

    /// Asks for the API versions of all modules. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{message::Message, messages::memclnt::ApiVersions};
    ///
    /// assert_eq!(ApiVersions::NAME_CRC, "api_versions_51077d14");
    /// ```
    request api_versions "51077d14" as ApiVersions => ApiVersionsReply {}

    /// Answer to [`ApiVersions`]. At least 14 bytes.
    ///
    /// ```
    /// let reply = vpp_api::messages::memclnt::ApiVersionsReply::default();
    /// assert!(reply.api_versions.is_empty());
    /// ```
    reply api_versions_reply "5f0d99d6" as ApiVersionsReply {
        count: u32 = len(api_versions),
        /// One row per module; no VPP of this time fills it.
        api_versions: Counted<ModuleVersion, u32> [count],
    }

    /// Registers the client; the first message on a connection, always id 15. 70 bytes.
    ///
    /// Has no client index: the context follows the message id.
    ///
    /// ```
    /// use vpp_api::{messages::memclnt::SockclntCreate, types::FixedString};
    ///
    /// let hello = SockclntCreate { name: FixedString::clipped("my-program") };
    /// ```
    hello sockclnt_create "455fb9c4" as SockclntCreate => SockclntCreateReply {
        /// Client name for VPP's `show api clients`. Must hold a NUL: VPP reads it as a C string.
        name: FixedString<64>,
    }

    /// Answer to [`SockclntCreate`], always id 16, with the ids of all messages. 20 bytes and 66 per message.
    ///
    /// ```
    /// use vpp_api::{messages::memclnt::SockclntCreateReply, table::MessageTable};
    ///
    /// fn table(welcome: &SockclntCreateReply) -> MessageTable {
    ///     MessageTable::new(&welcome.message_table)
    /// }
    /// ```
    hello_reply sockclnt_create_reply "35166268" as SockclntCreateReply {
        /// Result code, 0.
        response: i32,
        /// The `client_index` of all further requests.
        index: u32,
        count: u16 = len(message_table),
        /// Id and name of every message, in no order.
        message_table: Counted<MessageTableEntry, u16> [count],
    }

    /// Ends the registration; VPP answers and closes the connection. 14 bytes.
    ///
    /// ```
    /// use vpp_api::connection::{Connection, StartError};
    /// use vpp_api::messages::memclnt::SockclntDelete;
    ///
    /// fn leave(connection: &mut Connection<&'static str>) -> Result<u32, StartError> {
    ///     let index = connection.client_index();
    ///     connection.call(&SockclntDelete { index }, "leave")
    /// }
    /// ```
    request sockclnt_delete "8ac76db6" as SockclntDelete => SockclntDeleteReply {
        /// The client's own index. VPP frees whatever client is named here.
        index: u32,
    }

    /// Answer to [`SockclntDelete`]. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{message::Reply, messages::memclnt::SockclntDeleteReply};
    ///
    /// assert!(SockclntDeleteReply { response: 1 }.retval().is_ok());
    /// assert!(!SockclntDeleteReply { response: -1 }.retval().is_ok());
    /// ```
    answer sockclnt_delete_reply "8f38b1ee" as SockclntDeleteReply {
        /// 1 for success, unlike all other replies; -1 for an unknown index.
        response: i32,
    }

    /// VPP's question to shared-memory clients whether they live. 10 bytes.
    ///
    /// A socket client never gets one and must never send one: VPP would answer itself through shared memory.
    ///
    /// ```
    /// use vpp_api::message::Message;
    /// use vpp_api::messages::memclnt::{ControlPing, MemclntKeepalive};
    ///
    /// assert_eq!(MemclntKeepalive::CRC, ControlPing::CRC, "it has the same layout as a ping, which may be sent");
    /// ```
    request memclnt_keepalive "51077d14" as MemclntKeepalive => MemclntKeepaliveReply {}

    /// Answer to [`MemclntKeepalive`]; not to be sent either. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{message::Message, messages::memclnt::MemclntKeepaliveReply};
    ///
    /// assert_eq!(MemclntKeepaliveReply::NAME, "memclnt_keepalive_reply");
    /// ```
    reply memclnt_keepalive_reply "e8d4e804" as MemclntKeepaliveReply {}

    /// Does nothing; its reply proves that everything sent before it was handled. 10 bytes.
    ///
    /// ```
    /// use vpp_api::connection::{Connection, StartError};
    /// use vpp_api::messages::memclnt::ControlPing;
    ///
    /// /// Answered when everything before it was handled.
    /// fn barrier(connection: &mut Connection<&'static str>) -> Result<u32, StartError> {
    ///     connection.call(&ControlPing {}, "barrier")
    /// }
    /// ```
    request control_ping "51077d14" as ControlPing => ControlPingReply {}

    /// Answer to [`ControlPing`]. 18 bytes.
    ///
    /// ```
    /// use vpp_api::messages::memclnt::ControlPingReply;
    ///
    /// /// Whether it is the same process that answered before.
    /// fn is_same(before: &ControlPingReply, now: &ControlPingReply) -> bool {
    ///     before.vpe_pid == now.vpe_pid
    /// }
    /// ```
    reply control_ping_reply "f6b0b8ca" as ControlPingReply {
        /// Echo; not initialised before 26.10.
        client_index: u32,
        /// Process id of VPP.
        vpe_pid: u32,
    }

    /// Asks for the definitions of all messages; VPP 24.06 and later. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{message::Message, messages::memclnt::GetApiJson, table::MessageTable};
    ///
    /// fn can_tell(table: &MessageTable) -> bool {
    ///     table.id(GetApiJson::NAME_CRC).is_some()
    /// }
    /// ```
    request get_api_json "51077d14" as GetApiJson => GetApiJsonReply {}

    /// Answer to [`GetApiJson`]. At least 14 bytes; VPP may send one more than it says.
    ///
    /// ```
    /// use vpp_api::{message::Message, messages::memclnt::GetApiJsonReply};
    ///
    /// assert_eq!(GetApiJsonReply::SPARE, 1, "for the byte that VPP sends too many");
    /// ```
    reply get_api_json_reply "ea715b59" as GetApiJsonReply [spare 1] {
        /// A JSON array of all `.api.json` texts.
        json: Text,
    }
}

wire_struct! {
    /// `module_version`, 76 bytes.
    ///
    /// ```
    /// /// Such as `lb 1.2.0`.
    /// fn title(module: &vpp_api::messages::memclnt::ModuleVersion) -> String {
    ///     format!("{} {}.{}.{}", module.name, module.major, module.minor, module.patch)
    /// }
    /// ```
    #[derive(Copy)]
    struct module_version as ModuleVersion {
        /// Major version.
        major: u32,
        /// Minor version.
        minor: u32,
        /// Patch level.
        patch: u32,
        /// Module.
        name: FixedString<64>,
    }

    /// `message_table_entry`, 66 bytes.
    ///
    /// ```
    /// use vpp_api::{messages::memclnt::MessageTableEntry, table::MessageTable, types::FixedString};
    ///
    /// let row = MessageTableEntry { index: 91, name: FixedString::clipped("lb_conf_get_51077d14") };
    /// assert_eq!(MessageTable::new(&[row]).name(91), Some("lb_conf_get_51077d14"));
    /// ```
    #[derive(Copy)]
    struct message_table_entry as MessageTableEntry {
        /// Message id.
        index: u16,
        /// `<name>_<crc>`, cut after 63 bytes.
        name: FixedString<64>,
    }
}

impl Reply for SockclntCreateReply {
    fn retval(&self) -> Retval {
        Retval(self.response)
    }
}

impl Reply for SockclntDeleteReply {
    // 1 is success here (VPP src/vlibmemory/socket_api.c).
    fn retval(&self) -> Retval {
        Retval(self.response)
    }
}
