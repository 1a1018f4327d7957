//! The process itself, VPP `src/vpp/api/vpe.api`.

use crate::messages;
use crate::types::{FixedString, Timestamp};

messages! {
    /// Asks what VPP this is. 10 bytes.
    request show_version "51077d14" as ShowVersion => ShowVersionReply {}

    /// Answer to [`ShowVersion`]. 362 bytes; the last byte of each text may be uninitialised.
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
    request show_vpe_system_time "51077d14" as ShowVpeSystemTime => ShowVpeSystemTimeReply {}

    /// Answer to [`ShowVpeSystemTime`]. 18 bytes.
    reply show_vpe_system_time_reply "7ffd8193" as ShowVpeSystemTimeReply {
        /// Unix time, in host order.
        vpe_system_time: Timestamp,
    }
}
