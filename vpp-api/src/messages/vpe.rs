//! The process itself, VPP `src/vpp/api/vpe.api`.

use crate::messages;
use crate::types::{FixedString, Timestamp};

messages! {
    //!
    //! ```
    //! use vpp_api::message::Message;
    //! use vpp_api::messages::{Visitor, vpe};
    //!
    //! /// What each request is answered with.
    //! struct Answers(Vec<(&'static str, Option<&'static str>)>);
    //!
    //! impl Visitor for Answers {
    //!     fn visit<M: Message>(&mut self) {
    //!         self.0.extend(M::SERVICE.map(|service| (M::NAME, service.reply)));
    //!     }
    //! }
    //!
    //! let mut answers = Answers(Vec::new());
    //! vpe::visit(&mut answers);
    //! assert_eq!(answers.0[0], ("show_version", Some("show_version_reply")));
    //! ```

    /// Asks what VPP this is. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{message::Message, messages::vpe::ShowVersion};
    ///
    /// assert_eq!(ShowVersion::NAME_CRC, "show_version_51077d14");
    /// ```
    request show_version "51077d14" as ShowVersion => ShowVersionReply {}

    /// Answer to [`ShowVersion`]. 362 bytes; the last byte of each text may be uninitialised.
    ///
    /// ```
    /// /// Such as `vpe 26.02-release`.
    /// fn title(reply: &vpp_api::messages::vpe::ShowVersionReply) -> String {
    ///     format!("{} {}", reply.program, reply.version)
    /// }
    /// ```
    reply show_version_reply "c919bde1" as ShowVersionReply {
        /// `vpe`.
        program: FixedString<32>,
        /// Such as `26.10-rc0~374-gb575ec2c56d` or `26.02-release`.
        version: FixedString<32>,
        /// When it was built.
        build_date: FixedString<32>,
        /// Where it was built.
        build_directory: FixedString<256>,
    }

    /// Asks for VPP's clock. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{message::Message, messages::vpe::ShowVpeSystemTime};
    ///
    /// assert_eq!(ShowVpeSystemTime::NAME, "show_vpe_system_time");
    /// ```
    request show_vpe_system_time "51077d14" as ShowVpeSystemTime => ShowVpeSystemTimeReply {}

    /// Answer to [`ShowVpeSystemTime`]. 18 bytes.
    ///
    /// ```
    /// use vpp_api::messages::vpe::ShowVpeSystemTimeReply;
    /// use vpp_api::types::{Retval, Timestamp};
    ///
    /// let vpe_system_time = Timestamp::from_secs(1_700_000_000.0);
    /// let reply = ShowVpeSystemTimeReply { retval: Retval::OK, vpe_system_time };
    /// assert_eq!(reply.vpe_system_time.secs(), 1_700_000_000.0);
    /// ```
    reply show_vpe_system_time_reply "7ffd8193" as ShowVpeSystemTimeReply {
        /// Unix time, in host order.
        vpe_system_time: Timestamp,
    }
}
